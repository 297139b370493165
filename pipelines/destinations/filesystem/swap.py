"""Put a folder or a file into its published place in one step that no reader can see half of."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path
from uuid import uuid4

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE (Linux, renameat2) and RENAME_SWAP (macOS, renamex_np)
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def swap_folder(new: Path, published: Path) -> None:
    """Make `new` the folder `published`; `new` then holds the old content, or is gone.

    The kernel exchanges both names at once. Where the file system cannot, two renames do, with a
    moment between them in which the folder is missing but never mixed.
    """
    if not published.exists():
        published.parent.mkdir(parents=True, exist_ok=True)
        new.rename(published)
        return
    try:
        _exchange(os.fsencode(new), os.fsencode(published))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        aside = new.with_name(f"{new.name}-old-{uuid4().hex[:8]}")
        published.rename(aside)
        new.rename(published)
        aside.rename(new)


def sync(*paths: Path) -> None:
    """Put files and folders onto the disk: a rename must not outlive what it published."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def link_file(source: Path, target: Path, staging: Path) -> None:
    """Publish `source` a second time as `target`: a hard link where possible, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.mkdir(parents=True, exist_ok=True)
    beside = staging / f"{uuid4().hex}.partial"
    try:
        os.link(source, beside)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, beside)
    beside.replace(target)


def _exchange(new: bytes, published: bytes) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        failed = library.renamex_np(new, published, _EXCHANGE)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, new, _AT_FDCWD, published, _EXCHANGE)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(published))

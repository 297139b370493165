"""The local working folder, which DLT_DATA_DIR moves: beside dlt's own, and as dispensable."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from dlt.common.pipeline import get_dlt_pipelines_dir


def data_dir() -> Path:
    """dlt's data folder, which DLT_DATA_DIR can move."""
    return Path(get_dlt_pipelines_dir()).parent


def lock_file(word: str, kind: str) -> Path:
    """The lock that keeps two runs of a word out of one working folder."""
    return data_dir() / "locks" / f"{word}_{kind}.lock"


def empty_folder(scratch: Path, word: str) -> Path:
    """A new folder for a delivery of `word`."""
    folder = scratch / word / f"landing-{uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    return folder


def remove(scratch: Path, word: str) -> None:
    """Everything that killed runs of this word left there."""
    shutil.rmtree(scratch / word, ignore_errors=True)

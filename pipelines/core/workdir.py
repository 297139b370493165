"""The local working folder, which DLT_DATA_DIR moves: beside dlt's own, and as dispensable."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from dlt.common.pipeline import get_dlt_pipelines_dir


def data_dir() -> Path:
    """dlt's data folder, which DLT_DATA_DIR can move."""
    return Path(get_dlt_pipelines_dir()).parent


def lock_file(source_name: str, kind: str) -> Path:
    """The lock that keeps two runs of a source out of one working folder."""
    return data_dir() / "locks" / f"{source_name}_{kind}.lock"


def empty_folder(scratch: Path, source_name: str) -> Path:
    """A new folder for a delivery of `source_name`."""
    folder = scratch / source_name / f"landing-{uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    return folder


def remove(scratch: Path, source_name: str) -> None:
    """Everything that killed runs of this source left there."""
    shutil.rmtree(scratch / source_name, ignore_errors=True)

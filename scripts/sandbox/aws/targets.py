"""Where a sandbox delivery is put: a folder that stands for a bucket, or a real S3 bucket.

Both put one object whole: a reader sees the old bytes or the new ones, as S3 promises.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


class Target(Protocol):
    """A bucket to deliver into. `bucket` is the name that manifests carry in `s3://` URIs."""

    bucket: str

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write one object whole; `modified` is its time of delivery where that can be set."""

    def keys(self, prefix: str = "") -> list[str]:
        """Every key below a prefix, sorted."""


class FolderTarget:
    """A folder as a bucket: key `a/b` is file `a/b`, its mtime the time of delivery (UTC)."""

    def __init__(self, root: str | Path, bucket: str = "example-billing") -> None:
        self.root = Path(root)
        self.bucket = bucket
        self.root.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write beside the bucket and rename, so that no reader meets half a file."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.root.parent, prefix=".put-")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(temporary).chmod(0o644)
        if modified is not None:
            os.utime(temporary, (modified.timestamp(), modified.timestamp()))
        Path(temporary).replace(path)

    def keys(self, prefix: str = "") -> list[str]:
        """Every file below the folder whose key starts with the prefix."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        keys = (path.relative_to(self.root).as_posix() for path in files)
        return sorted(key for key in keys if key.startswith(prefix))


class S3Target:
    """A bucket through a boto3 client. S3 sets LastModified itself, so `modified` is ignored."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write an object; `modified` is for folders, since S3 has its own clock."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def keys(self, prefix: str = "") -> list[str]:
        """Every key below the prefix, through as many pages as it takes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))


def as_target(target: Target | str | Path) -> Target:
    """A target as it is; a path becomes a FolderTarget."""
    return FolderTarget(target) if isinstance(target, str | Path) else target

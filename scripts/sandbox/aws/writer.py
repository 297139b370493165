"""Puts the objects of one delivery of one billing period, and keeps account of them."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from scripts.sandbox.aws.targets import Target, as_target

_T = TypeVar("_T")


@dataclass(frozen=True)
class Delivered:
    """One delivery of one billing period: what was written, in the order of writing.

    `files` are the data keys that the manifest names, `manifest` the key of the manifest that
    stands for the period (None when the delivery is incomplete), `emptied` the chunks of the
    delivery before that were overwritten with empty data.
    """

    period: str
    rows: int
    files: list[str]
    manifest: str | None
    emptied: list[str]
    execution_id: str
    delivered_at: datetime


@dataclass(frozen=True)
class Bodies:
    """The data files of a delivery: how they are called, their bytes, and those of no rows."""

    name: str
    suffix: str
    bodies: Sequence[bytes]
    empty: bytes

    def key(self, folder: str, number: int) -> str:
        """Chunk numbers have five digits and start at 00001."""
        return f"{folder}/{self.name}{number:05d}{self.suffix}"


class Writer:
    """Puts the objects of one delivery and keeps account of them."""

    def __init__(
        self,
        target: Target | str | Path,
        period: str,
        rows: int,
        delivered_at: datetime | None,
        run: str | None,
        name: str,
        kind: Literal["execution", "assembly"] = "execution",
    ) -> None:
        self.target = as_target(target)
        self.period, self.rows = period, rows
        self.delivered_at = delivered_at or _third_of_next_month(period)
        default = (
            str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{period}/{self.delivered_at.isoformat()}"))
            if kind == "execution"
            else f"{self.delivered_at:%Y%m%dT%H%M%SZ}"
        )
        self.run = run or default
        self.emptied: list[str] = []

    def put(self, key: str, body: bytes) -> None:
        """One object, as of the time of delivery."""
        self.target.put(key, body, self.delivered_at)

    def put_data(self, folder: str, data: Bodies, *, overwrite: bool) -> list[str]:
        """The data files, in order; their keys. What the last delivery had more is emptied."""
        keys = [data.key(folder, number) for number in range(1, len(data.bodies) + 1)]
        for key, body in zip(keys, data.bodies, strict=True):
            self.put(key, body)
        if overwrite:  # AWS overwrites chunks it no longer needs with empty data
            before = self.target.keys(f"{folder}/{data.name}")
            self.emptied = [k for k in before if k.endswith(data.suffix) and k not in keys]
            for key in self.emptied:
                self.put(key, data.empty)
        return keys

    def finish(self, keys: list[str], manifest: Mapping[str, Any], where: list[str]) -> Delivered:
        """The manifest at each of these keys, the period's own last; none is incomplete."""
        body = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        for key in where:
            self.put(key, body)
        period_manifest = where[-1] if where else None
        return Delivered(
            period=self.period,
            rows=self.rows,
            files=keys,
            manifest=period_manifest,
            emptied=self.emptied,
            execution_id=self.run,
            delivered_at=self.delivered_at,
        )


def chunks(rows: Sequence[_T], files: int) -> list[Sequence[_T]]:
    """Rows in `files` parts of nearly one size, in order; a part may be empty."""
    bounds = [round(number * len(rows) / files) for number in range(files + 1)]
    return [rows[start:end] for start, end in itertools.pairwise(bounds)]


def under(prefix: str, name: str) -> str:
    """The root of an export; a prefix may be empty."""
    return f"{prefix.strip('/')}/{name}" if prefix.strip("/") else name


def _next_month(period: str) -> datetime:
    start = datetime.strptime(f"{period}-01", "%Y-%m-%d").replace(tzinfo=UTC)
    return (start + timedelta(days=31)).replace(day=1)


def _third_of_next_month(period: str) -> datetime:
    return _next_month(period) + timedelta(days=2, hours=6, minutes=15)


def date_range(period: str) -> str:
    """`2026-10` → `20261001-20261101`."""
    return f"{period.replace('-', '')}01-{_next_month(period):%Y%m%d}"

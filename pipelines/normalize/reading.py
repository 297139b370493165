"""Raw parquet files as batches of bounded size, however large or small their row groups are.

Text is read dictionary-encoded: a factor of four in CPU time. Two limits of the parquet reader
shape this module: maps of dictionaries cannot be read across row groups, so every row group is read
by itself; and a reader that gives out a row group in slices keeps one dictionary for all of it, so
in a huge row group the columns of many distinct values are read as plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.tables.schema import ShapeError

BATCH_ROWS = 1 << 16
"""Rows of a slice of a huge row group, and up to which small row groups are put together."""
HUGE_ROWS = 100_000
"""A row group of up to this many rows is read whole. Larger ones, such as the common 122,880, in
slices: with a unique resource id per row that halves the peak (925 to 554 MB of 2 M rows) for 4 to
10 % more time."""
FEW_BYTES = 4.0
"""Uncompressed bytes per value below which a column holds little but codes of a dictionary."""

Choose = Callable[[pa.Schema], tuple[list[str], list[str]]]


@dataclass(frozen=True)
class RawFile:
    """One raw parquet file: its name in messages; its path, or what opens it (seekable)."""

    name: str
    source: Path | Callable[[], IO[bytes]]


@dataclass(frozen=True)
class RawBatch:
    """Some raw rows and the name of their file."""

    file: str
    table: pa.Table


def read(files: Sequence[RawFile], choose: Choose) -> Generator[RawBatch]:
    """All rows of all files, in order; `choose` says which columns, and which as dictionaries.

    Raises ShapeError, beginning with the file's name, for an incomplete parquet file or one that
    `choose` refuses.
    """
    for file in files:
        with naming(file.name), _opened(file, choose) as (parquet, names):
            for table in _gathered(_slices(parquet, names)):
                yield RawBatch(file.name, table)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Lets errors about a raw file's content say which file."""
    try:
        yield
    except ShapeError as error:
        raise ShapeError(f"{file}: {error}") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno):
            raise  # the disk or the network; of bad content pyarrow raises a bare OSError
        raise ShapeError(
            f"{file}: this is not a whole parquet file ({error})."
            " Load the partition again with --force; if that does not help, the provider's file is"
            " broken."
        ) from error


@contextmanager
def _opened(file: RawFile, choose: Choose) -> Iterator[tuple[pq.ParquetFile, list[str]]]:
    with ExitStack() as stack:
        source: Any = file.source
        if not isinstance(source, Path):
            source = stack.enter_context(source())
        plain = stack.enter_context(pq.ParquetFile(source))
        names, encoded = choose(plain.schema_arrow)
        leaves = _encoded_leaves(plain.metadata, set(encoded))
        # A row group is fetched whole, in few requests, unless it is huge: then as it is read.
        how = {"pre_buffer": False, "buffer_size": 1 << 20} if _huge(plain.metadata) else {}
        parquet = pq.ParquetFile(source, metadata=plain.metadata, read_dictionary=leaves, **how)
        yield stack.enter_context(parquet), names


def _encoded_leaves(metadata: pq.FileMetaData, encoded: set[str]) -> list[str]:
    """Paths of the text leaves to read as dictionaries, such as "resource_tags.key_value.key"."""
    huge = _huge(metadata)
    leaves = []
    for at in range(metadata.num_columns):
        leaf = metadata.schema.column(at)
        if leaf.path.split(".")[0] not in encoded or leaf.physical_type != "BYTE_ARRAY":
            continue
        chunks = [group.column(at) for group in huge]
        if all(c.total_uncompressed_size <= FEW_BYTES * c.num_values for c in chunks):
            leaves.append(leaf.path)
    return leaves


def _huge(metadata: pq.FileMetaData) -> list[pq.RowGroupMetaData]:
    groups = (metadata.row_group(g) for g in range(metadata.num_row_groups))
    return [group for group in groups if group.num_rows > HUGE_ROWS]


def _slices(parquet: pq.ParquetFile, names: list[str]) -> Iterator[pa.Table]:
    """Each row group by itself, and a huge one in slices."""
    for group in range(parquet.metadata.num_row_groups):
        if parquet.metadata.row_group(group).num_rows <= HUGE_ROWS:
            yield parquet.read_row_group(group, columns=names, use_threads=False)
            continue
        options = {"row_groups": [group], "columns": names, "use_threads": False}
        for batch in parquet.iter_batches(BATCH_ROWS, **options):
            yield pa.Table.from_batches([batch])


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Small neighbours together: many tiny row groups cost every later reader dear."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        if waiting and rows + table.num_rows > BATCH_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
        waiting.append(table)
        rows += table.num_rows
    if waiting:
        yield pa.concat_tables(waiting)

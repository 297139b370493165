"""When a plan or reservation ends, which CUR says as text. Twin: sql/20_aws.sql.

AWS writes ISO 8601 in UTC, such as 2027-03-14T10:00:00.000Z. A delivery with another text is
refused; what an older version landed is NULL. Source: CUR 2.0 table dictionary, where both columns
are text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core.partition import PartitionError
from pipelines.normalize.columns import TIME, Raw
from pipelines.providers.aws.contract import ENDS, is_text

# a text without a zone is UTC, as every time of AWS is
_TIME = re.compile(
    r"((?:19[7-9]|20[0-9])[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?)?)(?:Z|\+00:?00)?"
)


def commitment_end(
    raw: Raw, plan: pa.DictionaryArray, reservation: pa.DictionaryArray
) -> pa.TimestampArray:
    """The end of each row's plan, else of its reservation: of the one that its commitment id is."""
    nothing = pa.scalar(None, TIME)
    of_reservation = pc.if_else(reservation.is_valid(), _times(raw, ENDS[0]), nothing)
    return pc.if_else(plan.is_valid(), _times(raw, ENDS[1]), of_reservation)


def encoded(schema: pa.Schema) -> list[str]:
    """Those of the columns that a file has as text, to read dictionary-encoded."""
    return [name for name in ENDS if name in schema.names and is_text(schema.field(name).type)]


def refuse_unreadable(path: Path, where: str) -> None:
    """Raises PartitionError for a text in a landed file that is not a time."""
    with pq.ParquetFile(path) as file:
        names = encoded(file.schema_arrow)
    if not names:
        return
    with pq.ParquetFile(path, read_dictionary=names) as file:
        for batch in file.iter_batches(columns=names):
            for name in names:
                for text in pc.unique(batch.column(name)).to_pylist():
                    if text and _moment(text) is None:
                        raise PartitionError(
                            f"{where}: column {name}: {text[:80]!r} is not a time. The published "
                            "partition stays; ask the provider to deliver this period again."
                        )


def _times(raw: Raw, name: str) -> pa.TimestampArray:
    column = raw.values(name)
    if column is None or pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return raw.time(name)
    text = raw.text(name)
    return pa.array(map(_moment, text.dictionary.to_pylist()), TIME).take(text.indices)


def _moment(text: str | None) -> datetime | None:
    """None for what is not a time, such as a 30th of February."""
    if not (found := _TIME.fullmatch(text or "")):
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None

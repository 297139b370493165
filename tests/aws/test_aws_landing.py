"""How a delivered file becomes a verified parquet file with names in snake_case."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.buckets.folder import FolderBucket as Folder
from pipelines.core.partition import Partition, PartitionError
from pipelines.providers.aws.contract import kind_of, snake_case
from pipelines.providers.aws.landing import Landed, land
from scripts.sandbox.aws.delivery import deliver_cur2, deliver_focus, deliver_legacy_parquet
from tests.conftest import FolderBucket
from tests.support.providers.aws_months import lines

START = datetime(2026, 10, 1, tzinfo=UTC)
LEGACY = "lineItem/LineItemType,lineItem/UnblendedCost,lineItem/UsageStartDate"
FOCUS = "BilledCost,ChargeCategory,ChargePeriodStart,BillingCurrency"
TEXT_MAP = pa.map_(pa.string(), pa.string())


class Landing:
    """A bucket of loose files and the folder into which they are landed."""

    def __init__(self, bucket: FolderBucket, folder: Path) -> None:
        self.bucket, self.folder = bucket, folder
        self.advanced: list[int] = []

    def put(self, key: str, body: bytes) -> None:
        """One file of the delivery."""
        self.bucket.put(key, body)

    def land(self) -> list[Landed]:
        """Everything in the bucket, in the order of the keys."""
        bucket = Folder(self.bucket.url, "SOURCES__AWS")
        partition = Partition("2026-10", "f" * 32, START, 1, 1)
        return land(bucket, partition, bucket.list(), self.folder, self.advanced.append)

    def table(self) -> pa.Table:
        """The landed rows."""
        tables = [pq.ParquetFile(self.folder / file.name).read() for file in self.land()]
        return pa.concat_tables(tables)

    def csv(self, text: str | bytes) -> pa.Table:
        """The rows of one csv.gz file."""
        body = text if isinstance(text, bytes) else text.encode()
        self.put("a-00001.csv.gz", gzip.compress(body, mtime=0))
        return self.table()

    def parquet(self, table: pa.Table) -> pa.Table:
        """The rows of one parquet file."""
        self.put("a-00001.parquet", parquet(table))
        return self.table()

    def refusal(self) -> str:
        """Why the delivery is refused."""
        with pytest.raises(PartitionError) as caught:
            self.land()
        return str(caught.value)


@pytest.fixture
def landing(aws_bucket: FolderBucket, tmp_path: Path) -> Landing:
    return Landing(aws_bucket, tmp_path / "landing")


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def cur(**columns: Any) -> pa.Table:
    """One line item with these columns besides the required ones."""
    required = {
        "line_item_line_item_type": ["Usage"],
        "line_item_unblended_cost": [1.5],
        "line_item_usage_start_date": pa.array([START], pa.timestamp("ms", "UTC")),
    }
    return pa.table(required | columns)


def test_a_cur2_file_stays_byte_for_byte_as_it_came(landing: Landing) -> None:
    made = deliver_cur2(landing.bucket, "", "x", "2026-10", lines("2026-10", [1.0, 2.0]), files=2)
    assert made.manifest
    landing.bucket.delete(made.manifest)
    landed = landing.land()
    assert [(landing.folder / f.name).read_bytes() for f in landed] == [
        landing.bucket.read(key) for key in made.files
    ]
    assert [(f.name, f.rows, f.source, f.layout) for f in landed] == [
        ("ffffffffffff-00001.parquet", 1, made.files[0], "CUR"),
        ("ffffffffffff-00002.parquet", 1, made.files[1], "CUR"),
    ]
    assert sum(landing.advanced) == sum(f.bytes for f in landed)
    assert sorted(p.name for p in landing.folder.iterdir()) == [f.name for f in landed]


def test_a_legacy_parquet_file_stays_as_it_came(landing: Landing) -> None:
    rows = [
        row | {"resource_tags": {"user:Cost Center": "1", "user:ä": "2"}}
        for row in lines("2026-10", [1.0])
    ]
    made = deliver_legacy_parquet(landing.bucket, "", "x", "2026-10", rows)
    for key in landing.bucket.keys(""):
        if key not in made.files:
            landing.bucket.delete(key)
    (landed,) = landing.land()
    assert (landing.folder / landed.name).read_bytes() == landing.bucket.read(made.files[0])


def test_columns_nobody_knows_dictionaries_decimals_and_nulls_stay(landing: Landing) -> None:
    table = cur(
        my_own_column=pa.array([b"\x00"]),
        line_item_product_code=pa.array(["AmazonEC2"]).dictionary_encode(),
        line_item_blended_cost=pa.array([1], pa.decimal128(38, 10)),
        line_item_usage_amount=pa.array([3], pa.int32()),
        pricing_public_on_demand_cost=pa.nulls(1),
        line_item_unblended_rate=pa.array(["0.0116"]),
        bill_billing_period_start_date=pa.array([START.date()]),
    )
    assert landing.parquet(table).equals(table)
    assert (landing.folder / "ffffffffffff-00001.parquet").read_bytes() == parquet(table)


def test_a_focus_file_gets_names_in_snake_case_and_keeps_its_values(landing: Landing) -> None:
    rows = lines("2026-10", [1.0, 2.0, 3.0])
    made = deliver_focus(landing.bucket, "", "x", "2026-10", rows)
    assert made.manifest
    landing.bucket.delete(made.manifest)
    delivered = pq.ParquetFile(landing.bucket.path(made.files[0])).read()
    landed = landing.table()
    assert landed.column_names == [snake_case(name) for name in delivered.column_names]
    assert landed.column_names[:3] == ["availability_zone", "billed_cost", "billing_account_id"]
    assert landed.column_names[-3:] == ["x_discounts", "x_operation", "x_service_code"]
    assert landed.schema.types == delivered.schema.types
    assert [list(r.values()) for r in landed.to_pylist()] == [
        list(r.values()) for r in delivered.to_pylist()
    ]
    assert [file.layout for file in landing.land()] == ["FOCUS"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lineItem/UnblendedCost", "line_item_unblended_cost"),
        ("savingsPlan/SavingsPlanARN", "savings_plan_savings_plan_a_r_n"),
        ("reservation/ReservationARN", "reservation_reservation_a_r_n"),
        ("bill/BillingPeriodStartDate", "bill_billing_period_start_date"),
        ("product/regionCode", "product_region_code"),
        ("product/ProductName", "product_product_name"),
        ("x_ServiceCode", "x_service_code"),
        ("SkuPriceId", "sku_price_id"),
        ("line_item_unblended_cost", "line_item_unblended_cost"),
        ("_odd__name_", "_odd__name_"),
    ],
)
def test_names_become_snake_case_as_aws_writes_them(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_what_a_column_means_is_known_by_its_name() -> None:
    expected = {
        "line_item_unblended_cost": "number",
        "line_item_net_unblended_cost": "number",
        "line_item_unblended_rate": None,  # AWS's own tables have text here
        "reservation_net_unused_recurring_fee": "number",
        "savings_plan_net_savings_plan_effective_cost": "number",
        "savings_plan_total_commitment_to_date": "number",
        "split_line_item_split_cost": "number",
        "contracted_unit_price": "number",
        "charge_period_end": "time",
        "line_item_usage_end_date": "time",
        "reservation_start_time": None,
        "resource_tags": "map",
        "tags": "map",
        "line_item_usage_type": None,
        "product_product_name": None,
    }
    assert {name: kind_of(name) for name in expected} == expected


def test_maps_as_json_text_become_maps(landing: Landing) -> None:
    table = cur(
        resource_tags=['{"user_a b":"1","user_ü":"it\'s \\"x\\"","empty":"","none":null}'],
        product=pa.array(['{"product_name":"Amazon EC2","vcpu":2}'], pa.large_string()),
        discount=pa.array(["{}"]).dictionary_encode(),
        cost_category=pa.array([None], pa.string()),
    )
    landed = landing.parquet(table)
    assert landed.schema.field("product").type == TEXT_MAP
    assert landed.drop_columns(table.column_names[:3]).to_pylist() == [
        {
            "resource_tags": [("user_a b", "1"), ("user_ü", 'it\'s "x"'), ("empty", "")],
            "product": [("product_name", "Amazon EC2"), ("vcpu", "2")],
            "discount": [],
            "cost_category": None,
        }
    ]


def test_a_map_that_is_no_json_is_named_with_its_text(landing: Landing) -> None:
    landing.put("a.parquet", parquet(cur(resource_tags=["a=b"])))
    assert landing.refusal() == (
        "aws 2026-10: a.parquet cannot be read: column resource_tags: 'a=b' is not a JSON object. "
        "The published partition stays; run again when the provider has delivered the complete "
        "file."
    )


def test_a_csv_is_typed_by_the_contract(landing: Landing) -> None:
    header = f"{LEGACY},lineItem/UsageEndDate,lineItem/UsageAccountId,lineItem/UnblendedRate"
    table = landing.csv(
        f"{header},product/vcpu,pricing/publicOnDemandCost,bill/BillingPeriodStartDate\n"
        "Usage,1e-05,2026-10-01T00:00:00Z,2026-10-01T01:00:00.000Z,000123412340,0.0116000000,"
        "2,0E-10,2026-10-01T00:00:00Z\n"
        "Credit,-30.0,2026-10-01T00:00:00Z,,,,,,\n"
    )
    utc = pa.timestamp("us", "UTC")
    assert table.schema == pa.schema(
        [
            ("line_item_line_item_type", pa.string()),
            ("line_item_unblended_cost", pa.float64()),
            ("line_item_usage_start_date", utc),
            ("line_item_usage_end_date", utc),
            ("line_item_usage_account_id", pa.string()),
            ("line_item_unblended_rate", pa.string()),
            ("product_vcpu", pa.string()),
            ("pricing_public_on_demand_cost", pa.float64()),
            ("bill_billing_period_start_date", utc),
        ]
    )
    one = START.replace(hour=1)
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["Usage", 1e-05, START, one, "000123412340", "0.0116000000", "2", 0.0, START],
        ["Credit", -30.0, START, None, None, None, None, None, None],
    ]


def test_tag_columns_of_a_csv_become_one_map_with_the_keys_as_written(landing: Landing) -> None:
    header = (
        f"{LEGACY},resourceTags/user:Cost Center,resourceTags/user:a-b,resourceTags/user:a_b,"
        "resourceTags/user:it's,resourceTags/user:日本,resourceTags/,resourceTags/aws:createdBy,"
        '"resourceTags/user:a,""b"""'
    )
    table = landing.csv(
        f"{header}\n"
        "Usage,1,2026-10-01T00:00:00Z,1,2,3,4,5,6,7,8\n"
        "Usage,1,2026-10-01T00:00:00Z,,,3,,,,,\n"
        "Usage,1,2026-10-01T00:00:00Z,,,,,,,,\n"
    )
    assert table.schema.field("resource_tags").type == TEXT_MAP
    assert table["resource_tags"].to_pylist() == [
        [
            ("user:Cost Center", "1"),
            ("user:a-b", "2"),
            ("user:a_b", "3"),
            ("user:it's", "4"),
            ("user:日本", "5"),
            ("", "6"),
            ("aws:createdBy", "7"),
            ('user:a,"b"', "8"),
        ],
        [("user:a_b", "3")],
        [],
    ]


def test_cost_categories_of_a_csv_become_a_map_too(landing: Landing) -> None:
    table = landing.csv(
        f"{LEGACY},costCategory/My Team,costCategory/My-Team,costCategory/部門\n"
        "Usage,1,2026-10-01T00:00:00Z,a,b,\n"
    )
    assert table["cost_category"].to_pylist() == [[("My Team", "a"), ("My-Team", "b")]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{LEGACY}\r\nUsage,1,2026-10-01T00:00:00Z\r\n", "Windows line endings"),
        (f"\ufeff{LEGACY}\nUsage,1,2026-10-01T00:00:00Z\n", "a byte order mark"),
        (f'\ufeff"{LEGACY.replace(",", chr(34) + "," + chr(34))}"\nUsage,1,2026-10-01\n', "quoted"),
        (f"{LEGACY}\nUsage,1,2026-10-01T00:00:00Z", "no newline at the end"),
        (f'{LEGACY}\n"Usage","1","2026-10-01T00:00:00Z"\n', "everything quoted"),
        (f"{LEGACY}\nUsage,1.0E0,2026-10-01 00:00:00\n", "a space in the time"),
        (f"{LEGACY}\nUsage,+1.00,2026-10-01T00:00:00.000+00:00\n", "a zone"),
    ],
)
def test_a_csv_may_be_written_in_any_of_these_ways(landing: Landing, text: str, why: str) -> None:
    assert landing.csv(text).to_pylist() == [
        {
            "line_item_line_item_type": "Usage",
            "line_item_unblended_cost": 1.0,
            "line_item_usage_start_date": START,
        }
    ], why


def test_quoted_newlines_commas_and_quotes_stay_in_their_field(landing: Landing) -> None:
    table = landing.csv(
        f"{LEGACY},lineItem/LineItemDescription\n"
        'Usage,1,2026-10-01T00:00:00Z,"two\nlines, ""quoted"""\n'
        "Tax,2,2026-10-01T00:00:00Z,plain\n"
    )
    assert table["line_item_line_item_description"].to_pylist() == ['two\nlines, "quoted"', "plain"]


def test_empty_fields_are_null_quoted_or_not(landing: Landing) -> None:
    table = landing.csv(
        f"{LEGACY},lineItem/ResourceId,lineItem/UsageAmount,resourceTags/user:a\n"
        'Usage,1,2026-10-01T00:00:00Z,"","",""\n'
    )
    assert table.drop_columns(table.column_names[:3]).to_pylist() == [
        {"line_item_resource_id": None, "line_item_usage_amount": None, "resource_tags": []}
    ]


def test_null_is_a_word_in_a_report_and_nothing_in_focus(landing: Landing) -> None:
    report = landing.csv(f"{LEGACY},resourceTags/user:Name\nUsage,1,2026-10-01T00:00:00Z,NULL\n")
    assert report["resource_tags"].to_pylist() == [[("user:Name", "NULL")]]
    focus = landing.csv(
        f"{FOCUS},ResourceId,ListCost,Tags,x_Discounts\n"
        '1,Usage,2026-10-01 00:00:00,USD,NULL,NULL,NULL,"{""a"": 0.5}"\n'
    )
    assert focus.to_pylist() == [
        {
            "billed_cost": 1.0,
            "charge_category": "Usage",
            "charge_period_start": START,
            "billing_currency": "USD",
            "resource_id": None,
            "list_cost": None,
            "tags": None,
            "x_discounts": [("a", 0.5)],
        }
    ]


def test_a_csv_with_a_header_only_has_no_rows_and_its_columns(landing: Landing) -> None:
    table = landing.csv(f"{LEGACY},resourceTags/user:a\n")
    assert (table.num_rows, table.column_names[-1]) == (0, "resource_tags")


def test_a_csv_of_two_gzip_members_is_read_to_its_end(landing: Landing) -> None:
    first = gzip.compress(f"{LEGACY}\nUsage,1,2026-10-01T00:00:00Z\n".encode())
    second = gzip.compress(b"Usage,2,2026-10-01T00:00:00Z\n")
    landing.put("a.csv.gz", first + second)
    assert landing.table()["line_item_unblended_cost"].to_pylist() == [1.0, 2.0]


def test_a_csv_larger_than_a_block_is_read_whole(landing: Landing) -> None:
    rows = "".join(
        f'Usage,{number},2026-10-01T00:00:00Z,"{"x" * 1000}\n{number}"\n'
        for number in range(20_000)
    )
    table = landing.csv(f"{LEGACY},lineItem/LineItemDescription\n{rows}")
    assert table["line_item_unblended_cost"].to_pylist() == list(range(20_000))
    assert table["line_item_line_item_description"][-1].as_py() == "x" * 1000 + "\n19999"


def csv_refusal(landing: Landing, text: str) -> str:
    landing.put("a.csv.gz", gzip.compress(text.encode()))
    return landing.refusal()


STAYS = (
    " The published partition stays; run again when the provider has delivered the complete file."
)


@pytest.mark.parametrize("value", ["many", "NULL", "1,000", "nan", "inf", "0x10", "1.0 USD"])
def test_text_in_a_number_column_names_column_and_value(landing: Landing, value: str) -> None:
    reason = csv_refusal(landing, f'{LEGACY}\nUsage,"{value}",2026-10-01T00:00:00Z\n')
    assert "column lineItem/UnblendedCost" in reason
    assert value in reason
    assert reason.endswith(STAYS)


@pytest.mark.parametrize("value", ["yesterday", "01/10/2026", "2026-13-01"])
def test_a_date_that_is_none_names_column_and_value(landing: Landing, value: str) -> None:
    reason = csv_refusal(landing, f"{LEGACY}\nUsage,1,{value}\n")
    assert "column lineItem/UsageStartDate" in reason
    assert value in reason
    assert reason.endswith(STAYS)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_end_of_a_commitment_that_is_not_a_time_names_column_and_value(
    landing: Landing, form: str
) -> None:
    if form == "csv":
        text = f"{LEGACY},savingsPlan/EndTime\nUsage,1,2026-10-01T00:00:00Z,soon\n"
        landing.put("a-00001.csv.gz", gzip.compress(text.encode()))
    else:
        landing.put("a-00001.parquet", parquet(cur(savings_plan_end_time=["soon"])))
    assert landing.refusal().endswith(
        ": column savings_plan_end_time: 'soon' is not a time. The published partition stays; ask "
        "the provider to deliver this period again."
    )


def test_an_end_of_a_commitment_is_text_whatever_it_came_as(landing: Landing) -> None:
    end = datetime(2027, 3, 14, 10, tzinfo=UTC)
    ends = pa.array([end, None], pa.timestamp("ns", "Asia/Tokyo"))
    raw = pa.concat_tables([cur(), cur()]).append_column("reservation_end_time", ends)
    landed = landing.parquet(raw.append_column("savings_plan_end_time", [["", None]]))
    assert landed["reservation_end_time"].to_pylist() == ["2027-03-14 10:00:00.000000Z", None]
    assert landed["savings_plan_end_time"].to_pylist() == ["", None]


def test_a_row_with_too_few_fields_is_refused(landing: Landing) -> None:
    reason = csv_refusal(landing, f"{LEGACY}\nUsage,1\n")
    assert "Expected 3 columns, got 2" in reason


def test_a_csv_that_is_not_utf8_is_refused(landing: Landing) -> None:
    text = f"{LEGACY},lineItem/ResourceId\nUsage,1,2026-10-01T00:00:00Z,".encode() + b"\xe9\n"
    landing.put("a.csv.gz", gzip.compress(text))
    reason = landing.refusal()
    assert "utf-8" in reason
    assert reason.endswith(STAYS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "a.csv.gz is empty: not even a header. Deliver this period again."),
        (
            gzip.compress(b"", mtime=0),
            "a.csv.gz is empty: not even a header. Deliver this period again.",
        ),
        (b"plain,text\n1,2\n", "a.csv.gz cannot be read: Not a gzipped file"),
    ],
)
def test_what_is_no_csv_gz_is_refused(landing: Landing, body: bytes, reason: str) -> None:
    landing.put("a.csv.gz", body)
    assert landing.refusal().startswith(f"aws 2026-10: {reason}")


def test_a_truncated_gz_is_refused_wherever_it_ends(landing: Landing) -> None:
    rows = "".join(f"Usage,{n}.{n * n},2026-10-01T00:00:00Z\n" for n in range(20_000))
    whole = gzip.compress(f"{LEGACY}\n{rows}".encode())
    for end in (5, 11, 100, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1):
        landing.put("a.csv.gz", whole[:end])
        assert landing.refusal().startswith("aws 2026-10: a.csv.gz cannot be read: "), end


def test_a_gz_with_a_flipped_bit_is_refused(landing: Landing) -> None:
    rows = "".join(f"Usage,{n},2026-10-01T00:00:00Z\n" for n in range(2_000))
    body = bytearray(gzip.compress(f"{LEGACY}\n{rows}".encode()))
    body[-6] ^= 1  # in the checksum
    landing.put("a.csv.gz", bytes(body))
    assert landing.refusal().startswith("aws 2026-10: a.csv.gz cannot be read: ")


def test_a_column_twice_in_the_header_is_refused(landing: Landing) -> None:
    reason = csv_refusal(landing, f"{LEGACY},lineItem/UnblendedCost\n")
    assert reason == (
        "aws 2026-10: a.csv.gz: the header names lineItem/UnblendedCost more than once. Ask the "
        "provider to deliver this period again."
    )


def test_two_columns_that_become_one_name_are_refused(landing: Landing) -> None:
    landing.put("a.parquet", parquet(cur(**{"My Column": [1], "my_column": [2]})))
    assert landing.refusal() == (
        "aws 2026-10: a.parquet: several columns become my_column. Give them other names in the "
        "export's query."
    )


@pytest.mark.parametrize("column", ["line_item_unblended_cost", "line_item_usage_start_date"])
def test_a_missing_required_column_is_named(landing: Landing, column: str) -> None:
    landing.put("a.parquet", parquet(cur().drop_columns([column])))
    assert landing.refusal() == (
        f"aws 2026-10: a.parquet is missing {column}: not a complete CUR export. Select these "
        "columns in the export's query, or point SOURCES__AWS__EXPORT to a CUR 2.0, legacy CUR or "
        "FOCUS export."
    )


def test_a_focus_file_without_currency_is_refused(landing: Landing) -> None:
    reason = csv_refusal(landing, "BilledCost,ChargeCategory,ChargePeriodStart\n")
    assert "is missing billing_currency: not a complete FOCUS export" in reason


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("line_item_unblended_cost", ["1.5"], "is string, expected a number"),
        ("line_item_unblended_cost", pa.array(["1"]).dictionary_encode(), "expected a number"),
        ("line_item_unblended_cost", [True], "is bool, expected a number"),
        ("line_item_usage_start_date", ["2026-10-01"], "is string, expected a time"),
        ("line_item_usage_start_date", [1.0], "is double, expected a time"),
        ("resource_tags", pa.array([{"a": "b"}]), "expected a map"),
        ("resource_tags", [1], "is int64, expected a map"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(
    landing: Landing, column: str, values: Any, says: str
) -> None:
    table = cur().drop_columns([c for c in cur().column_names if c == column])
    landing.put("a.parquet", parquet(table.append_column(column, pa.array(values))))
    reason = landing.refusal()
    assert reason.startswith(f"aws 2026-10: a.parquet: {column} is ")
    assert says in reason


def test_cur_and_focus_in_one_period_are_refused(landing: Landing) -> None:
    landing.put("a.parquet", parquet(cur()))
    landing.put("b.csv.gz", gzip.compress(f"{FOCUS}\n1,Usage,2026-10-01,USD\n".encode()))
    assert landing.refusal() == (
        "aws 2026-10: CUR and FOCUS files in one period. Name one export in SOURCES__AWS__EXPORT."
    )


def test_a_parquet_file_cut_anywhere_is_refused(landing: Landing) -> None:
    whole = parquet(cur())
    for end in (0, 3, 4, 8, len(whole) // 2, len(whole) - 4, len(whole) - 1):
        landing.put("a.parquet", whole[:end])
        assert landing.refusal().startswith("aws 2026-10: a.parquet cannot be read: "), end


def test_a_parquet_file_whose_middle_is_missing_is_refused(landing: Landing) -> None:
    rows = 2_000
    table = pa.concat_tables([cur(line_item_resource_id=[f"i-{n}"]) for n in range(rows)])
    whole = parquet(table)
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    landing.put("a.parquet", whole[: len(whole) // 4] + whole[-footer:])
    assert landing.refusal() == (
        "aws 2026-10: a.parquet: its footer points to bytes beyond the end of the file. Ask the "
        "provider to deliver this period again."
    )


def test_an_error_page_in_place_of_a_file_is_refused(landing: Landing) -> None:
    landing.put("a.parquet", b"<Error><Code>AccessDenied</Code></Error>")
    assert landing.refusal().startswith(
        "aws 2026-10: a.parquet cannot be read: Parquet magic bytes"
    )


def test_an_empty_delivery_lands_as_nothing(landing: Landing) -> None:
    landing.bucket.root.mkdir(exist_ok=True)
    assert landing.land() == []


def test_zero_rows_in_focus_do_not_clash_with_anything(landing: Landing) -> None:
    landing.put("a.parquet", parquet(cur().slice(0, 0)))
    landing.put("b.csv.gz", gzip.compress(f"{FOCUS}\n1,Usage,2026-10-01,USD\n".encode()))
    assert [(f.rows, f.layout) for f in landing.land()] == [(0, "CUR"), (1, "FOCUS")]


def test_what_delivery_json_says_of_a_file(landing: Landing) -> None:
    landing.put("a.parquet", parquet(cur()))
    (landed,) = landing.land()
    document = json.loads(json.dumps(dict(landed.document())))
    assert document == {
        "name": "ffffffffffff-00001.parquet",
        "rows": 1,
        "bytes": len(parquet(cur())),
        "source": "a.parquet",
        "etag": landed.etag,
    }


def test_text_columns_of_a_csv_that_differ_in_spelling_are_merged(landing: Landing) -> None:
    table = landing.csv(
        f"{LEGACY},product/memory,product/Memory\n"
        "Usage,1,2026-10-01T00:00:00Z,,8 GiB\n"
        "Usage,1,2026-10-01T00:00:00Z,4 GiB,8 GiB\n"
    )
    assert table["product_memory"].to_pylist() == ["8 GiB", "4 GiB"]


def test_number_columns_of_a_csv_that_differ_in_spelling_are_refused(landing: Landing) -> None:
    reason = csv_refusal(landing, f"{LEGACY},lineItem/unblendedCost\n")
    assert "several columns become line_item_unblended_cost" in reason

"""The columns of FOCUS 1.0 to 1.3, of the preview before it, and what each holds.

Files spell a column as they like: `BilledCost`, `billed_cost` or `BILLEDCOST` are one. A CSV has no
types, so these decide them; a parquet file is held against them, so that a column that turned from
number to text is refused by name. A column that is not here is kept as text: providers share one
table, and one's `x_Discount` is another's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa

from pipelines.core.partition import PartitionError

TIME = pa.timestamp("us", "UTC")
TEXT_MAP = pa.map_(pa.string(), pa.string())
PROVIDER = "x_export_provider"
"""The provider's name that configuration gives to an export."""
REQUIRED = ("billed_cost", "billing_currency", "charge_category", "charge_period_start")
"""Without these a file is not FOCUS: no amount, currency, kind or day is ever guessed."""

_PASCAL = {
    "1.0": """AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency
        BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass ChargeDescription
        ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory
        CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType
        ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost
        InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit
        ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType
        ServiceCategory ServiceName SkuId SkuPriceId SubAccountId SubAccountName Tags""",
    "1.1": """CapacityReservationId CapacityReservationStatus CommitmentDiscountQuantity
        CommitmentDiscountUnit ServiceSubcategory SkuMeter SkuPriceDetails""",
    "1.2": """BillingAccountType InvoiceId PricingCurrency PricingCurrencyContractedUnitPrice
        PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice SubAccountType""",
    "1.3": """AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName
        AllocatedTags ContractApplied HostProviderName ServiceProviderName""",
    "1.0-preview": """ChargeSubcategory Region UsageQuantity UsageUnit x_OnDemandCost""",
}
PREVIEW = "1.0-preview"
_OF_PREVIEW = {"charge_subcategory", "usage_quantity", "usage_unit"}
_NEWEST_FIRST = ("1.3", "1.2", "1.1")


def snake_case(name: str) -> str:
    """`SkuPriceId` → `sku_price_id`, `x_BilledCostInUSD` → `x_billed_cost_in_usd`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


COLUMNS = {
    version: tuple(snake_case(name) for name in names.split()) for version, names in _PASCAL.items()
}
"""The columns that each version added, in snake_case."""
KNOWN = tuple(name for names in COLUMNS.values() for name in names)
MAPS = ("tags", "allocated_tags")
_BY_LETTERS = {name.replace("_", ""): name for name in KNOWN}


def kind_of(name: str) -> str:
    """'number', 'time', 'map' or 'text': what a column (snake_case) holds."""
    if name in MAPS:
        return "map"
    if name not in KNOWN:
        return "text"
    if name.endswith(("_cost", "_price", "_quantity")):
        return "number"
    return "time" if name.endswith(("_period_start", "_period_end")) else "text"


def type_of(name: str) -> pa.DataType:
    """The arrow type in which a column is kept."""
    types = {"number": pa.float64(), "time": TIME, "map": TEXT_MAP, "text": pa.string()}
    return types[kind_of(name)]


def names_of(original: Sequence[str], where: str) -> list[str]:
    """Our names of a file's columns. Raises PartitionError when two are one, or FOCUS's are not
    there."""
    names = [_name_of(each) for each in original]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise PartitionError(
            f"{where}: several columns are called {', '.join(twice)}. Deliver each column once."
        )
    if missing := [name for name in REQUIRED if name not in names]:
        some = ", ".join(original[:5]) or "none"
        raise PartitionError(
            f"{where} is missing {', '.join(missing)} (it begins with {some}): not FOCUS 1.0 to "
            "1.3. Deliver these columns, or keep other files out of the export's folder."
        )
    return names


def version_of(names: Iterable[str]) -> str:
    """The version of FOCUS that a file's columns are of."""
    have = set(names)
    if have & _OF_PREVIEW and not have & {"consumed_quantity", "charge_class"}:
        return PREVIEW
    return next((v for v in _NEWEST_FIRST if have & set(COLUMNS[v])), "1.0")


def check_types(names: Sequence[str], schema: pa.Schema, where: str) -> None:
    """Raises PartitionError for every parquet column that is not of its kind."""
    wrong = [
        f"{field.name} is {field.type}, expected a {kind_of(name)}"
        for name, field in zip(names, schema, strict=True)
        if not _fits(field.type, kind_of(name))
    ]
    if wrong:
        raise PartitionError(
            f"{where}: {'; '.join(wrong)}. The published partition stays; deliver the file with "
            "the specification's types."
        )


def is_text(kind: pa.DataType) -> bool:
    """Whether an arrow type holds text, however it is stored."""
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view)
    return any(test(kind) for test in tests)


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of what a dictionary holds; any other type as it is."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _name_of(original: str) -> str:
    letters = re.sub(r"[^0-9a-z]", "", original.lower())
    return _BY_LETTERS.get(letters) or snake_case(original)


def _fits(kind: pa.DataType, expected: str) -> bool:
    types, kind = pa.types, value_type(kind)
    if types.is_null(kind) or expected == "text":
        return True
    if expected == "map":
        return types.is_map(kind) or types.is_list(kind) or types.is_struct(kind) or is_text(kind)
    if expected == "number":
        return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind))
    return types.is_timestamp(kind) or types.is_date(kind) or is_text(kind)

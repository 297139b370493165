"""The benchmark's bill: CUR 2.0 as parquet, 65 columns of which three are maps.

    python -m scripts.bench.data.cur FOLDER --rows 2000000 --files 4 [--unique] [--period 2026-10 …]

Writes FOLDER/2026-10/1.parquet … and, of their first tenth, FOLDER/2026-10/sample/sample.parquet:
the same bytes each time. As in a real bill, a resource has a line for most hours of the month.
`--unique` gives every row a resource id and a tag of its own: the worst case for text that is kept
dictionary-encoded. It is its own process so that the benchmark's stays small: a child's peak memory
counts from what its parent had.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.bench.data import estate
from scripts.bench.data.arrays import maps, offsets_of, pick, texts
from scripts.bench.data.estate import Booleans, Floats, Integers, Meters, Resources
from scripts.sandbox.aws.columns import CUR2_COLUMNS, TIME

SEED = 20261001
ROW_GROUP = 122_880  # as DuckDB and Spark jobs write them; --row-group for another
#: line item type: share of the rows
SHARES = {
    "Usage": 0.76,
    "DiscountedUsage": 0.06,
    "SavingsPlanCoveredUsage": 0.07,
    "SavingsPlanNegation": 0.07,
    "RIFee": 0.002,
    "SavingsPlanRecurringFee": 0.002,
    "Tax": 0.006,
    "Credit": 0.015,
    "EdpDiscount": 0.015,
}
CONCERN_RESOURCES = 4  # of the types above, the first ones
HOURS = 744  # of a month, each with a line of each resource


def write(
    folder: Path, rows: int, files: int, periods: Sequence[str], unique: bool, row_group: int
) -> None:
    """All files of these months, `rows` in each month."""
    meters = estate.meters(np.random.default_rng(SEED))
    resources = estate.resources(np.random.default_rng(SEED + 1), max(20, rows // HOURS), meters)
    bounds = [rows * number // files for number in range(files + 1)]
    how: dict[str, Any] = {"compression": "snappy", "store_schema": False}
    for period in periods:
        (folder / period / "sample").mkdir(parents=True, exist_ok=True)
        for number, (start, end) in enumerate(itertools.pairwise(bounds), 1):
            random = np.random.default_rng([SEED, number])
            table = Lines(random, end - start, period, meters, resources).table(unique)
            target = folder / period / f"{number}.parquet"
            pq.write_table(table, target, row_group_size=row_group, **how)
            if number == 1:
                sample = table.slice(0, max(1, rows // 10))
                pq.write_table(sample, folder / period / "sample" / "sample.parquet", **how)


class Lines:
    """The lines of one file: what each is about, as positions in the pools."""

    def __init__(
        self,
        random: np.random.Generator,
        rows: int,
        period: str,
        meters: Meters,
        resources: Resources,
    ) -> None:
        self.random, self.rows, self.meters, self.resources = random, rows, meters, resources
        self.start = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)
        self.end = (self.start + timedelta(days=31)).replace(day=1)
        self.resource = random.integers(0, len(resources.ids), rows)
        self.kind = self._kinds()
        self.meter = resources.meter[self.resource]
        self.hour = random.integers(0, (self.end - self.start) // timedelta(hours=1), rows)

    def table(self, unique: bool) -> pa.Table:
        """The 65 columns, in AWS's order: the maps last."""
        columns = {
            **self._identity_and_bill(),
            **self._line_item(unique),
            **{name: pick(texts, self.meter) for name, texts in self.meters.texts.items()},
            **self._money(),
            **self._commitments(),
            "product": maps(self.meters.product, self.meter),
            "discount": self._discounts(),
            "resource_tags": self._tags(unique),
        }
        for name, values in columns.items():
            if isinstance(values, np.ndarray):
                columns[name] = pa.array(values, from_pandas=True)  # NaN is NULL
        return pa.table(columns).select([name for name in CUR2_COLUMNS if name in columns])

    def _identity_and_bill(self) -> dict[str, Any]:
        moments = [self.start + timedelta(hours=n) for n in range(31 * 24 + 1)]
        spans = [
            f"{a:%Y-%m-%dT%H:%M:%SZ}/{b:%Y-%m-%dT%H:%M:%SZ}" for a, b in itertools.pairwise(moments)
        ]
        times = pa.array(moments, TIME)
        return {
            "identity_line_item_id": texts(self.random, self.rows, b"", 52),
            "identity_time_interval": pick(spans, self.hour),
            "bill_invoice_id": self._same("1748392011"),
            "bill_invoicing_entity": self._same("Amazon Web Services EMEA SARL"),
            "bill_billing_entity": self._same("AWS"),
            "bill_bill_type": self._same("Anniversary"),
            "bill_payer_account_id": self._same("999988887777"),
            "bill_payer_account_name": self._same("Example Holding"),
            "bill_billing_period_start_date": pa.repeat(pa.scalar(self.start, TIME), self.rows),
            "bill_billing_period_end_date": pa.repeat(pa.scalar(self.end, TIME), self.rows),
            "line_item_usage_start_date": times.take(pa.array(self.hour)),
            "line_item_usage_end_date": times.take(pa.array(self.hour + 1)),
        }

    def _line_item(self, unique: bool) -> dict[str, Any]:
        ids, names = estate.accounts()
        owner = self.resources.account[self.resource]
        resource: pa.Array = pick([*self.resources.ids, ""], self._resource_or_none())
        if unique:
            resource = texts(self.random, self.rows, b"arn:aws:ec2:eu-west-1::instance/i-", 17)
        return {
            "line_item_usage_account_id": pick(ids, owner),
            "line_item_usage_account_name": pick(names, owner),
            "line_item_line_item_type": pick(list(SHARES), self.kind),
            "line_item_availability_zone": pick(self.resources.zones, self.resource),
            "line_item_resource_id": resource,
            "line_item_currency_code": self._same("USD"),
            "line_item_tax_type": pick(["", "VAT"], self._is("Tax").astype(np.int64)),
            "line_item_legal_entity": self._same("Amazon Web Services, Inc."),
            "pricing_currency": self._same("USD"),
            "pricing_term": pick(["OnDemand", "Reserved"], self._is("DiscountedUsage").astype(int)),
        }

    def _money(self) -> dict[str, Any]:
        price = self.meters.price[self.meter]
        hourly = self.random.random(self.rows) < 0.5
        usage = np.where(hourly, 1.0, np.round(self.random.lognormal(0, 2, self.rows), 8))
        public = np.round(price * usage, 10)
        below = self._is("SavingsPlanNegation", "Credit", "EdpDiscount")
        cost = np.where(below, -public, np.where(self._is("DiscountedUsage"), 0.0, public))
        return {
            "line_item_usage_amount": usage,
            "line_item_normalization_factor": np.where(hourly, 8.0, 0.0),
            "line_item_normalized_usage_amount": np.where(hourly, 8.0, 0.0),
            "line_item_unblended_rate": self._rates(),
            "line_item_unblended_cost": cost,
            "line_item_blended_rate": self._rates(),
            "line_item_blended_cost": cost,
            "line_item_net_unblended_rate": self._rates(),
            "line_item_net_unblended_cost": np.round(cost * 0.93, 10),
            "pricing_public_on_demand_cost": public,
            "discount_total_discount": np.round(cost * -0.07, 10),
        }

    def _rates(self) -> pa.DictionaryArray:
        """As text: AWS writes rates so."""
        return pick(self.meters.texts["pricing_public_on_demand_rate"], self.meter)

    def _commitments(self) -> dict[str, Any]:
        price = self.meters.price[self.meter]
        reserved, fee = self._is("DiscountedUsage"), self._is("RIFee")
        covered, plan_fee = self._is("SavingsPlanCoveredUsage"), self._is("SavingsPlanRecurringFee")
        plan = covered | plan_fee | self._is("SavingsPlanNegation")
        arns = [
            f"arn:aws:ec2:us-east-1:999988887777:reserved-instances/{n:032x}" for n in range(40)
        ]
        plans = [f"arn:aws:savingsplans::999988887777:savingsplan/{n:032x}" for n in range(12)]
        offers = ["ComputeSavingsPlans", "EC2InstanceSavingsPlans"]
        ends = [f"2027-{month:02d}-14T10:00:00.000Z" for month in range(1, 8)]

        def on(rows: Any, values: Floats) -> Floats:
            return np.where(rows, np.round(values, 10), np.nan)

        def named(rows: Any, pool: Sequence[str]) -> pa.DictionaryArray:
            return pick([*pool, ""], np.where(rows, self.resource % len(pool), len(pool)))

        return {
            "reservation_reservation_a_r_n": named(reserved | fee, arns),
            "reservation_subscription_id": named(reserved | fee, [a[-10:] for a in arns]),
            "reservation_end_time": named(reserved | fee, [ends[n % 7] for n in range(40)]),
            "reservation_effective_cost": on(reserved, price * 0.6),
            "reservation_net_effective_cost": on(reserved, price * 0.56),
            "reservation_amortized_upfront_cost_for_usage": on(reserved, price * 0.2),
            "reservation_recurring_fee_for_usage": on(reserved, price * 0.4),
            "reservation_unused_amortized_upfront_fee_for_billing_period": on(fee, price),
            "reservation_unused_recurring_fee": on(fee, price * 2),
            "savings_plan_savings_plan_a_r_n": named(plan, plans),
            "savings_plan_end_time": named(plan, [ends[n % 5] for n in range(12)]),
            "savings_plan_offering_type": named(plan, offers),
            "savings_plan_savings_plan_effective_cost": on(covered, price * 0.7),
            "savings_plan_net_savings_plan_effective_cost": on(covered, price * 0.65),
            "savings_plan_total_commitment_to_date": on(plan_fee, price * 500),
            "savings_plan_used_commitment": on(plan_fee, price * 480),
        }

    def _discounts(self) -> pa.MapArray:
        length = self._is("EdpDiscount").astype(np.int64)
        keys = pick(["EDPDiscount"], np.zeros(int(length.sum()), np.int64))
        amounts = pa.array(self.meters.price[self.meter[length == 1]])
        return pa.MapArray.from_arrays(offsets_of(length), keys, amounts)

    def _tags(self, unique: bool) -> pa.MapArray:
        own = ("user:RequestId", texts(self.random, self.rows, b"request-", 20)) if unique else None
        return maps([*self.resources.tags, {}], self._resource_or_none(), own)

    def _kinds(self) -> Integers:
        """By the row, but a resource is on demand, reserved or on a plan all month."""
        shares = list(SHARES.values())
        kind = self.random.choice(len(shares), self.rows, p=shares)
        demand, reserved, plan, negation = np.array(shares[:CONCERN_RESOURCES])
        share = np.array([demand, reserved, plan + negation]) / sum(shares[:CONCERN_RESOURCES])
        paid = np.random.default_rng(SEED + 2).choice(3, len(self.resources.ids), p=share)
        of_plan = 2 + self.random.integers(0, 2, self.rows)  # a line, and one that takes it back
        own = np.where(paid[self.resource] == 2, of_plan, paid[self.resource])
        return np.where(kind < CONCERN_RESOURCES, own, kind)

    def _resource_or_none(self) -> Integers:
        """Positions of the resources; those of fees, tax and credits are behind the last one."""
        return np.where(self.kind < CONCERN_RESOURCES, self.resource, len(self.resources.ids))

    def _is(self, *kinds: str) -> Booleans:
        return np.isin(self.kind, [list(SHARES).index(kind) for kind in kinds])

    def _same(self, text: str) -> pa.DictionaryArray:
        return pick([text], np.zeros(self.rows, np.int64))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files that the arguments describe."""
    parser = argparse.ArgumentParser(prog="cur", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--period", nargs="+", default=["2026-10"])
    parser.add_argument("--unique", action="store_true")
    parser.add_argument("--row-group", type=int, default=ROW_GROUP)
    of = parser.parse_args(arguments)
    write(of.folder, of.rows, of.files, of.period, of.unique, of.row_group)
    return 0


if __name__ == "__main__":
    sys.exit(main())

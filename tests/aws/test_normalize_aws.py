"""AWS lines in the cost shape: one test per kind of line, and the errors of other tools."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from pipelines.providers.aws.contract import REQUIRED
from pipelines.tables.schema import arrow_schema
from tests.support.providers import oracle_aws
from tests.support.providers.random_aws import ENDS
from tests.support.providers.raw_aws import (
    CARRIED,
    NET_RECURRING,
    NET_RI_COST,
    NET_SP_COST,
    NET_UPFRONT,
    ON_DEMAND,
    ON_DEMAND_COST,
    PLAN,
    PLANNED,
    PUBLIC,
    RECURRING,
    RESERVATION,
    RESERVED,
    RI_COST,
    SP_COST,
    START,
    TAGS,
    TOTAL,
    UPFRONT,
    USED,
    Row,
    line,
    normalized,
    retyped,
    savings_plan_hour,
    table,
)

DISCOUNTS = oracle_aws.DISCOUNTS


def money(*rows: Row) -> list[tuple[float | None, ...]]:
    """billed, effective, list and contracted of each row."""
    names = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")
    return [tuple(row[name] for name in names) for row in normalized(table(rows))]


def totals(*rows: Row) -> tuple[float, float]:
    """Sums of billed and effective."""
    found = normalized(table(rows))
    return (
        float(sum(Decimal(str(row["billed_cost"])) for row in found)),
        float(sum(Decimal(str(row["effective_cost"])) for row in found)),
    )


def test_an_on_demand_line_fills_the_whole_shape() -> None:
    assert normalized(table([ON_DEMAND])) == [ON_DEMAND_COST]
    assert list(ON_DEMAND_COST) == arrow_schema(TAGS).names


def test_a_line_of_the_three_required_columns_is_null_elsewhere() -> None:
    bare = {name: ON_DEMAND[name] for name in REQUIRED["CUR"]}
    filled = {
        "provider_name": "AWS",
        "charge_period_start": START,
        "charge_category": "Usage",
        "charge_frequency": "Usage-Based",
        "service_category": "Other",
        "pricing_category": "Standard",
        "billed_cost": 0.10,
        "effective_cost": 0.10,
        "list_cost": 0.10,
        "contracted_cost": 0.10,
        "tags": [],
        "x_cost_categories": [],
        "x_account_tags": [],
        "x_commitment_family": "none",
        "x_usage_date": date(2026, 10, 3),
        "x_source": "aws",
        "x_line_item_type": "Usage",
        "x_credit_amount": 0.0,
        "x_credits": [],
        **CARRIED,
    }
    assert normalized(table([bare])) == [dict.fromkeys(ON_DEMAND_COST) | filled]


def test_a_reserved_instance_hour_is_committed_usage() -> None:
    reserved = ON_DEMAND | {
        "line_item_line_item_type": "DiscountedUsage",
        "line_item_unblended_cost": 0.0,
        "line_item_net_unblended_cost": None,
        "reservation_effective_cost": 0.07,
        "reservation_reservation_a_r_n": RESERVATION,
    }
    assert normalized(table([reserved])) == [
        ON_DEMAND_COST
        | {
            "pricing_category": "Committed",
            "billed_cost": 0.0,
            "effective_cost": 0.07,
            "list_cost": 0.096,
            "contracted_cost": 0.096,
            "commitment_discount_id": RESERVATION,
            "commitment_discount_type": "Reserved Instance",
            "commitment_discount_category": "Usage",
            "commitment_discount_status": "Used",
            "x_line_item_type": "DiscountedUsage",
            "x_billed_cost_usd": 0.0,
            "x_effective_cost_usd": 0.07,
        }
    ]


def test_a_credit_is_negative_and_counted_as_credit() -> None:
    credit = ON_DEMAND | {
        "line_item_line_item_type": "Credit",
        "line_item_unblended_cost": -30.0,
        "line_item_net_unblended_cost": None,
    }
    costs = {
        "billed_cost": -30.0,
        "effective_cost": -30.0,
        "list_cost": -30.0,
        "contracted_cost": -30.0,
        "x_credit_amount": -30.0,
        "x_credits": [],
        "x_billed_cost_usd": -30.0,
        "x_effective_cost_usd": -30.0,
    }
    assert normalized(table([credit])) == [
        ON_DEMAND_COST
        | costs
        | {
            "charge_category": "Credit",
            "charge_frequency": "One-Time",
            "pricing_category": None,
            "x_commitment_family": None,
            "x_line_item_type": "Credit",
        }
    ]


@pytest.mark.parametrize(
    ("raw", "costs"),
    [
        pytest.param(line("Usage", 0.1), (0.1, 0.1, 0.1, 0.1), id="usage"),
        pytest.param(line("Usage", 0.1, PUBLIC), (0.1, 0.1, 0.2, 0.1), id="usage-list"),
        pytest.param(
            line("Usage", 0.1, line_item_net_unblended_cost=0.08),
            (0.08, 0.08, 0.1, 0.08),
            id="usage-net",
        ),
        pytest.param(
            line("Usage", 0.1, line_item_net_unblended_cost=0.0),
            (0.0, 0.0, 0.1, 0.0),
            id="usage-net-of-zero-is-not-missing",
        ),
        pytest.param(line("Usage", None), (None, None, None, None), id="usage-without-cost"),
        pytest.param(
            line("DiscountedUsage", 0.0, RESERVED, PUBLIC, {RI_COST: 0.07}),
            (0.0, 0.07, 0.2, 0.2),
            id="discounted-usage",
        ),
        pytest.param(
            line("DiscountedUsage", 0.0, {RI_COST: 0.07, NET_RI_COST: 0.06}),
            (0.0, 0.06, None, None),
            id="discounted-usage-net-without-list",
        ),
        pytest.param(
            line("RIFee", 0.07, RESERVED, {UPFRONT: 0.035, RECURRING: 0.025}),
            (0.07, 0.06, 0.0, 0.0),
            id="ri-fee-partial-upfront",
        ),
        pytest.param(
            line("RIFee", 0.07, {UPFRONT: 0.035, NET_UPFRONT: 0.03, NET_RECURRING: 0.02}),
            (0.07, 0.05, 0.0, 0.0),
            id="ri-fee-net",
        ),
        pytest.param(line("RIFee", 0.07, {RECURRING: 0.02}), (0.07, 0.02, 0.0, 0.0), id="ri-fee"),
        pytest.param(line("RIFee", 0.07), (0.07, None, 0.0, 0.0), id="ri-fee-unused-unknown"),
        pytest.param(line("Fee", 300.0, RESERVED), (300.0, 0.0, 300.0, 300.0), id="fee-ri-upfront"),
        pytest.param(line("Fee", 9.0), (9.0, 9.0, 9.0, 9.0), id="fee"),
        pytest.param(
            line("Fee", 9.0, reservation_reservation_a_r_n=""),
            (9.0, 9.0, 9.0, 9.0),
            id="fee-with-an-empty-arn",
        ),
        pytest.param(
            line("SavingsPlanCoveredUsage", 0.0116, PLANNED, PUBLIC, {SP_COST: 0.0083}),
            (0.0116, 0.0083, 0.2, 0.0116),
            id="covered-usage",
        ),
        pytest.param(
            line("SavingsPlanCoveredUsage", 0.0116, {SP_COST: 0.0083, NET_SP_COST: 0.008}),
            (0.0116, 0.008, 0.0116, 0.0116),
            id="covered-usage-net-without-list",
        ),
        pytest.param(
            line("SavingsPlanNegation", -0.0116, PLANNED),
            (-0.0116, 0.0, 0.0, 0.0),
            id="negation",
        ),
        pytest.param(
            line("SavingsPlanRecurringFee", 0.12, PLANNED, {TOTAL: 0.12, USED: 0.06}),
            (0.12, 0.06, 0.12, 0.12),
            id="plan-fee-half-used",
        ),
        pytest.param(
            line("SavingsPlanRecurringFee", 0.12, {TOTAL: 0.12}),
            (0.12, None, 0.12, 0.12),
            id="plan-fee-use-unknown",
        ),
        pytest.param(
            line("SavingsPlanUpfrontFee", 876.0, PLANNED),
            (876.0, 0.0, 876.0, 876.0),
            id="plan-upfront-fee",
        ),
        pytest.param(line("Tax", 8.0), (8.0, 8.0, 8.0, 8.0), id="tax"),
        pytest.param(line("Credit", -10.0), (-10.0, -10.0, -10.0, -10.0), id="credit"),
        pytest.param(line("Refund", -3.0), (-3.0, -3.0, -3.0, -3.0), id="refund"),
        pytest.param(
            line("Refund", -3.0, line_item_product_code="ComputeSavingsPlans"),
            (-3.0, -3.0, -3.0, -3.0),
            id="refund-on-a-plan's-product",
        ),
        *(pytest.param(line(kind, -5.0), (-5.0, -5.0, 0.0, -5.0), id=kind) for kind in DISCOUNTS),
        pytest.param(
            line("FlatRateSubscription", 40.0, line_item_net_unblended_cost=36.0),
            (36.0, 36.0, 40.0, 36.0),
            id="subscription",
        ),
        pytest.param(line("SomethingNew", 4.0), (4.0, None, None, None), id="unknown-kind"),
        pytest.param(line(None, 4.0), (4.0, None, None, None), id="no-kind"),
        pytest.param(line("usage", 4.0), (4.0, None, None, None), id="kind-in-another-case"),
    ],
)
def test_money_of_one_line(raw: Row, costs: tuple[float | None, ...]) -> None:
    (found,) = money(raw)
    assert found == tuple(
        cost if cost is None else pytest.approx(cost, rel=1e-12) for cost in costs
    )


ONE_TIME = "Refund for one-time fee for Savings Plan ID : 1f2e"


@pytest.mark.parametrize(
    ("refund", "effective"),
    [
        ({"line_item_line_item_description": ONE_TIME} | PLANNED, 0.0),
        ({"line_item_line_item_description": ONE_TIME}, 0.0),
        *(
            (
                {
                    "line_item_line_item_description": "Refund for one-time fee",
                    "line_item_product_code": f"{kind}SavingsPlans",
                },
                0.0,
            )
            for kind in ("Compute", "MachineLearning", "Database")
        ),
        ({"line_item_line_item_description": "Refund of the upfront fee"} | PLANNED, 0.0),
        (RESERVED, 0.0),
        ({"line_item_line_item_description": "Reserved Instance purchase returned"}, 0.0),
        ({"line_item_line_item_description": "EDP refund"} | PLANNED, -3.0),
        ({"line_item_line_item_description": "Solution Provider Discount"} | PLANNED, -3.0),
        ({"line_item_line_item_description": "Discount on one-time fee"} | RESERVED, -3.0),
        ({"line_item_line_item_description": "Refund for recurring fee"} | RESERVED, -3.0),
        ({"line_item_line_item_description": "Refund for recurring fee"} | PLANNED, -3.0),
        ({"line_item_line_item_description": "No Upfront plan, refund"} | PLANNED, -3.0),
        ({"line_item_line_item_description": "Refund for one-time fee of support"}, -3.0),
        ({"line_item_product_code": "ComputeSavingsPlans"}, -3.0),
    ],
)
def test_only_the_return_of_a_commitments_purchase_has_no_effective_cost(
    refund: Row, effective: float
) -> None:
    assert money(line("Refund", -3.0, refund)) == [(-3.0, effective, -3.0, -3.0)]


@pytest.mark.parametrize("kind", ["Compute", "MachineLearning", "Database"])
def test_over_the_term_of_a_plan_that_was_returned_effective_equals_billed(kind: str) -> None:
    code = {"line_item_product_code": f"{kind}SavingsPlans"}
    rows = [
        line("SavingsPlanUpfrontFee", 1000.0, PLANNED, code),
        line("EdpDiscount", -100.0, PLANNED, code),
        line("Refund", -1000.0, PLANNED, code, line_item_line_item_description=ONE_TIME),
        line("Refund", 100.0, PLANNED, code, line_item_line_item_description="EDP refund"),
    ]
    assert totals(*rows) == (0.0, 0.0)


PLAN_FEE = {
    "savings_plan_recurring_commitment_for_billing_period": 6.0,
    "savings_plan_amortized_upfront_commitment_for_billing_period": 4.0,
}
NET_PLAN_FEE = {
    "savings_plan_net_recurring_commitment_for_billing_period": 5.4,
    "savings_plan_net_amortized_upfront_commitment_for_billing_period": 3.6,
}


@pytest.mark.parametrize(
    ("columns", "unused"),
    [
        ({}, 4.0),
        (PLAN_FEE, 4.0),
        (PLAN_FEE | NET_PLAN_FEE, 3.6),
        (PLAN_FEE | {"savings_plan_net_recurring_commitment_for_billing_period": 5.0}, 3.6),
        (dict.fromkeys(PLAN_FEE, 0.0) | NET_PLAN_FEE, 4.0),
        ({"line_item_net_unblended_cost": 5.4}, 3.6),
        (PLAN_FEE | {"line_item_net_unblended_cost": 5.4}, 3.6),
        (PLAN_FEE | NET_PLAN_FEE | {"line_item_net_unblended_cost": 3.0}, 3.6),
    ],
)
def test_unused_commitment_is_net_where_the_plans_fee_is(columns: Row, unused: float) -> None:
    fee = line("SavingsPlanRecurringFee", 6.0, PLANNED, {TOTAL: 10.0, USED: 6.0}, columns)
    ((billed, effective, *_),) = money(fee)
    assert billed == columns.get("line_item_net_unblended_cost", 6.0)
    assert effective == pytest.approx(unused)


def test_a_discount_shown_in_columns_in_rows_or_in_both_costs_the_same() -> None:
    """list, billed and effective of usage that is 100 before a discount of 10."""
    net = "line_item_net_unblended_cost"
    in_columns = [line("Usage", 100.0, {net: 90.0})]
    in_rows = [line("Usage", 100.0), line("EdpDiscount", -10.0)]
    in_both = [line("Usage", 100.0, {net: 90.0}), line("EdpDiscount", -10.0, {net: 0.0})]
    for rows in (in_columns, in_rows, in_both):
        billed, effective, listed, _ = zip(*money(*rows), strict=True)
        assert (sum(billed), sum(effective), sum(listed)) == (90.0, 90.0, 100.0)


WORDS = ("charge_category", "charge_frequency", "pricing_category", "commitment_discount_status")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Usage", ("Usage", "Usage-Based", "Standard", None)),
        ("DiscountedUsage", ("Usage", "Usage-Based", "Committed", "Used")),
        ("SavingsPlanCoveredUsage", ("Usage", "Usage-Based", "Committed", "Used")),
        ("SavingsPlanNegation", ("Usage", "Usage-Based", "Committed", None)),
        *((kind, ("Usage", "Usage-Based", None, None)) for kind in DISCOUNTS),
        ("Fee", ("Purchase", "One-Time", None, None)),
        ("FlatRateSubscription", ("Purchase", "Recurring", None, None)),
        ("RIFee", ("Purchase", "Recurring", None, "Unused")),
        ("SavingsPlanRecurringFee", ("Purchase", "Recurring", None, "Unused")),
        ("SavingsPlanUpfrontFee", ("Purchase", "One-Time", None, None)),
        ("Credit", ("Credit", "One-Time", None, None)),
        ("Refund", ("Adjustment", "One-Time", None, None)),
        ("Tax", ("Tax", "One-Time", None, None)),
        ("SomethingNew", ("unclassified", None, None, None)),
        ("", ("unclassified", None, None, None)),
        (None, ("unclassified", None, None, None)),
    ],
)
def test_words_of_one_kind_of_line(kind: str | None, words: tuple[str | None, ...]) -> None:
    (row,) = normalized(table([line(kind)]))
    assert tuple(row[name] for name in WORDS) == words
    assert row["x_line_item_type"] == (kind or None)


@pytest.mark.parametrize(
    ("code", "usage_type", "family"),
    [
        ("AmazonEC2", "EUC1-BoxUsage:m5.large", "Compute"),
        ("AmazonEC2", "SpotUsage:m5.large", "none"),
        ("AmazonEC2", "EBS:VolumeUsage.gp3", "none"),
        ("AmazonEC2", "NatGateway-Bytes", "none"),
        ("AmazonEC2", "DataTransfer-Out-Bytes", "none"),
        ("AmazonEC2", "CPUCredits:t3", "none"),
        ("AWSLambda", "Lambda-GB-Second-ARM", "Compute"),
        ("AWSLambda", "Lambda-Provisioned-Concurrency", "Compute"),
        ("AWSLambda", "Request", "none"),
        ("AmazonECS", "EUC1-Fargate-vCPU-Hours:perCPU", "Compute"),
        ("AmazonECS", "EUC1-Fargate-EphemeralStorage-GB-Hours", "none"),
        ("AmazonSageMaker", "USE1-Train:ml.m5.xlarge", "Machine Learning"),
        ("AmazonRDS", "Multi-AZUsage:db.r6g.large", "Database"),
        ("AmazonRDS", "RDS:GP3-Storage", "none"),
        ("AmazonElastiCache", "NodeUsage:cache.t4g.micro", "Database"),
        ("AmazonS3", "TimedStorage-ByteHrs", "none"),
        (None, None, "none"),
    ],
)
def test_a_line_knows_which_commitments_could_pay_for_it(
    code: str | None, usage_type: str | None, family: str
) -> None:
    rows = [
        line(kind, line_item_product_code=code, line_item_usage_type=usage_type)
        for kind in ("Usage", "SavingsPlanCoveredUsage", "DiscountedUsage", "Tax")
    ]
    found = [row["x_commitment_family"] for row in normalized(table(rows))]
    assert found == [family, family, family, None]


def test_a_line_says_when_the_commitment_that_it_names_ends() -> None:
    ends = {
        "reservation_end_time": "2026-12-31T23:59:59.000Z",
        "savings_plan_end_time": "2027-03-14T10:00:00.000Z",
    }
    rows = [line("Usage", 1.0, ends, of) for of in (PLANNED, RESERVED, {**PLANNED, **RESERVED}, {})]
    rows.append(line("Usage", 1.0, PLANNED, RESERVED, ends, savings_plan_end_time=""))
    of_plan = datetime(2027, 3, 14, 10, tzinfo=UTC)
    of_reservation = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    found = [row["x_commitment_end"] for row in normalized(table(rows))]
    assert found == [of_plan, of_reservation, of_plan, None, None]


@pytest.mark.parametrize("text", ENDS)
def test_an_end_that_is_not_a_time_is_unknown(text: str | None) -> None:
    rows = [line("Usage", 1.0, RESERVED, reservation_end_time=text)]
    (wanted,) = oracle_aws.normalize_rows(rows)
    (found,) = normalized(table(rows))
    assert found["x_commitment_end"] == wanted["x_commitment_end"]


def test_an_end_that_is_a_time_already_is_taken_as_it_is() -> None:
    rows = [line("Usage", 1.0, PLANNED, savings_plan_end_time=START.isoformat())]
    raw = retyped(table(rows), "savings_plan_end_time", pa.timestamp("ms", "UTC"))
    assert [row["x_commitment_end"] for row in normalized(raw)] == [START]


def test_usage_of_spot_instances_is_dynamic() -> None:
    rows = [
        line("Usage", line_item_usage_type="USW2-SpotUsage:c5.large"),
        line("Usage", line_item_usage_type="BoxUsage:c5.large"),
        line("Tax", line_item_usage_type="SpotUsage:c5.large"),
    ]
    found = [row["pricing_category"] for row in normalized(table(rows))]
    assert found == ["Dynamic", "Standard", None]


def test_of_a_plan_and_a_reservation_on_one_line_the_plan_counts() -> None:
    names = ("commitment_discount_id", "commitment_discount_type", "commitment_discount_category")
    rows = [line("Usage", 1.0, PLANNED, RESERVED), line("Usage", 1.0, RESERVED), line("Usage")]
    assert [tuple(row[name] for name in names) for row in normalized(table(rows))] == [
        (PLAN, "Savings Plan", "Spend"),
        (RESERVATION, "Reserved Instance", "Usage"),
        (None, None, None),
    ]


# Errors of other tools, each with its tiny input: the right totals of billed and effective.


def test_a_credit_lowers_the_bill() -> None:
    assert totals(line("Usage", 100.0), line("Credit", -30.0)) == (70.0, 70.0)


def test_discount_credit_refund_and_tax_keep_their_signs() -> None:
    rows = [("Usage", 100.0), ("EdpDiscount", -5.0), ("Credit", -10.0), ("Refund", -3.0)]
    assert totals(*(line(kind, cost) for kind, cost in rows), line("Tax", 8.0)) == (90.0, 90.0)


def test_an_hour_under_a_savings_plan_is_billed_by_its_fee_alone() -> None:
    assert totals(*savings_plan_hour())[0] == 0.06


def test_an_hour_under_a_savings_plan_costs_what_the_plan_charges() -> None:
    assert totals(*savings_plan_hour())[1] == 0.06


def test_a_reservation_that_is_used_in_full_counts_once() -> None:
    used = line("DiscountedUsage", 0.0, RESERVED, {RI_COST: 0.07})
    fee = line("RIFee", 0.07, RESERVED, {UPFRONT: 0.0, RECURRING: 0.0})
    assert totals(used, fee) == (0.07, 0.07)


def test_a_plan_paid_upfront_costs_what_was_used_of_it() -> None:
    rows = [
        line("SavingsPlanUpfrontFee", 876.0, PLANNED),
        line("SavingsPlanCoveredUsage", 0.10, PLANNED, {SP_COST: 0.10}),
        line("SavingsPlanNegation", -0.10, PLANNED),
        line("SavingsPlanRecurringFee", 0.0, PLANNED, {TOTAL: 0.10, USED: 0.10}),
    ]
    assert totals(*rows) == (876.0, 0.10)


def test_on_demand_usage_saves_nothing() -> None:
    (row,) = normalized(table([line("Usage", 100.0, pricing_public_on_demand_cost=100.0)]))
    assert row["list_cost"] - row["effective_cost"] == 0.0
    assert row["commitment_discount_type"] is None


def test_the_upfront_fee_of_a_reservation_is_a_purchase_from_aws() -> None:
    fee = line("Fee", 300.0, RESERVED, bill_billing_entity="AWS", line_item_legal_entity="AWS")
    (row,) = normalized(table([fee]))
    assert (row["charge_category"], row["publisher_name"]) == ("Purchase", "AWS")
    assert (row["billed_cost"], row["effective_cost"]) == (300.0, 0.0)


def test_a_restated_line_carries_its_new_cost_only() -> None:
    restated = line("Usage", 1.5, identity_line_item_id="a")
    assert money(restated) == [(1.5, 1.5, 1.5, 1.5)]


def test_every_line_of_a_delivery_counts_though_its_id_was_seen_before() -> None:
    same = line("Usage", 12.0, identity_line_item_id="a")
    assert totals(same, same) == (24.0, 24.0)


def test_split_cost_rows_are_left_out() -> None:
    rows = [
        line("Usage", 10.0, line_item_operation="RunInstances"),
        line("Usage", 4.0, line_item_operation="EKSPod-EC2", resource_tags=[("user:Team", "a")]),
        line("Usage", 3.0, line_item_operation="ECSTask-EC2"),
        line("Usage", 2.0, line_item_operation=None, resource_tags=[("user:Team", "b")]),
    ]
    found = [(row["billed_cost"], row["tag_team"]) for row in normalized(table(rows))]
    assert found == [(10.0, None), (2.0, "b")]


def test_another_currency_has_no_rate_and_no_guess() -> None:
    names = (
        "billing_currency",
        "x_currency_rate_usd",
        "x_billed_cost_usd",
        "x_effective_cost_usd",
    )
    codes = ("USD", "CHF", None, "")
    rows = [line("Usage", 79.705, line_item_currency_code=code) for code in codes]
    assert [tuple(row[name] for name in names) for row in normalized(table(rows))] == [
        ("USD", 1.0, 79.705, 79.705),
        ("CHF", None, None, None),
        (None, None, None, None),
        (None, None, None, None),
    ]


def test_empty_text_is_null() -> None:
    texts = {name: "" for name, value in ON_DEMAND.items() if isinstance(value, str)}
    (row,) = normalized(table([ON_DEMAND | texts]))
    assert [name for name, value in row.items() if value == ""] == []
    assert (row["resource_id"], row["service_name"]) == (None, "Amazon Elastic Compute Cloud")


def test_service_names_come_from_the_product_else_its_code() -> None:
    rows = [
        line("Usage", line_item_product_code="AmazonS3", product=[("product_name", "Amazon S3")]),
        line("Usage", line_item_product_code="AmazonS3", product_product_name="Amazon Simple S."),
        line("Usage", line_item_product_code="AmazonS3", product=[("product_name", "")]),
        line("Usage", line_item_product_code="8xmarketplace"),
        line("Usage"),
    ]
    found = [(r["service_name"], r["service_category"]) for r in normalized(table(rows))]
    assert found == [
        ("Amazon S3", "Storage"),
        ("Amazon Simple S.", "Storage"),
        ("AmazonS3", "Storage"),
        ("8xmarketplace", "Other"),
        (None, "Other"),
    ]


def test_an_unknown_region_keeps_its_code_and_has_no_name() -> None:
    rows = [
        line("Usage", product_region_code="eu-central-1"),
        line("Usage", product_region="eu-central-1"),
        line("Usage", product_region_code="mars-north-1", product_region="eu-central-1"),
        line("Usage"),
    ]
    assert [(r["region_id"], r["region_name"]) for r in normalized(table(rows))] == [
        ("eu-central-1", "Europe (Frankfurt)"),
        ("eu-central-1", "Europe (Frankfurt)"),
        ("mars-north-1", None),
        (None, None),
    ]

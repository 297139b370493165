"""Strategies for random AWS lines: few words that clash, amounts, times, hostile tag keys."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from pipelines.providers.aws import normalize
from tests.support.providers import oracle_aws
from tests.support.providers.raw_aws import PLAN, RESERVATION

MONEY = st.decimals(-1000, 1000, places=6, allow_nan=False).map(float)
MAYBE = st.none() | MONEY
KINDS = (*oracle_aws.CATEGORIES, "SomethingNew", "", None)
KEYS = (
    "user:Team", "user_team", "Team", "team", "user:Environment", "environment", "aws:createdBy",
    "user:Name", "user:Cost Center", "it's", "a-b", "a_b", "ключ", "", "user:", "user:user:Team",
)  # fmt: skip
TAG_MAPS = st.none() | st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(("", "a", "b", "ü"))), max_size=6
)
NUMBERS = [name for name in normalize.NUMBERS if name != "line_item_unblended_cost"]
ENDS = (
    "2027-03-14T10:00:00.000Z", "2026-12-31T23:59:59Z", "2027-03-14 10:00:00", "2027-02-28",
    "2027-02-29T00:00:00Z", "2028-02-29T00:00:00.123456+00:00", "2027-03-14T10:00:00+02:00",
    "2101-01-01T00:00:00Z", "soon", "", None,
)  # fmt: skip
WORDS_OF = {
    "line_item_product_code": ("AmazonEC2", "AmazonS3", "ComputeSavingsPlans", "new", "", None),
    "line_item_line_item_description": (
        "Refund for one-time fee for Savings Plan ID : 1f2e",
        "Refund for one-time fee",
        "Refund for upfront fee of reserved instance",
        "Enterprise Program Discount refund",
        "Refund for usage",
        "",
        None,
    ),
    "line_item_operation": ("RunInstances", "EKSPod-EC2", "ECSTask-EC2", "", None),
    "line_item_usage_type": ("SpotUsage:c5", "USW2-BoxUsage:c5", "BoxUsage", None),
    "line_item_currency_code": ("USD", "CHF", "", None),
    "line_item_resource_id": ("i-1", "", None),
    "line_item_usage_account_id": ("012345678901", None),
    "product_region_code": ("us-east-1", "eu-central-1", "x", "", None),
    "product_region": ("us-east-1", "eu-central-1", None),
    "product_product_name": ("Amazon EC2", "", None),
    "reservation_reservation_a_r_n": (RESERVATION, "", None),
    "savings_plan_savings_plan_a_r_n": (PLAN, "", None),
    "reservation_end_time": ENDS,
    "savings_plan_end_time": ENDS,
    "pricing_unit": ("Hrs", "", None),
    "bill_invoice_id": ("EUINAT27-1", "", None),
    "bill_billing_entity": ("AWS", "AWS Marketplace", None),
}
SOURCES = (
    "resourceTags/user:",
    "resourceTags/",
    "accountTag/",
    "costCategory/",
    "userAttribute/",
    "",
)
ALL_TAGS = st.none() | st.lists(
    st.tuples(
        st.builds(
            "".join, st.tuples(st.sampled_from(SOURCES), st.sampled_from(("Team", "BU", "a")))
        ),
        st.sampled_from(("", "a", "ü")),
    ),
    max_size=6,
    unique_by=lambda entry: entry[0],
)
TIMES = st.datetimes(datetime(2026, 10, 1), datetime(2026, 11, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(tzinfo=UTC)
)
LINES = st.fixed_dictionaries(
    {
        "line_item_line_item_type": st.sampled_from(KINDS),
        "line_item_unblended_cost": MAYBE,
        "line_item_usage_start_date": st.none() | TIMES,
        "resource_tags": TAG_MAPS,
        "tags": ALL_TAGS,
        "cost_category": st.none() | st.just([("BU", "retail"), ("a", "")]),
        "product": st.none() | st.just([("vcpu", "2"), ("product_name", "Amazon EC2")]),
    }
    | dict.fromkeys(NUMBERS, MAYBE)
    | {name: st.sampled_from(words) for name, words in WORDS_OF.items()}
)
OPTIONAL = (*NUMBERS, *WORDS_OF, "resource_tags", "product", "tags", "cost_category")

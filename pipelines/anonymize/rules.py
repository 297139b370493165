"""What becomes of every published column in a copy for the public.

Nothing is published by default: a new column is decided here, by its name, or for one table by
`table.column` where the same name means something else there. A test fails until it is
(tests/destinations/test_anonymize.py). Kinds of pseudonyms are shared on purpose: what is equal
before is equal after, in every table and in every column of one kind, so joins and group-bys stay
true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import Column

Action = Literal["keep", "pseudonym", "tags", "scale", "shift", "withhold"]
MEANING: Mapping[Action, str] = {
    "keep": "as it is",
    "pseudonym": "a keyed pseudonym",
    "tags": "keyed pseudonyms of the values, and of keys that are not configured",
    "scale": "times the secret factor",
    "shift": "moved by the years of --shift-years",
    "withhold": "left out (NULL)",
}
_TYPES: Mapping[Action, Sequence[str]] = {
    "pseudonym": ("text",),
    "tags": ("map",),
    "scale": ("number", "decimal", "integer", "amounts"),
    "shift": ("text", "date", "timestamp"),
}


@dataclass(frozen=True)
class Rule:
    """What is done with a column; `kind` names the pseudonyms it shares with others.

    `unless` is (column, value): where that column has that value, this one stays as it is.
    """

    action: Action
    kind: str = ""
    unless: tuple[str, str] | None = None


def _rules(action: Action, names: str, kind: str = "") -> Iterator[tuple[str, Rule]]:
    for name in names.split():
        yield name, Rule(action, kind)


RULES: Mapping[str, Rule] = dict(
    [
        # what is public, or says nothing of anybody
        *_rules("keep", "provider_name charge_category charge_class charge_frequency"),
        *_rules("keep", "service_category service_name region_id region_name availability_zone"),
        *_rules("keep", "resource_type consumed_unit pricing_unit pricing_category"),
        *_rules("keep", "billing_currency x_currency_rate_usd x_line_item_type x_source word"),
        *_rules("keep", "commitment_discount_type commitment_discount_category"),
        *_rules("keep", "commitment_discount_status x_dlt_load_id files bytes rows recipe"),
        *_rules("keep", "source kind is_current is_newest delivery days_elapsed days_in_month"),
        *_rules("keep", "line_items line_items_change line_items_without_usd partitions"),
        *_rules("keep", "commitment_type"),
        # rates, and what anybody can read of a public market
        *_rules("keep", "currency reporting_currency units_per_eur rate rate_source"),
        *_rules("keep", "status class reporting_category type margin_ratio cost_per_revenue"),
        *_rules("keep", "trade_id trade_seq instrument_name base_currency quote_currency"),
        *_rules("keep", "direction tick_direction price price_usd amount contracts notional_usd"),
        *_rules("keep", "mark_price index_price iv liquidation block_trade_id"),
        *_rules("keep", "block_trade_leg_count combo_id combo_trade_id block_rfq_id underlying"),
        *_rules("keep", "strike option_type moneyness is_linear x_missing_before level open high"),
        *_rules("keep", "low close vwap volume trades call_volume put_volume put_call_ratio"),
        *_rules("keep", "iv_vwap first_seq last_seq missing"),
        # who and what
        *_rules("pseudonym", "transaction_id", "transaction"),
        *_rules("pseudonym", "source_id", "payment"),
        *_rules("pseudonym", "account", "stripe-account"),
        *_rules("pseudonym", "billing_account_id sub_account_id", "account"),
        *_rules("pseudonym", "billing_account_name sub_account_name", "account-name"),
        *_rules("pseudonym", "publisher_name invoice_issuer_name", "company"),
        *_rules("pseudonym", "resource_id", "resource"),
        *_rules("pseudonym", "resource_name", "tag"),  # it is the tag Name
        *_rules("pseudonym", "charge_description", "description"),
        *_rules("pseudonym", "sku_id", "sku"),
        *_rules("pseudonym", "sku_price_id", "price"),
        *_rules("pseudonym", "commitment_discount_id commitment_id", "commitment"),
        *_rules("pseudonym", "x_fingerprint fingerprint", "delivery"),
        *_rules("pseudonym", "product", "product"),
        *_rules("tags", "tags"),
        # how much
        *_rules("scale", "billed_cost effective_cost list_cost contracted_cost x_credit_amount"),
        *_rules("scale", "x_billed_cost_usd x_effective_cost_usd x_credits billed effective"),
        *_rules("scale", "list credits usage_effective untagged_effective budget"),
        *_rules("scale", "previous_billed previous_effective previous_month_billed"),
        *_rules("scale", "previous_month_effective run_rate_billed run_rate_effective"),
        *_rules("scale", "projected_billed projected_effective change_billed change_effective"),
        *_rules("scale", "used_cost unused_cost covered_list on_demand_list billed_change"),
        *_rules("scale", "effective_change month_billed month_effective"),
        *_rules("scale", "gross fee net gross_reporting fee_reporting net_reporting fees taxes"),
        *_rules("scale", "revenue_gross revenue_contra revenue_net disputes margin"),
        *_rules("scale", "cost_billed cost_effective cost_billed_aws cost_effective_aws"),
        *_rules("scale", "cost_billed_gcp cost_effective_gcp"),
        # beside public prices a quantity would tell the factor
        *_rules("withhold", "consumed_quantity pricing_quantity"),
        # when
        *_rules("shift", "billing_period_start billing_period_end charge_period_start"),
        *_rules("shift", "charge_period_end x_usage_date x_partition partition delivered_at"),
        *_rules("shift", "published_at month as_of source_partition newest_partition"),
        *_rules("shift", "newest_delivery newest_publishing newest_day"),
        *_rules("shift", "created_at activity_date available_date rate_date date traded_at"),
        *_rules("shift", "trade_date expiry before_trade_at"),
        # where a name means something else
        ("cost_movers.id", Rule("pseudonym", "account", unless=("kind", "service"))),
        ("cost_movers.name", Rule("pseudonym", "account-name", unless=("kind", "service"))),
    ]
)


def rules_of(table: str, columns: Iterable[Column]) -> dict[str, Rule]:
    """The rule of each column of a table.

    Raises ConfigurationError for columns that nobody has decided about, all by name.
    """
    columns = list(columns)
    found = {column.name: _rule(table, column) for column in columns}
    if open_ := [name for name, rule in found.items() if rule is None]:
        raise ConfigurationError(
            f"Nobody has decided what becomes of {', '.join(f'{table}.{n}' for n in open_)} in a "
            "public copy. Add a rule for each to pipelines/anonymize/rules.py"
        )
    rules = {name: rule for name, rule in found.items() if rule is not None}
    for column in columns:
        action = rules[column.name].action
        if column.type not in _TYPES.get(action, (column.type,)) or (
            action == "withhold" and not column.nullable
        ):
            raise ConfigurationError(
                f"{table}.{column.name} is of the type {column.type}, for which there is no "
                f"{action!r}. Correct its rule in pipelines/anonymize/rules.py"
            )
    return rules


def _rule(table: str, column: Column) -> Rule | None:
    if column.name.startswith("tag_") and column.type == "text":
        return Rule("pseudonym", "tag")  # a configured tag: equal to its value in the map
    return RULES.get(f"{table}.{column.name}") or RULES.get(column.name)

"""Raw tables that readers read as they are: lists of Stripe's and Deribit's objects and figures.

Each partition is replaced whole, and each row carries the delivery it came with. They are not part
of a public copy, so their columns have no `privacy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.tables.schema import Column


@dataclass(frozen=True)
class RawList:
    """One raw list: its partition column, when its rows were delivered, and the provider's columns.

    `layout` is the default of x_form, where it has one.
    """

    partition: Column
    delivered: str
    fields: tuple[Column, ...]
    layout: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns: the partition, the delivery, the provider's."""
        return (
            self.partition,
            Column("x_fingerprint", "text", False, "The delivery this row came with."),
            Column("x_dlt_load_id", "text", False, "The load that brought it."),
            Column("x_delivered_at", "timestamp", False, self.delivered),
            Column("x_form", "text", False, "The kind of delivery."),
            *self.fields,
        )


# fmt: off
_READ = "When it was read from Stripe."
_ACCOUNT = Column("listing", "text", False, "The partition: the account.", many=True)
_OBJECT = (
    Column("account", "text", True, "The account, by its name in the configuration."),
    Column("id", "text", True, "Stripe's id of it.", many=True),
    Column("created", "integer", True, "When it was created, in seconds since 1970 (UTC)."),
)

PRODUCTS = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("active", "boolean", True, "Whether it can be sold."),
    Column("name", "text", True, "The merchant's name of it.", many=True),
    Column("type", "text", True, "good or service."),
    Column("default_price", "text", True, "Id of its default price.", many=True),
    Column("tax_code", "text", True, "Id of its tax code."),
    Column("unit_label", "text", True, "What one unit is called."),
    Column("updated", "integer", True, "When it last changed, in seconds since 1970 (UTC)."),
))

PRICES = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("active", "boolean", True, "Whether it can be used."),
    Column("product", "text", True, "Id of the product.", many=True),
    Column("currency", "text", True, "As Stripe writes it: usd."),
    Column("unit_amount", "integer", True, "Minor units of currency for one unit."),
    Column("unit_amount_decimal", "text", True, "The same with decimals.", many=True),
    Column("type", "text", True, "one_time or recurring."),
    Column("billing_scheme", "text", True, "per_unit or tiered."),
    Column("tax_behavior", "text", True, "inclusive, exclusive or unspecified."),
    Column("interval", "text", True, "day, week, month or year; NULL unless recurring."),
    Column("interval_count", "integer", True, "Number of intervals between two bills."),
    Column("usage_type", "text", True, "licensed or metered."),
))

SUBSCRIPTIONS = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("status", "text", True, "active, past_due, canceled, …"),
    Column("currency", "text", True, "As Stripe writes it: usd."),
    Column("collection_method", "text", True, "charge_automatically or send_invoice."),
    Column("start_date", "integer", True, "When it began, in seconds since 1970 (UTC)."),
    Column("trial_start", "integer", True, "When its trial began, likewise."),
    Column("trial_end", "integer", True, "When its trial ends, likewise."),
    Column("billing_cycle_anchor", "integer", True, "The instant that its billing dates follow."),
    Column("cancel_at_period_end", "boolean", True, "Whether it ends with the current period."),
    Column("cancel_at", "integer", True, "When it will be canceled."),
    Column("canceled_at", "integer", True, "When it was canceled."),
    Column("ended_at", "integer", True, "When it ended."),
    Column("latest_invoice", "text", True, "Id of its latest invoice.", many=True),
    Column("prices", "text", True, "Ids of its prices, as JSON.", many=True),
    Column("quantities", "text", True, "Quantities of them, as JSON.", many=True),
))

INVOICES = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("status", "text", True, "draft, open, paid, uncollectible or void."),
    Column("currency", "text", True, "As Stripe writes it: usd."),
    Column("billing_reason", "text", True, "Why it was created: subscription_cycle, manual, …"),
    Column("collection_method", "text", True, "charge_automatically or send_invoice."),
    Column("subscription", "text", True, "Id of the subscription.", many=True),
    Column("amount_due", "integer", True, "Minor units that are due."),
    Column("amount_paid", "integer", True, "Minor units that were paid."),
    Column("amount_remaining", "integer", True, "Minor units that are still to be paid."),
    Column("subtotal", "integer", True, "Minor units before discounts and taxes."),
    Column("total", "integer", True, "Minor units after them."),
    Column("attempt_count", "integer", True, "Number of attempts to collect it."),
    Column("period_start", "integer", True, "Start of its period, in seconds since 1970 (UTC)."),
    Column("period_end", "integer", True, "End of its period, likewise."),
    Column("due_date", "integer", True, "When it has to be paid, likewise."),
    Column("effective_at", "integer", True, "The date on it, likewise."),
))

BALANCES = RawList(
    Column("read_date", "text", False, "The partition: the UTC day.", many=True), _READ, (
    Column("account", "text", True, "The account, by its name in the configuration."),
    Column("currency", "text", True, "As Stripe writes it: usd."),
    Column("available", "integer", True, "Minor units that can be paid out."),
    Column("pending", "integer", True, "Minor units on their way."),
    Column("as_of", "timestamp", True, "When the newest transaction in it was made."),
    Column("as_of_second", "integer", True, "The same, in seconds since 1970."),
    Column("as_of_month", "text", True, "The month of it.", many=True),
    Column("first_month", "text", True, "The month of the oldest transaction of all accounts.",
           many=True),
))

INSTRUMENTS = RawList(
    Column("listing", "text", False,
           "The partition: active or expired, and the currency: active.BTC.", many=True),
    "When it was listed.", (
    Column("instrument_name", "text", False, "The instrument.", many=True),
    Column("kind", "text", True, "future, option, spot, …"),
    Column("instrument_type", "text", True, "reversed or linear."),
    Column("base_currency", "text", True, "The coin."),
    Column("quote_currency", "text", True, "What the price is in."),
    Column("counter_currency", "text", True, "The other side."),
    Column("settlement_currency", "text", True, "What it is settled in."),
    Column("settlement_period", "text", True, "day, week, month, perpetual."),
    Column("option_type", "text", True, "call or put."),
    Column("strike", "number", True, "Of an option."),
    Column("creation_timestamp", "integer", True, "Milliseconds since 1970."),
    Column("expiration_timestamp", "integer", True, "Milliseconds since 1970."),
    Column("contract_size", "number", True, "Of one contract."),
    Column("min_trade_amount", "number", True, "The least amount."),
    Column("tick_size", "number", True, "The least step of the price."),
    Column("maker_commission", "number", True, "Share."),
    Column("taker_commission", "number", True, "Share."),
    Column("price_index", "text", True, "The index, such as btc_usd."),
    Column("instrument_id", "integer", True, "The number of it."),
    Column("state", "text", True, "open, closed, …"),
    Column("is_active", "boolean", True, "Whether it can be traded."),
), "instruments")

_MONTH_END = "The end of the month, or when it was read."

VOLATILITY_INDEX = RawList(
    Column("month", "text", False, "The partition: month and currency, such as 2026-10.BTC.",
           many=True),
    _MONTH_END, (
    Column("currency", "text", False, "BTC or ETH."),
    Column("measured_at", "timestamp", False, "The start of the hour."),
    Column("open", "number", True, "First value."),
    Column("high", "number", True, "Highest."),
    Column("low", "number", True, "Lowest."),
    Column("close", "number", True, "Last."),
), "volatility_index")

FUNDING_RATES = RawList(
    Column("month", "text", False,
           "The partition: month and instrument, such as 2026-10.BTC-PERPETUAL.", many=True),
    _MONTH_END, (
    Column("instrument_name", "text", False, "The perpetual."),
    Column("measured_at", "timestamp", False, "The end of the hour."),
    Column("index_price", "number", True, "The index price then."),
    Column("prev_index_price", "number", True, "The index price an hour before."),
    Column("interest_8h", "number", True, "Funding of eight hours, a share."),
    Column("interest_1h", "number", True, "Funding of one hour, a share."),
), "funding_rates")

MONTH_TOTALS = RawList(
    Column("listing", "text", False, "The partition: months."),
    "The day on which BigQuery was asked.", (
    Column("export_table", "text", False, "The table that was asked.", many=True),
    Column("billing_account_id", "text", False, "The billing account; empty without.", many=True),
    Column("usage_month", "date", False, "First day of the month of use (UTC)."),
    Column("currency", "text", False, "The billing currency; empty without."),
    Column("row_count", "integer", False, "Rows of the table."),
    Column("micros", "integer", True, "Cost and credits, in millionths of the currency."),
    Column("asked_on", "date", False, "Rows exported before this day (UTC) are counted."),
), "month_totals")

NEWEST_NUMBERS = RawList(
    Column("listing", "text", False, "The partition: newest and the currency, such as newest.BTC."),
    "The end of that day.", (
    Column("host", "text", False, "production or history."),
    Column("instrument_name", "text", False, "The instrument."),
    Column("trade_seq", "integer", False, "The number of its newest trade."),
    Column("traded_at", "timestamp", False, "When that was."),
    Column("trades_partition", "text", False,
           "The day and currency that it is of, such as 2026-10-31.BTC.", many=True),
), "newest_numbers")
# fmt: on

RAW_LISTS: Mapping[str, RawList] = {
    "gcp__month_totals": MONTH_TOTALS,
    "stripe__products": PRODUCTS,
    "stripe__prices": PRICES,
    "stripe__subscriptions": SUBSCRIPTIONS,
    "stripe__invoices": INVOICES,
    "stripe__balances": BALANCES,
    "deribit__instruments": INSTRUMENTS,
    "deribit__volatility_index": VOLATILITY_INDEX,
    "deribit__funding_rates": FUNDING_RATES,
    "deribit__newest_numbers": NEWEST_NUMBERS,
}
"""Every raw list by its table's name in ClickHouse."""

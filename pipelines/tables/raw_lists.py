"""Raw tables that readers read as they are: lists of Stripe's and Deribit's objects and figures.

Each partition is replaced whole, and each row carries the delivery it came with. They are not part
of a public copy, so their columns have no `privacy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.tables.finops.billing import (
    AWS_INVOICE_FIELDS,
    COST_EXPLORER_FIELDS,
    USAGE_COST_FIELDS,
)
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
            Column("x_fingerprint", "text", False, "Fingerprint of the row's delivery."),
            Column("x_dlt_load_id", "text", False, "dlt's id of the load that wrote the row."),
            Column("x_delivered_at", "timestamp", False, self.delivered),
            Column("x_form", "text", False, "Layout of the delivery."),
            *self.fields,
        )


# fmt: off
_READ = "When the row was read from Stripe."
_ACCOUNT = Column("listing", "text", False, "The partition: the account.", many=True)
_OBJECT = (
    Column("account", "text", True, "Name of the Stripe account in the configuration."),
    Column("id", "text", True, "Stripe's id of the object.", many=True),
    Column("created", "integer", True, "Creation time, in seconds since 1970 (UTC)."),
)

PRODUCTS = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("active", "boolean", True, "Whether the product can be sold."),
    Column("name", "text", True, "The merchant's name for the product.", many=True),
    Column("type", "text", True, "good or service."),
    Column("default_price", "text", True, "Id of the default price.", many=True),
    Column("tax_code", "text", True, "Id of the tax code."),
    Column("unit_label", "text", True, "Name of one unit."),
    Column("updated", "integer", True, "Time of the last change, in seconds since 1970 (UTC)."),
))

PRICES = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("active", "boolean", True, "Whether the price can be used."),
    Column("product", "text", True, "Id of the product.", many=True),
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("unit_amount", "integer", True, "Minor units of currency for one unit."),
    Column("unit_amount_decimal", "text", True, "unit_amount with decimals.", many=True),
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
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("collection_method", "text", True, "charge_automatically or send_invoice."),
    Column("start_date", "integer", True, "Start, in seconds since 1970 (UTC)."),
    Column("trial_start", "integer", True, "Start of the trial, in seconds since 1970 (UTC)."),
    Column("trial_end", "integer", True, "End of the trial, in seconds since 1970 (UTC)."),
    Column("billing_cycle_anchor", "integer", True,
           "Time that the billing dates follow, in seconds since 1970 (UTC)."),
    Column("cancel_at_period_end", "boolean", True,
           "Whether the subscription ends with the current period."),
    Column("cancel_at", "integer", True,
           "Time of a scheduled cancellation, in seconds since 1970 (UTC)."),
    Column("canceled_at", "integer", True,
           "Time of the cancellation, in seconds since 1970 (UTC)."),
    Column("ended_at", "integer", True, "End, in seconds since 1970 (UTC)."),
    Column("latest_invoice", "text", True, "Id of the latest invoice.", many=True),
    Column("prices", "text", True, "Ids of the prices, as JSON.", many=True),
    Column("quantities", "text", True, "Quantities of the prices, as JSON.", many=True),
))

INVOICES = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("status", "text", True, "draft, open, paid, uncollectible or void."),
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("billing_reason", "text", True, "Reason for the invoice: subscription_cycle, manual, …"),
    Column("collection_method", "text", True, "charge_automatically or send_invoice."),
    Column("subscription", "text", True, "Id of the subscription.", many=True),
    Column("amount_due", "integer", True, "Amount due, in minor units."),
    Column("amount_paid", "integer", True, "Amount paid, in minor units."),
    Column("amount_remaining", "integer", True, "Amount still to be paid, in minor units."),
    Column("subtotal", "integer", True, "Amount before discounts and taxes, in minor units."),
    Column("total", "integer", True, "Amount after discounts and taxes, in minor units."),
    Column("attempt_count", "integer", True, "Number of attempts to collect the payment."),
    Column("period_start", "integer", True, "Start of the period, in seconds since 1970 (UTC)."),
    Column("period_end", "integer", True, "End of the period, in seconds since 1970 (UTC)."),
    Column("due_date", "integer", True, "Due date, in seconds since 1970 (UTC)."),
    Column("effective_at", "integer", True, "Date on the invoice, in seconds since 1970 (UTC)."),
))

PAYOUTS = RawList(_ACCOUNT, _READ, (
    *_OBJECT,
    Column("status", "text", True, "paid, pending, in_transit, canceled or failed."),
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("amount", "integer", True, "Amount that reaches the bank, in minor units."),
    Column("arrival_date", "integer", True,
           "Day on which the bank has it, in seconds since 1970 (UTC)."),
    Column("automatic", "boolean", True, "Whether Stripe made it by the account's schedule."),
    Column("reconciliation_status", "text", True,
           "completed once Stripe lists its transactions; in_progress or not_applicable."),
    Column("method", "text", True, "standard or instant."),
    Column("type", "text", True, "bank_account or card."),
    Column("source_type", "text", True, "Balance that it was paid from: card, bank_account, fpx."),
    Column("balance_transaction", "text", True, "Id of its own transaction.", many=True),
    Column("failure_balance_transaction", "text", True,
           "Id of the transaction that returned it.", many=True),
    Column("failure_code", "text", True, "Reason for a failure."),
    Column("original_payout", "text", True, "Id of the payout that it reverses.", many=True),
    Column("reversed_by", "text", True, "Id of the payout that reverses it.", many=True),
))

PAYOUT_TRANSACTIONS = RawList(
    Column("payout_month", "text", False,
           "The partition: the payout's month of creation (UTC) and account, such as 2026-10.main.",
           many=True), _READ, (
    Column("account", "text", True, "Name of the Stripe account in the configuration."),
    Column("payout", "text", True, "Id of the payout.", many=True),
    Column("id", "text", True, "Id of the balance transaction.", many=True),
    Column("source", "text", True, "Id of the charge, refund, … that made it.", many=True),
    Column("type", "text", True, "Stripe's kind of transaction."),
    Column("reporting_category", "text", True, "Stripe's category."),
    Column("created", "integer", True, "Creation time, in seconds since 1970 (UTC)."),
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("amount", "integer", True, "Amount before fees, in minor units."),
    Column("fee", "integer", True, "Fee, in minor units."),
    Column("net", "integer", True, "amount - fee."),
))

BALANCES = RawList(
    Column("read_date", "text", False, "The partition: the UTC day.", many=True), _READ, (
    Column("account", "text", True, "Name of the Stripe account in the configuration."),
    Column("currency", "text", True, "Currency as Stripe writes it, such as usd."),
    Column("available", "integer", True, "Amount that can be paid out, in minor units."),
    Column("pending", "integer", True, "Amount that is not available yet, in minor units."),
    Column("as_of", "timestamp", True, "Creation time of the newest transaction in the balance."),
    Column("as_of_second", "integer", True, "as_of in seconds since 1970."),
    Column("as_of_month", "text", True, "Month of as_of.", many=True),
    Column("first_month", "text", True, "Month of the oldest transaction of all accounts.",
           many=True),
))

STRIPE_TOTALS = RawList(
    Column("asked_month", "text", False, "The partition: a month of creation (UTC).", many=True),
    "When Stripe was asked.", (
    Column("account", "text", True, "Name of the Stripe account in the configuration."),
    Column("currency", "text", True, "Currency as Stripe writes it; empty without transactions."),
    Column("row_count", "integer", True, "Number of transactions."),
    Column("amount", "integer", True, "Sum of amount, in minor units."),
    Column("fee", "integer", True, "Sum of fee, in minor units."),
    Column("net", "integer", True, "Sum of net, in minor units."),
    Column("asked_at", "timestamp", True, "When Stripe was asked."),
))

INSTRUMENTS = RawList(
    Column("listing", "text", False,
           "The partition: active or expired, and the currency: active.BTC.", many=True),
    "When Deribit was asked for the list.", (
    Column("instrument_name", "text", False, "The instrument.", many=True),
    Column("kind", "text", True, "future, option, spot, …"),
    Column("instrument_type", "text", True, "reversed or linear."),
    Column("base_currency", "text", True, "The coin."),
    Column("quote_currency", "text", True, "Currency of the price."),
    Column("counter_currency", "text", True, "Currency that is traded against the coin."),
    Column("settlement_currency", "text", True, "Currency of the settlement."),
    Column("settlement_period", "text", True, "day, week, month or perpetual."),
    Column("option_type", "text", True, "call or put."),
    Column("strike", "number", True, "Strike price of an option."),
    Column("creation_timestamp", "integer", True, "Creation time, in milliseconds since 1970."),
    Column("expiration_timestamp", "integer", True, "Expiry, in milliseconds since 1970."),
    Column("contract_size", "number", True, "Size of one contract."),
    Column("min_trade_amount", "number", True, "Smallest amount of a trade."),
    Column("tick_size", "number", True, "Smallest step of the price."),
    Column("maker_commission", "number", True, "Commission of the maker, as a share."),
    Column("taker_commission", "number", True, "Commission of the taker, as a share."),
    Column("price_index", "text", True, "The index, such as btc_usd."),
    Column("instrument_id", "integer", True, "Deribit's number of the instrument."),
    Column("state", "text", True, "open, closed, …"),
    Column("is_active", "boolean", True, "Whether the instrument can be traded."),
), "instruments")

_MONTH_END = "End of the month, or when the row was read."

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
    Column("index_price", "number", True, "Index price at measured_at."),
    Column("prev_index_price", "number", True, "Index price an hour before measured_at."),
    Column("interest_8h", "number", True, "Funding of eight hours, as a share."),
    Column("interest_1h", "number", True, "Funding of one hour, as a share."),
), "funding_rates")

MONTH_TOTALS = RawList(
    Column("listing", "text", False, "The partition: months."),
    "The day on which BigQuery was asked.", (
    Column("export_table", "text", False, "The table that was asked.", many=True),
    Column("billing_account_id", "text", False, "The billing account; empty without.", many=True),
    Column("usage_month", "date", False, "First day of the month of use (UTC)."),
    Column("invoice_month", "text", True, "Month of the invoice, such as 202610; empty without."),
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
    Column("trade_seq", "integer", False, "Sequence number of the instrument's newest trade."),
    Column("traded_at", "timestamp", False, "Time of the newest trade."),
    Column("trades_partition", "text", False,
           "Partition of the newest trade, such as 2026-10-31.BTC.", many=True),
), "newest_numbers")
# fmt: on

_MONTH = Column("month", "text", False, "The partition: the month, such as 2026-10.", many=True)
COST_EXPLORER = RawList(_MONTH, "When AWS was asked.", COST_EXPLORER_FIELDS, "cost_explorer")
AWS_INVOICES = RawList(_MONTH, "When AWS was asked.", AWS_INVOICE_FIELDS, "invoices")
USAGE_COST = RawList(_MONTH, "When the row was read.", USAGE_COST_FIELDS, "usage cost")

RAW_LISTS: Mapping[str, RawList] = {
    "aws_costs__cost_explorer": COST_EXPLORER,
    "aws_costs__invoices": AWS_INVOICES,
    "gcp_costs__month_totals": MONTH_TOTALS,
    "stripe__products": PRODUCTS,
    "stripe__prices": PRICES,
    "stripe__subscriptions": SUBSCRIPTIONS,
    "stripe__invoices": INVOICES,
    "stripe__payouts": PAYOUTS,
    "stripe__payout_transactions": PAYOUT_TRANSACTIONS,
    "stripe__balances": BALANCES,
    "stripe__month_totals": STRIPE_TOTALS,
    "deribit__instruments": INSTRUMENTS,
    "deribit__volatility_index": VOLATILITY_INDEX,
    "deribit__funding_rates": FUNDING_RATES,
    "deribit__newest_numbers": NEWEST_NUMBERS,
    "clickhouse_cloud__usage_cost": USAGE_COST,
}
"""Every raw list by its table's name in ClickHouse, and the raw table that marts read like one."""

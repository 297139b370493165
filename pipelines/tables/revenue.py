"""The published tables of revenue: Stripe's ledger, exchange rates, and the marts over them."""

from __future__ import annotations

from pipelines.tables.schema import Column

STRIPE: tuple[Column, ...] = (
    # what
    Column("transaction_id", "text", False, "Stripe's id of the balance transaction."),
    Column("source_id", "text", True, "The charge, refund, payout … that made it."),
    Column("account", "text", False, "The account, by its name in the configuration."),
    # when, in UTC
    Column("created_at", "timestamp", False, "When it was made."),
    Column("activity_date", "date", False, "UTC date of created_at."),
    Column("available_date", "date", True, "UTC date on which its net is available."),
    Column("status", "text", True, "available or pending."),
    # which
    Column(
        "class",
        "text",
        False,
        "revenue, contra, dispute, fee, tax, movement; unclassified when its category is unknown.",
    ),
    Column("reporting_category", "text", True, "Stripe's; made of type where Stripe gives none."),
    Column("type", "text", True, "Stripe's kind of transaction."),
    # money, in currency
    Column("currency", "text", False, "Settlement currency, ISO 4217."),
    Column("gross", "decimal", True, "Signed, before fees; NULL without a known exponent."),
    Column("fee", "decimal", True, "What Stripe keeps of it."),
    Column("net", "decimal", True, "gross - fee: the change of the balance."),
    # ours
    Column("x_source", "text", False, "stripe: the source's word."),
    Column("x_partition", "text", False, "The partition that is replaced whole, such as 2026-10."),
    Column("x_fingerprint", "text", False, "The content this row came with."),
    Column("x_dlt_load_id", "text", False, "The load that brought it."),
)

FX: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The business day."),
    Column("currency", "text", False, "ISO 4217."),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro."),
    Column("source", "text", False, "ECB."),
    # ours
    Column("x_source", "text", False, "fx: the source's word."),
    Column("x_partition", "text", False, "The partition that is replaced whole, such as 2026."),
    Column("x_fingerprint", "text", False, "The delivery this row came with."),
    Column("x_dlt_load_id", "text", False, "The load that brought it."),
)

FX_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The day of the rate."),
    Column("currency", "text", False, "ISO 4217; EUR has 1 on every day that has any rate."),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro."),
    Column("rate_source", "text", False, "ECB, or manual: sql/fx_rates.csv, which wins."),
)

_OURS = STRIPE[-4:]
REVENUE: tuple[Column, ...] = (
    *STRIPE[:-4],
    # in the reporting currency, to a millionth
    Column("reporting_currency", "text", False, "[normalize] reporting_currency."),
    Column("gross_reporting", "decimal", True, "gross in it; NULL without a rate."),
    Column("fee_reporting", "decimal", True, "fee in it; NULL without a rate."),
    Column("net_reporting", "decimal", True, "net in it; NULL without a rate."),
    Column("rate", "number", True, "Units of currency for one unit of reporting_currency."),
    Column("rate_date", "date", True, "The older day of the two rates to the euro."),
    Column("rate_source", "text", True, "ECB; manual when either is; same: nothing to convert."),
    *_OURS,
)

MARGIN_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage."),
    Column("reporting_currency", "text", False, "What every amount is in."),
    # revenue, by Stripe; NULL when a part of it has no rate
    Column("revenue_gross", "number", True, "Charges and platform earnings."),
    Column("revenue_contra", "number", True, "Refunds and failures: negative."),
    Column("disputes", "number", True, "Disputes and those won back, signed."),
    Column("fees", "number", True, "What Stripe keeps: positive."),
    Column("taxes", "number", True, "Taxes taken by Stripe: positive."),
    Column("revenue_net", "number", True, "gross + contra + disputes - fees - taxes."),
    # cost, by the clouds; NULL when a part of it has no rate or no cost
    Column("cost_billed", "number", True, "As invoiced, of every provider."),
    Column("cost_effective", "number", True, "Commitments spread over their use."),
    Column("cost_billed_aws", "number", True, "As invoiced, AWS."),
    Column("cost_effective_aws", "number", True, "Effective, AWS."),
    Column("cost_billed_gcp", "number", True, "As invoiced, Google Cloud."),
    Column("cost_effective_gcp", "number", True, "Effective, Google Cloud."),
    # what is left
    Column("margin", "number", True, "revenue_net - cost_effective."),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue."),
    Column("cost_per_revenue", "number", True, "cost_effective / revenue_gross."),
)

COST_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of usage."),
    Column("source", "text", False, "Of which source: aws, gcp."),
    Column("product", "text", False, "By sql/products.csv; else unassigned."),
    Column("reporting_currency", "text", False, "[normalize] reporting_currency."),
    Column("billed", "number", True, "As invoiced; NULL without a rate."),
    Column("effective", "number", True, "Commitments spread over their use; NULL without a rate."),
)

MARGIN_BY_PRODUCT: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage."),
    Column("product", "text", False, "By sql/products.csv; else unassigned."),
    Column("reporting_currency", "text", False, "What every amount is in."),
    Column("revenue_gross", "number", True, "Charges and platform earnings."),
    Column("revenue_net", "number", True, "After refunds, disputes, fees and taxes."),
    Column("cost_billed", "number", True, "As invoiced, of every provider."),
    Column("cost_effective", "number", True, "Commitments spread over their use."),
    Column("margin", "number", True, "revenue_net - cost_effective."),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue."),
)

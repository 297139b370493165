"""The published tables of revenue: Stripe's ledger, exchange rates, and the marts over them."""

from __future__ import annotations

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

# fmt: off
STRIPE: tuple[Column, ...] = (
    # what
    Column("transaction_id", "text", False, "Stripe's id of the balance transaction.",
           privacy=pseudonym("transaction"), many=True),
    Column("source_id", "text", True, "The charge, refund, payout … that made it.",
           privacy=pseudonym("payment"), many=True),
    Column("account", "text", False, "The account, by its name in the configuration.",
           privacy=pseudonym("stripe-account")),
    # when, in UTC
    Column("created_at", "timestamp", False, "When it was made.", privacy=SHIFT),
    Column("activity_date", "date", False, "UTC date of created_at.", privacy=SHIFT),
    Column("available_date", "date", True, "UTC date on which its net is available.",
           privacy=SHIFT),
    Column("status", "text", True, "available or pending.", privacy=KEEP),
    # which
    Column("class", "text", False,
           "revenue, contra, dispute, fee, tax or movement; unclassified for an unknown category.",
           privacy=KEEP),
    Column("reporting_category", "text", True, "Stripe's; made of type where Stripe gives none.",
           privacy=KEEP),
    Column("type", "text", True, "Stripe's kind of transaction.", privacy=KEEP),
    # money, in currency
    Column("currency", "text", False, "Settlement currency, ISO 4217.", privacy=KEEP),
    Column("gross", "decimal", True, "Signed, before fees; NULL without a known exponent.",
           privacy=SCALE),
    Column("fee", "decimal", True, "What Stripe keeps of it.", privacy=SCALE),
    Column("net", "decimal", True, "gross - fee: the change of the balance.", privacy=SCALE),
    # ours
    Column("x_source", "text", False, "stripe: the source's word.", privacy=KEEP),
    Column("x_partition", "text", False, "The partition that is replaced whole, such as 2026-10.",
           privacy=SHIFT, many=True),
    Column("x_fingerprint", "text", False, "The content this row came with.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "The load that brought it.", privacy=KEEP),
)

FX: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The business day.", privacy=SHIFT),
    Column("currency", "text", False, "ISO 4217.", privacy=KEEP),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro.", privacy=KEEP),
    Column("source", "text", False, "ECB.", privacy=KEEP),
    # ours
    Column("x_source", "text", False, "fx: the source's word.", privacy=KEEP),
    Column("x_partition", "text", False, "The partition that is replaced whole, such as 2026.",
           privacy=SHIFT, many=True),
    Column("x_fingerprint", "text", False, "The delivery this row came with.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "The load that brought it.", privacy=KEEP),
)

FX_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The day of the rate.", privacy=SHIFT),
    Column("currency", "text", False, "ISO 4217; EUR has 1 on every day that has any rate.",
           privacy=KEEP),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro.", privacy=KEEP),
    Column("rate_source", "text", False, "ECB, or manual: sql/fx_rates.csv, which wins.",
           privacy=KEEP),
)

USD_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "A day of cost without a rate of its provider's.",
           privacy=SHIFT),
    Column("currency", "text", False, "The billing currency, ISO 4217.", privacy=KEEP),
    Column("units_per_usd", "number", False, "Units of it for one USD, by fx_rates.",
           privacy=KEEP),
)

_OURS = STRIPE[-4:]
REVENUE: tuple[Column, ...] = (
    *STRIPE[:-4],
    # in the reporting currency, to a millionth
    Column("reporting_currency", "text", False, "[normalize] reporting_currency.", privacy=KEEP),
    Column("gross_reporting", "decimal", True, "gross in it; NULL without a rate.", privacy=SCALE),
    Column("fee_reporting", "decimal", True, "fee in it; NULL without a rate.", privacy=SCALE),
    Column("net_reporting", "decimal", True, "net in it; NULL without a rate.", privacy=SCALE),
    Column("rate", "number", True, "Units of currency for one unit of reporting_currency.",
           privacy=KEEP),
    Column("rate_date", "date", True, "The older day of the two rates to the euro.", privacy=SHIFT),
    Column("rate_source", "text", True, "ECB; manual when either is; same: nothing to convert.",
           privacy=KEEP),
    *_OURS,
)

MARGIN_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("reporting_currency", "text", False, "What every amount is in.", privacy=KEEP),
    # revenue, by Stripe; NULL when a part of it has no rate
    Column("revenue_gross", "number", True, "Charges and platform earnings.", privacy=SCALE),
    Column("revenue_contra", "number", True, "Refunds and failures: negative.", privacy=SCALE),
    Column("disputes", "number", True, "Disputes and those won back, signed.", privacy=SCALE),
    Column("fees", "number", True, "What Stripe keeps: positive.", privacy=SCALE),
    Column("taxes", "number", True, "Taxes taken by Stripe: positive.", privacy=SCALE),
    Column("revenue_net", "number", True, "gross + contra + disputes - fees - taxes.",
           privacy=SCALE),
    # cost, by the clouds; NULL when a part of it has no rate or no cost
    Column("cost_billed", "number", True, "As invoiced, of every provider.", privacy=SCALE),
    Column("cost_effective", "number", True, "Commitments spread over their use.", privacy=SCALE),
    Column("cost_billed_aws", "number", True, "As invoiced, AWS.", privacy=SCALE),
    Column("cost_effective_aws", "number", True, "Effective, AWS.", privacy=SCALE),
    Column("cost_billed_gcp", "number", True, "As invoiced, Google Cloud.", privacy=SCALE),
    Column("cost_effective_gcp", "number", True, "Effective, Google Cloud.", privacy=SCALE),
    # what is left
    Column("margin", "number", True, "revenue_net - cost_effective.", privacy=SCALE),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue.",
           privacy=KEEP),
    Column("cost_per_revenue", "number", True, "cost_effective / revenue_gross.", privacy=KEEP),
)

COST_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of usage.", privacy=SHIFT),
    Column("source", "text", False, "Of which source: aws, gcp.", privacy=KEEP),
    Column("product", "text", False, "By sql/products.csv; else unassigned.",
           privacy=pseudonym("product")),
    Column("reporting_currency", "text", False, "[normalize] reporting_currency.", privacy=KEEP),
    Column("billed", "number", True, "As invoiced; NULL without a rate.", privacy=SCALE),
    Column("effective", "number", True, "Commitments spread over their use; NULL without a rate.",
           privacy=SCALE),
)

MARGIN_BY_PRODUCT: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("product", "text", False, "By sql/products.csv; else unassigned.",
           privacy=pseudonym("product")),
    Column("reporting_currency", "text", False, "What every amount is in.", privacy=KEEP),
    Column("revenue_gross", "number", True, "Charges and platform earnings.", privacy=SCALE),
    Column("revenue_net", "number", True, "After refunds, disputes, fees and taxes.",
           privacy=SCALE),
    Column("cost_billed", "number", True, "As invoiced, of every provider.", privacy=SCALE),
    Column("cost_effective", "number", True, "Commitments spread over their use.", privacy=SCALE),
    Column("margin", "number", True, "revenue_net - cost_effective.", privacy=SCALE),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue.",
           privacy=KEEP),
)
# fmt: on

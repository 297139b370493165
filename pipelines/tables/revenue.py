"""The published tables of revenue: Stripe's ledger, exchange rates, and the marts over them."""

from __future__ import annotations

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

# fmt: off
STRIPE: tuple[Column, ...] = (
    # what
    Column("transaction_id", "text", False, "Stripe's id of the balance transaction.",
           privacy=pseudonym("transaction"), many=True),
    Column("source_id", "text", True, "Id of the charge, refund, payout, … behind the transaction.",
           privacy=pseudonym("payment"), many=True),
    Column("account", "text", False, "Name of the Stripe account in the configuration.",
           privacy=pseudonym("stripe-account")),
    # when, in UTC
    Column("created_at", "timestamp", False, "When Stripe created the transaction.", privacy=SHIFT),
    Column("activity_date", "date", False, "UTC date of created_at.", privacy=SHIFT),
    Column("available_date", "date", True, "UTC date on which net becomes available.",
           privacy=SHIFT),
    Column("status", "text", True, "available or pending.", privacy=KEEP),
    # which
    Column("class", "text", False,
           "revenue, contra, dispute, fee, tax or movement; unclassified for an unknown category.",
           privacy=KEEP),
    Column("reporting_category", "text", True,
           "Stripe's category; derived from type where Stripe gives none.", privacy=KEEP),
    Column("type", "text", True, "Stripe's transaction type.", privacy=KEEP),
    # money, in currency
    Column("currency", "text", False, "Settlement currency, ISO 4217.", privacy=KEEP),
    Column("gross", "decimal", True,
           "Signed amount before fees; NULL for a currency with an unknown number of decimals.",
           privacy=SCALE),
    Column("fee", "decimal", True, "What Stripe keeps of gross.", privacy=SCALE),
    Column("net", "decimal", True, "gross - fee: the change in the balance.", privacy=SCALE),
    # ours
    Column("x_source", "text", False, "Name of the source: stripe.", privacy=KEEP),
    Column("x_partition", "text", False,
           "Partition of the row, replaced as a whole, such as 2026-10.", privacy=SHIFT, many=True),
    Column("x_fingerprint", "text", False, "Fingerprint of the row's content.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "dlt's id of the load that wrote the row.",
           privacy=KEEP),
)

FX: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The business day.", privacy=SHIFT),
    Column("currency", "text", False, "ISO 4217.", privacy=KEEP),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro.", privacy=KEEP),
    Column("source", "text", False, "ECB.", privacy=KEEP),
    # ours
    Column("x_source", "text", False, "Name of the source: fx.", privacy=KEEP),
    Column("x_partition", "text", False, "Partition of the row, replaced as a whole, such as 2026.",
           privacy=SHIFT, many=True),
    Column("x_fingerprint", "text", False, "Fingerprint of the row's delivery.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "dlt's id of the load that wrote the row.",
           privacy=KEEP),
)

FX_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The day of the rate.", privacy=SHIFT),
    Column("currency", "text", False, "ISO 4217; EUR has the rate 1 on every day with any rate.",
           privacy=KEEP),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro.", privacy=KEEP),
    Column("rate_source", "text", False,
           "ECB, or manual for sql/fx_rates.csv, which takes precedence.", privacy=KEEP),
)

_OURS = STRIPE[-4:]
REVENUE: tuple[Column, ...] = (
    *STRIPE[:-4],
    # in the reporting currency, to a millionth
    Column("reporting_currency", "text", False, "The currency of normalize.reporting_currency.",
           privacy=KEEP),
    Column("gross_reporting", "decimal", True, "gross in reporting_currency; NULL without a rate.",
           privacy=SCALE),
    Column("fee_reporting", "decimal", True, "fee in reporting_currency; NULL without a rate.",
           privacy=SCALE),
    Column("net_reporting", "decimal", True, "net in reporting_currency; NULL without a rate.",
           privacy=SCALE),
    Column("rate", "number", True, "Units of currency for one unit of reporting_currency.",
           privacy=KEEP),
    Column("rate_date", "date", True, "The older date of the two euro rates.", privacy=SHIFT),
    Column("rate_source", "text", True,
           "ECB, manual if either rate is, or same when there is nothing to convert.",
           privacy=KEEP),
    *_OURS,
)

MARGIN_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("reporting_currency", "text", False, "Currency of every amount in the row.",
           privacy=KEEP),
    # revenue, by Stripe; NULL when a part of it has no rate
    Column("revenue_gross", "number", True, "Charges and platform earnings.", privacy=SCALE),
    Column("revenue_contra", "number", True, "Refunds and failures: negative.", privacy=SCALE),
    Column("disputes", "number", True, "Disputes and their reversals, signed.", privacy=SCALE),
    Column("fees", "number", True, "What Stripe keeps: positive.", privacy=SCALE),
    Column("taxes", "number", True, "Taxes taken by Stripe: positive.", privacy=SCALE),
    Column("revenue_net", "number", True, "gross + contra + disputes - fees - taxes.",
           privacy=SCALE),
    # cost, by the clouds; NULL when a part of it has no rate or no cost
    Column("cost_billed", "number", True, "Billed cost of every provider.", privacy=SCALE),
    Column("cost_effective", "number", True, "Cost with commitments spread over their use.",
           privacy=SCALE),
    Column("cost_billed_aws", "number", True, "Billed cost of AWS.", privacy=SCALE),
    Column("cost_effective_aws", "number", True, "Effective cost of AWS.", privacy=SCALE),
    Column("cost_billed_gcp", "number", True, "Billed cost of Google Cloud.", privacy=SCALE),
    Column("cost_effective_gcp", "number", True, "Effective cost of Google Cloud.", privacy=SCALE),
    # what is left
    Column("margin", "number", True, "revenue_net - cost_effective.", privacy=SCALE),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue.",
           privacy=KEEP),
    Column("cost_per_revenue", "number", True, "cost_effective / revenue_gross.", privacy=KEEP),
)

COST_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of usage.", privacy=SHIFT),
    Column("source", "text", False, "Name of the source: aws, gcp.", privacy=KEEP),
    Column("product", "text", False, "Product by sql/products.csv, else unassigned.",
           privacy=pseudonym("product")),
    Column("reporting_currency", "text", False, "The currency of normalize.reporting_currency.",
           privacy=KEEP),
    Column("billed", "number", True, "Billed cost; NULL without a rate.", privacy=SCALE),
    Column("effective", "number", True,
           "Cost with commitments spread over their use; NULL without a rate.", privacy=SCALE),
)

MARGIN_BY_PRODUCT: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("product", "text", False, "Product by sql/products.csv, else unassigned.",
           privacy=pseudonym("product")),
    Column("reporting_currency", "text", False, "Currency of every amount in the row.",
           privacy=KEEP),
    Column("revenue_gross", "number", True, "Charges and platform earnings.", privacy=SCALE),
    Column("revenue_net", "number", True, "Revenue after refunds, disputes, fees and taxes.",
           privacy=SCALE),
    Column("cost_billed", "number", True, "Billed cost of every provider.", privacy=SCALE),
    Column("cost_effective", "number", True, "Cost with commitments spread over their use.",
           privacy=SCALE),
    Column("margin", "number", True, "revenue_net - cost_effective.", privacy=SCALE),
    Column("margin_ratio", "number", True, "margin / revenue_gross; NULL without revenue.",
           privacy=KEEP),
)
# fmt: on

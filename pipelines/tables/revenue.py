"""The marts over Stripe's ledger, exchange rates and cost: revenue and margin."""

from __future__ import annotations

from pipelines.tables.own_shapes import OURS, own_shape
from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

STRIPE = own_shape("stripe")

# fmt: off
FX_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "The day of the rate.", privacy=SHIFT),
    Column("currency", "text", False, "ISO 4217; EUR has the rate 1 on every day with any rate.",
           privacy=KEEP),
    Column("units_per_eur", "decimal", False, "Units of the currency for one euro.", privacy=KEEP),
    Column("rate_source", "text", False,
           "ECB, or manual for sql/fx_rates.csv, which takes precedence.", privacy=KEEP),
)

USD_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "A day of cost without a rate of its provider's.",
           privacy=SHIFT),
    Column("currency", "text", False, "The billing currency, ISO 4217.", privacy=KEEP),
    Column("units_per_usd", "number", False, "Units of it for one USD, by fx_rates.",
           privacy=KEEP),
)

REVENUE: tuple[Column, ...] = (
    *STRIPE[: -len(OURS)],
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
    *STRIPE[-len(OURS) :],
)

MARGIN_DAILY: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("reporting_currency", "text", False, "Currency of every amount in the row.",
           privacy=KEEP),
    # revenue, by Stripe; NULL when a part of it has no rate
    Column("revenue_gross", "number", True, "Charges and platform earnings, less transfers.",
           privacy=SCALE),
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

MARGIN_BY_PRODUCT: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("product", "text", False, "Product by sql/products.csv, else unassigned.",
           privacy=pseudonym("product")),
    Column("reporting_currency", "text", False, "Currency of every amount in the row.",
           privacy=KEEP),
    Column("revenue_gross", "number", True, "Charges and platform earnings, less transfers.",
           privacy=SCALE),
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

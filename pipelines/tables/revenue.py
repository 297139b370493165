"""The marts over Stripe's ledger, exchange rates and cost: revenue, margin and split costs."""

from __future__ import annotations

from pipelines.tables.own_shapes import OURS, own_shape
from pipelines.tables.privacy import KEEP, SCALE, SHIFT, WITHHOLD, pseudonym
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

REPORTING_RATES: tuple[Column, ...] = (
    Column("rate_date", "date", False, "A day of cost that no other rate converts.",
           privacy=SHIFT),
    Column("currency", "text", False, "The billing currency, ISO 4217.", privacy=KEEP),
    Column("units_per_reporting", "number", False,
           "Units of it for one of the reporting currency, by fx_rates.", privacy=KEEP),
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

PAYOUTS: tuple[Column, ...] = (
    Column("payout_id", "text", False, "Stripe's id of the payout.", privacy=pseudonym("payment")),
    Column("account", "text", False, "The account, by its name in the configuration.",
           privacy=pseudonym("stripe-account")),
    Column("made_on", "date", False, "UTC date on which it was made.", privacy=SHIFT),
    Column("arrival_date", "date", False, "Day on which the bank has it.", privacy=SHIFT),
    Column("status", "text", True, "paid, pending, in_transit, canceled or failed.", privacy=KEEP),
    Column("is_automatic", "boolean", True, "Whether Stripe made it by the account's schedule.",
           privacy=KEEP),
    Column("reconciliation", "text", False,
           "reconciled: its transactions make up the amount; in progress at Stripe; manual, failed "
           "or canceled; differs.", privacy=KEEP),
    Column("currency", "text", True, "Settlement currency, ISO 4217.", privacy=KEEP),
    # NULL without a known exponent; all but the amount also where Stripe lists no transactions
    Column("amount", "decimal", True, "What reaches the bank: gross + refunds + other - fees.",
           privacy=SCALE),
    Column("gross", "decimal", True, "Amounts of the class revenue, before fees.", privacy=SCALE),
    Column("refunds", "decimal", True, "Amounts of the class contra: negative.", privacy=SCALE),
    Column("other", "decimal", True, "Disputes, taxes, reserves and whatever else, signed.",
           privacy=SCALE),
    Column("fees", "decimal", True, "What Stripe keeps: positive.", privacy=SCALE),
    Column("transactions", "integer", True, "Number of transactions in it; NULL if not listed.",
           privacy=KEEP),
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

MARGIN_BY_SOURCE: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC) of activity and of usage.", privacy=SHIFT),
    Column("source", "text", False, "Name of the source, such as aws or stripe.", privacy=KEEP),
    Column("reporting_currency", "text", False, "Currency of every amount in the row.",
           privacy=KEEP),
    Column("revenue_gross", "number", True, "Charges and platform earnings, less transfers.",
           privacy=SCALE),
    Column("revenue_net", "number", True, "Revenue after refunds, disputes, fees and taxes.",
           privacy=SCALE),
    Column("cost_billed", "number", True, "Billed cost; 0 of a source of revenue.",
           privacy=SCALE),
    Column("cost_effective", "number", True, "Cost with commitments spread over their use.",
           privacy=SCALE),
    Column("margin", "number", True, "revenue_net - cost_effective: what it adds to the margin.",
           privacy=SCALE),
)

COSTS_SPLIT: tuple[Column, ...] = (
    # when
    Column("usage_date", "date", True, "UTC date of the use.", privacy=SHIFT),
    Column("charge_period_start", "timestamp", True, "Start of the use (UTC).", privacy=SHIFT),
    # who
    Column("sub_account_id", "text", True, "The account of the pod or task.",
           privacy=pseudonym("account")),
    # what
    Column("orchestrator", "text", True, "EKS or ECS, which AWS Batch uses as well.", privacy=KEEP),
    Column("cluster", "text", True, "Name of the cluster.", privacy=pseudonym("tag")),
    Column("namespace", "text", True, "Namespace of the pod; NULL in ECS.",
           privacy=pseudonym("tag")),
    Column("workload", "text", True, "Deployment or other workload of the pod; service in ECS.",
           privacy=pseudonym("tag")),
    Column("workload_type", "text", True, "Deployment, DaemonSet, …; NULL in ECS.", privacy=KEEP),
    Column("pod", "text", True, "Name of the pod; id of the task in ECS.",
           privacy=pseudonym("resource"), many=True),
    Column("resource_id", "text", True, "ARN of the pod or task.", privacy=pseudonym("resource"),
           many=True),
    Column("parent_resource_id", "text", True, "The instance that it ran on.",
           privacy=pseudonym("resource"), many=True),
    Column("usage_type", "text", True, "What it used, such as USE1-EKS-EC2-vCPU-Hours.",
           privacy=KEEP),
    # how much
    Column("reserved_usage", "number", True, "Reserved, in the unit of usage_type.",
           privacy=WITHHOLD),
    Column("actual_usage", "number", True, "Really used, in the unit of usage_type.",
           privacy=WITHHOLD),
    Column("split_usage", "number", True, "The larger of both: by this the cost is split.",
           privacy=WITHHOLD),
    # money
    Column("billing_currency", "text", True, "Currency of the costs.", privacy=KEEP),
    Column("split_cost", "number", True, "Its part of the instance's amortised cost.",
           privacy=SCALE),
    Column("unused_cost", "number", True, "Its part of what nobody used of the instance.",
           privacy=SCALE),
    Column("net_split_cost", "number", True,
           "split_cost after discounts; NULL where AWS delivers no net amounts.", privacy=SCALE),
    Column("net_unused_cost", "number", True,
           "unused_cost after discounts; NULL where AWS delivers no net amounts.", privacy=SCALE),
    Column("effective_cost", "number", True,
           "Split and unused cost, net where there are net amounts. A part of the instance's "
           "effective_cost in costs, never to be added to it.", privacy=SCALE),
    # ours
    Column("x_partition", "text", False, "Partition that the row is computed from.", privacy=SHIFT),
    Column("x_fingerprint", "text", False, "Fingerprint of the row's delivery.",
           privacy=pseudonym("delivery")),
)
# fmt: on

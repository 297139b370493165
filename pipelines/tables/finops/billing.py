"""What providers themselves say a month costs, and how it compares with what is published."""

from __future__ import annotations

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

# fmt: off
COST_EXPLORER_FIELDS: tuple[Column, ...] = (
    Column("account", "text", True, "The account that was asked."),
    Column("service", "text", True, "The service, as Cost Explorer names it."),
    Column("record_type", "text", True, "Usage, Tax, Credit, Refund, Support, …"),
    Column("currency", "text", True, "Currency of the amounts."),
    Column("unblended", "number", True, "UnblendedCost."),
    Column("net_unblended", "number", True, "NetUnblendedCost, after discounts."),
    Column("net_amortized", "number", True, "NetAmortizedCost."),
    Column("estimated", "boolean", True, "Whether AWS may still change it."),
    Column("asked_at", "timestamp", True, "When AWS was asked."),
)

AWS_INVOICE_FIELDS: tuple[Column, ...] = (
    Column("account", "text", True, "The account that was asked."),
    Column("invoice_id", "text", True, "Number of the invoice.", many=True),
    Column("invoice_type", "text", True, "INVOICE, CREDIT_MEMO, …"),
    Column("entity", "text", True, "The company that issued it."),
    Column("currency", "text", True, "Currency of the amounts."),
    Column("before_tax", "number", True, "Amount before tax."),
    Column("after_tax", "number", True, "Amount to be paid."),
    Column("issued_at", "timestamp", True, "When it was issued."),
    Column("estimated", "boolean", True, "Whether another invoice of the month may come."),
    Column("asked_at", "timestamp", True, "When AWS was asked."),
)

USAGE_COST_FIELDS: tuple[Column, ...] = (
    Column("organization_id", "text", True, "Id of the organisation."),
    Column("organization_name", "text", True, "Name of the organisation."),
    Column("usage_date", "date", True, "UTC day of the usage."),
    Column("data_warehouse_id", "text", True, "Id of the data warehouse."),
    Column("service_id", "text", True, "Id of the service, where it is of one."),
    Column("entity_type", "text", True, "datawarehouse, service or clickpipe."),
    Column("entity_id", "text", True, "Id of what caused the cost."),
    Column("entity_name", "text", True, "Name of what caused the cost."),
    Column("meter", "text", True, "Entity type and metric, such as service.computeCHC."),
    Column("amount_chc", "number", True, "Cost in ClickHouse Credits."),
    Column("locked", "boolean", True, "Whether the record is immutable."),
    Column("grand_total_chc", "number", True, "The organisation's month, as the API sums it."),
)

PROVIDER_TOTALS: tuple[Column, ...] = (
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("account", "text", False, "The account that was asked for.",
           privacy=pseudonym("account")),
    Column("month", "date", False, "First day of the month.", privacy=SHIFT),
    Column("kind", "text", False,
           "unblended, net_unblended, net_amortized, invoice, export, invoice_month, "
           "balance_change, payouts, grand_total.",
           privacy=KEEP),
    Column("part", "text", False, "The record type, before_tax or tax; the parts add up.",
           privacy=KEEP),
    Column("invoice_id", "text", False, "The invoice; empty where it is none.",
           privacy=pseudonym("invoice")),
    Column("currency", "text", False, "Currency of the amount.", privacy=KEEP),
    Column("amount", "number", True, "What the provider says.", privacy=SCALE),
    Column("as_of", "date", False, "Day on which it was asked.", privacy=SHIFT),
    Column("is_estimated", "integer", False, "1 where it may still change, else 0.", privacy=KEEP),
)

RECONCILIATION: tuple[Column, ...] = (
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("account", "text", False, "The account.", privacy=pseudonym("account")),
    Column("month", "date", False, "First day of the month.", privacy=SHIFT),
    Column("kind", "text", False, "Kind of total, as in provider_totals.", privacy=KEEP),
    Column("invoice_id", "text", False, "The invoice, where cost lines carry one.",
           privacy=pseudonym("invoice")),
    Column("currency", "text", False, "Currency of the amounts.", privacy=KEEP),
    Column("ours", "number", True, "What is published; NULL without it, or where a part is NULL.",
           privacy=SCALE),
    Column("theirs", "number", True, "What the provider says.", privacy=SCALE),
    Column("difference", "number", True, "theirs - ours.", privacy=SCALE),
    Column("share", "number", True, "difference / theirs.", privacy=KEEP),
    Column("verdict", "text", False, "agrees, explained or open.", privacy=KEEP),
    Column("reason", "text", False,
           "Which lines explain the difference, or what an open one looks like.", privacy=KEEP),
    Column("as_of", "date", False, "Day on which the provider was asked.", privacy=SHIFT),
    Column("is_estimated", "integer", False, "1 where theirs may still change, else 0.",
           privacy=KEEP),
)

PLATFORM_COST: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of publishing (UTC).", privacy=SHIFT),
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("reporting_currency", "text", False, "The currency of the cost.", privacy=KEEP),
    Column("publishings", "integer", False, "Partitions published.", privacy=KEEP),
    Column("line_items", "integer", True, "Normalised rows in them.", privacy=KEEP),
    Column("seconds", "number", True, "Seconds of all their steps.", privacy=KEEP),
    Column("cpu_seconds", "number", True,
           "ClickHouse's processor seconds; NULL where some are not known.", privacy=KEEP),
    Column("read_bytes", "integer", True, "Bytes read, as in deliveries.", privacy=KEEP),
    Column("written_bytes", "integer", True, "Bytes written, as in deliveries.", privacy=KEEP),
    Column("share", "number", True, "The source's part of the month's processor seconds.",
           privacy=KEEP),
    Column("cost", "number", True, "That part of ClickHouse Cloud's cost; NULL without it.",
           privacy=SCALE),
    Column("cost_per_million_lines", "number", True, "cost for a million line_items.",
           privacy=SCALE),
)
# fmt: on

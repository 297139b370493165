"""What AWS itself says a month costs: Cost Explorer and invoices, for the mart reconciliation."""

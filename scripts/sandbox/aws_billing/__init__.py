"""AWS's own totals on loopback: Cost Explorer, invoices, and the account that asks."""

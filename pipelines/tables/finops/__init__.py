"""The shapes of marts about budgets, anomalies, allocation and unit cost."""

"""FOCUS: any provider that delivers the FinOps Open Cost and Usage Specification as files."""

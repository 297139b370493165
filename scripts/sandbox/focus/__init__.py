"""FOCUS deliveries as Azure, Google, OCI and Databricks document them, and stores for them."""

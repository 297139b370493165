"""Where the configuration of ClickHouse is found, and what its values may be."""

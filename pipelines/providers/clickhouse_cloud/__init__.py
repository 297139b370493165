"""ClickHouse Cloud: what the organisation's services cost."""

"""ClickHouse: where it is (config), how to talk to it (manager), what its errors mean (errors)."""

"""BigQuery's Storage Read API on loopback: gRPC, for the real client."""

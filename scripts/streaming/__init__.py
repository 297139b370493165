"""Kafka, the schema registry and Connect as processes of this machine: `make streaming-up`."""

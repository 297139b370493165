"""The commands of live trades: `collect` and `sink`."""

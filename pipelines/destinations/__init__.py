"""How a partition is staged and published on each destination."""

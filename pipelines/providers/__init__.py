"""A folder per source: all that knows its provider."""

"""The bills that are measured: millions of rows, made fast."""

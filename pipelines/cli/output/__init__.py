"""What commands print: lines, tables, progress, the log."""

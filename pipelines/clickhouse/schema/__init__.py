"""The statements of sql/: rendered, applied, compared."""

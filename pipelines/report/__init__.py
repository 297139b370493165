"""The overview as one HTML page: figures, charts, style."""

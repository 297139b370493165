"""The commands, one module per group. `__main__` imports only the one that runs."""

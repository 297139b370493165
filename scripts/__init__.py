"""Entry points: `make` runs most of them, `python -m scripts.<name>` each."""

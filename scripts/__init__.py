"""Entry points: `make` runs most of them, `python -m scripts.<name>` each."""

from pipelines.cli.output.stopping import stop_without_traceback

stop_without_traceback("error: Stopped.")

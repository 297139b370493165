"""Demo data without an account: `python -m scripts.sandbox aws --dir PATH`, `… gcp --key FILE`.

One command per source, each a deterministic stand-in for what the provider delivers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts.sandbox.aws import months as aws
from scripts.sandbox.deribit import command as deribit
from scripts.sandbox.fx import server as fx
from scripts.sandbox.gcp import exports as gcp
from scripts.sandbox.stripe import server as stripe

SOURCES = {
    "aws": aws,
    "gcp": gcp,
    "stripe": stripe,
    "fx": fx,
    "deribit": deribit,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one source's command; its exit status."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="source", required=True)
    for word, module in SOURCES.items():
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(commands.add_parser(word, help=summary, description=summary))
    parsed = parser.parse_args(arguments)
    return int(SOURCES[parsed.source].main(parsed))


if __name__ == "__main__":
    sys.exit(main())

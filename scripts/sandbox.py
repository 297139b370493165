"""Demo data without an account: `python scripts/sandbox.py aws --dir PATH`, `… gcp --key FILE`.

One command per source, each a deterministic stand-in for what the provider delivers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# a script's path starts at its own folder
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import sandbox_aws, sandbox_deribit, sandbox_fx, sandbox_gcp, sandbox_stripe

SOURCES = {
    "aws": sandbox_aws,
    "gcp": sandbox_gcp,
    "stripe": sandbox_stripe,
    "fx": sandbox_fx,
    "deribit": sandbox_deribit,
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

"""Demo data without an account: `python -m scripts.sandbox aws --dir PATH`, `… gcp --key FILE`.

One command per source, each a deterministic stand-in for what the provider delivers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import scripts.sandbox


def commands() -> dict[str, ModuleType]:
    """The modules with a command, by their sources: what a package's COMMAND names."""
    found = {}
    for package in iter_modules(scripts.sandbox.__path__, "scripts.sandbox."):
        if package.ispkg and (name := getattr(import_module(package.name), "COMMAND", "")):
            source_name = package.name.rpartition(".")[2]
            found[source_name] = import_module(f"{package.name}.{name}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one source's command; its exit status."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__.splitlines()[0])
    sources = parser.add_subparsers(dest="source", required=True)
    modules = commands()
    for source_name, module in modules.items():
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(sources.add_parser(source_name, help=summary, description=summary))
    parsed = parser.parse_args(arguments)
    return int(modules[parsed.source].main(parsed))


if __name__ == "__main__":
    sys.exit(main())

"""Begin a source: `python -m scripts.docs.scaffold moon` writes its folders and its shared lines.

What it writes works: a CSV bill over HTTP, a month at a time, in the cost shape, with its twin, its
stand-in and its tests. Make it your provider's, file by file; CONTRIBUTING.md says what each is.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.tables.sources import SOURCE_NAMES

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).parent / "template"
NAME = "moon"  # what the source is called in the template
FILES = {
    "source.toml": "pipelines/providers/{source}/source.toml",
    "columns.csv": "pipelines/providers/{source}/columns.csv",
    "bill.py": "pipelines/providers/{source}/bill.py",
    "normalize.py": "pipelines/providers/{source}/normalize.py",
    "doctor.py": "pipelines/providers/{source}/doctor.py",
    "pipeline.py": "pipelines/{source}_pipeline.py",
    "rules.sql": "sql/{number}_{source}.sql",
    "server.py": "scripts/sandbox/{source}/server.py",
    "test.py": "tests/{source}/test_{source}.py",
}
PACKAGES = {
    "pipelines/providers/{source}/__init__.py": '"""Moon."""\n',
    "scripts/sandbox/{source}/__init__.py": '"""Moon\'s bill on loopback."""\n\n'
    'COMMAND = "server"\n'
    '"""The module with the command: `python -m scripts.sandbox moon`."""\n',
}
#: The shared lines: file, what stands before them, the lines.
SHARED = (
    ("pipelines/tables/sources.py", r".*?^SOURCE_NAMES: .*?\n(?=\))", '    "moon",\n'),
    (
        ".dlt/config.toml",
        r".*?(?=^\[destination\.filesystem\]$)",
        "[sources.moon]\n"
        "# Where Moon's bill lies. Default: none, so Moon is not in use. SOURCES__MOON__URL\n"
        '# url = "https://moon.example/bill.csv"\n\n',
    ),
    (
        ".github/workflows/etl-pipeline.yml",
        r".*?(?=^      - name: Check$)",
        """      - name: Load moon
        id: moon
        continue-on-error: true
        env:
          CLICKHOUSE_HOST: ${{ secrets.CLICKHOUSE_HOST }}
          CLICKHOUSE_USER: ${{ secrets.CLICKHOUSE_USER || secrets.CLICKHOUSE_USERNAME }}
          CLICKHOUSE_PASSWORD: ${{ secrets.CLICKHOUSE_PASSWORD }}
          SOURCES__MOON__URL: ${{ vars.MOON_URL }} # `MOON_URL`: where Moon's bill lies
        run: .venv/bin/python -m scripts.nightly load moon

""",
    ),
    (
        "README.md",
        rf".*^\| `({'|'.join(SOURCE_NAMES)})` \|[^\n]*\n",
        "| `moon` | a bill as CSV | a month of usage | `moon.bill` | `normalized_moon` |\n",
    ),
    (
        "CHANGELOG.md",
        r".*?^\|---\|---\|---\|---\|\n(\|[^\n]*\n)*",
        "| moon.bill, normalized_moon, costs | – | Moon's cost lines, by month | new |\n",
    ),
)


def scaffold(source_name: str, root: Path = ROOT) -> list[str]:
    """Write the source below `root`; the shared files that got a line. Raises ValueError."""
    if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", source_name):
        raise ValueError(f"Invalid name {source_name!r}. Use lower case, such as moon or far_moon.")
    if (root / "pipelines" / "providers" / source_name).exists():
        raise ValueError(f"{source_name} is a source already.")
    texts = {name: (root / name).read_text(encoding="utf-8") for name, _, _ in SHARED}
    ends = {name: _end(name, texts[name], before) for name, before, _ in SHARED}
    used = {int(path.name[:2]) for path in (root / "sql").glob("2?_*.sql")}
    number = min(set(range(20, 29)) - used)  # 29 and later read what sources publish
    files = {
        target: (TEMPLATE / f"{name}.txt").read_text(encoding="utf-8")
        for name, target in FILES.items()
    }
    for target, text in (files | PACKAGES).items():
        path = root / target.format(source=source_name, number=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_named(text, source_name).replace("NN_", f"{number}_"), encoding="utf-8")
    for name, _, lines in SHARED:
        text = texts[name][: ends[name]] + _named(lines, source_name) + texts[name][ends[name] :]
        (root / name).write_text(text, encoding="utf-8")
    return [name for name, _, _ in SHARED]


def _end(name: str, text: str, before: str) -> int:
    head = re.match(before, text, re.MULTILINE | re.DOTALL)
    if head is None:
        raise ValueError(f"{name} has no place for the source. Nothing was written.")
    return head.end()


def _named(text: str, source_name: str) -> str:
    """The text of a template with the source's name: moon, Moon in classes, MOON in variables."""
    title = source_name.title().replace("_", "")
    for each, name in (
        (NAME, source_name),
        (NAME.title(), title),
        (NAME.upper(), source_name.upper()),
    ):
        text = text.replace(each, name)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 2 with the reason why nothing was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "source_name", metavar="NAME", help="the source's name everywhere, such as moon"
    )
    options = parser.parse_args(arguments)
    try:
        changed = scaffold(options.source_name)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.source_name} is written, with a line in {', '.join(changed)}.")
    print("Then: python -m scripts.docs.generate")
    return 0


if __name__ == "__main__":
    sys.exit(main())

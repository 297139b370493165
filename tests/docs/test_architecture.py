"""The arrows between modules, where the outside world is touched, and what a source consists of.

Imports are read from the syntax tree, so that one inside a function counts like one at the top.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.registry import SOURCES

ROOT = Path(__file__).resolve().parents[2]

MODULES = {"gcp": "google_bq_incremental_pipeline"}  # sources not called <word>_pipeline
OPTIONS = {"ingest_normalized_pipeline"}  # pipelines that are no source of their own
LINES = 300

PARTITIONS = r"pipelines\.partitions"
LANDING = r"pipelines\.landing"
AHEAD = r"pipelines\.ahead"
SCHEMA = r"pipelines\.normalize\.(schema|shapes)"
NORMALIZE = r"pipelines\.normalize(\..+)?"
DESTINATIONS = r"pipelines\.destinations(\..+)?"
CLICKHOUSE = r"pipelines\.clickhouse(\..+)?"
SOURCE = r"pipelines\.(?P<source>\w+)_pipeline"

# Module, and what of ours it may import. The first that fits counts; a module without a line fails,
# so that a new one gets its arrow on purpose. `__main__` itself is imported by nobody.
ARROWS: list[tuple[str, list[str]]] = [
    (r"pipelines\.__main__", [r"pipelines\..+"]),
    (r"pipelines", []),
    (PARTITIONS, []),
    (AHEAD, []),
    (r"pipelines\.lock", [PARTITIONS]),
    (r"pipelines\.sources", [SOURCE, DESTINATIONS, PARTITIONS]),
    (r"pipelines\.load", [r"pipelines\.sources", DESTINATIONS, PARTITIONS, r"pipelines\.lock"]),
    (r"pipelines\.(console|options)", [PARTITIONS, r"pipelines\.report"]),
    (r"pipelines\.(catalogue|checks|commands_\w+|doctor(_\w+)?)", [r"pipelines\..+"]),
    (r"pipelines\.(anonymize(_\w+)?|findings|marts|report|status)", [r"pipelines\..+"]),
    (r"pipelines\.normalize\.run", [NORMALIZE, DESTINATIONS, PARTITIONS, r"pipelines\.lock"]),
    (NORMALIZE, [NORMALIZE, AHEAD]),
    (DESTINATIONS, [DESTINATIONS, CLICKHOUSE, PARTITIONS, SCHEMA, r"pipelines\.lock"]),
    (CLICKHOUSE, [CLICKHOUSE, PARTITIONS, SCHEMA]),  # never a destination or a source
    (r"pipelines\.ingest_normalized_pipeline", [DESTINATIONS, CLICKHOUSE, PARTITIONS, SCHEMA]),
    (LANDING, [PARTITIONS]),
    (SOURCE, [r"pipelines\.{word}(\..+)?", LANDING, PARTITIONS, SCHEMA]),
    (r"pipelines\.gcp\.rows", [r"pipelines\.gcp\..+", AHEAD]),
    (r"pipelines\.(?P<folder>\w+)\..+", [r"pipelines\.{word}\..+", LANDING, PARTITIONS, SCHEMA]),
]

# What may come from third parties. A module that fits no line may import what it likes.
ARROW = {"numpy", "pyarrow"}
THIRD_PARTIES: list[tuple[str, set[str]]] = [
    (PARTITIONS, set()),
    (r"pipelines\.normalize\.run", ARROW | {"dlt", "pandas"}),
    (NORMALIZE, ARROW | {"pandas"}),
    (r"pipelines\.aws(_pipeline|\..+)", ARROW | {"dlt", "boto3", "botocore", "s3transfer"}),
    (r"pipelines\.(google_bq_incremental_pipeline|gcp\..+)", ARROW | {"dlt", "google", "requests"}),
    (r"pipelines\.stripe(_pipeline|\..+)", ARROW | {"dlt", "stripe"}),
    (r"pipelines\.fx(_pipeline|\..+)", ARROW | {"dlt", "requests"}),
    (r"pipelines\.deribit(_pipeline|\..+)", ARROW | {"dlt", "requests"}),
]


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and path of every module of pipelines/, a package under its folder's name."""
    for path in sorted((root / "pipelines").rglob("*.py")):
        names = path.relative_to(root).with_suffix("").parts
        yield ".".join(names[:-1] if names[-1] == "__init__" else names), path


def nodes(path: Path) -> Iterator[ast.AST]:
    """Every node of a file's syntax tree."""
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def imports(path: Path, root: Path) -> Iterator[str]:
    """Dotted names that a file imports; `from package import module` gives the module."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            folder = root.joinpath(*origin.split("."))
            for alias in node.names:
                inside = folder / alias.name
                is_module = inside.is_dir() or inside.with_suffix(".py").is_file()
                yield f"{origin}.{alias.name}" if is_module else origin
        elif isinstance(node, ast.Call) and _name(node.func).endswith("import_module"):
            constants = (each.value for each in node.args if isinstance(each, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


def _name(node: ast.expr) -> str:
    """`os.environ` for the expression os.environ, "" for what is no dotted name."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden_imports(root: Path) -> list[str]:
    """Every import against the arrows, as "module imports what"."""
    found = []
    for module, path in modules(root):
        for target in sorted(set(imports(path, root))):
            if target.startswith("."):
                found.append(f"{module} imports {target} relatively")
            elif target.split(".")[0] in {"scripts", "tests"} or target == "pipelines.__main__":
                found.append(f"{module} imports {target}")
            elif target.split(".")[0] == "pipelines":
                found += [] if _ours_allowed(module, target) else [f"{module} imports {target}"]
            elif not _third_party_allowed(module, target.split(".")[0]):
                found.append(f"{module} imports {target}")
    for path in sorted((root / "scripts").glob("*.py")):
        if "pipelines.__main__" in imports(path, root):
            found.append(f"scripts/{path.name} imports pipelines.__main__")
    return found


def _word_of(module: str) -> str:
    """`aws` for the module or the folder of the source aws."""
    name = module.split(".")[1] if "." in module else ""
    return {stem: word for word, stem in MODULES.items()}.get(name, name.removesuffix("_pipeline"))


def _ours_allowed(module: str, target: str) -> bool:
    for pattern, targets in ARROWS:
        if re.fullmatch(pattern, module):
            allowed = [each.replace("{word}", _word_of(module)) for each in targets]
            return any(re.fullmatch(each, target) for each in allowed)
    return False


def _third_party_allowed(module: str, package: str) -> bool:
    if package in sys.stdlib_module_names:
        return True
    for pattern, packages in THIRD_PARTIES:
        if re.fullmatch(pattern, module):
            return package in packages
    return True


def forbidden_uses(root: Path) -> list[str]:
    """Every print, environment variable and exit outside `__main__`, as "module:line uses what"."""
    environment = {"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"}
    outside = environment | {"print", "input", "sys.exit", "exit", "quit"}
    return sorted(
        f"{module}:{line} uses {name}"
        for module, path in modules(root)
        if module != "pipelines.__main__"
        for line, name in set(_uses(path))
        if name in outside
    )


def _uses(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of what a file mentions, imports from os and sys, or raises to exit."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, {"SystemExit": "sys.exit"}.get(_name(node), _name(node))
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "sys"}:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def long_files(root: Path) -> list[str]:
    """Every module and script of more than LINES lines."""
    paths = [*(root / "pipelines").rglob("*.py"), *(root / "scripts").glob("*.py")]
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(paths)}
    return [f"{path.relative_to(root)}: {n} lines" for path, n in sizes.items() if n > LINES]


def missing_parts(word: str, root: Path) -> list[str]:
    """What the source `word` lacks, each part by its path; empty when it is whole."""
    parts = {
        f"pipelines/{MODULES.get(word, f'{word}_pipeline')}.py": [],
        f"pipelines/normalize/{word}.py": [],
        f"pipelines/doctor_{word}.py": [],
        f"tests/{word}/test_{word}.py": [f"tests/{word}/test_{word}_*.py"],
        f"tests/data/{word}/": [f"scripts/sandbox_{word}.py"],
    }
    if (root / "sql/00_database.sql").is_file():
        parts[f"sql/2?_{word}.sql"] = [f"sql/1?_{word}_*.sql"]
    missing = [
        name
        for name, others in parts.items()
        if not any(True for pattern in [name, *others] for _ in root.glob(pattern.rstrip("/")))
    ]
    config = tomllib.loads((root / ".dlt/config.toml").read_text(encoding="utf-8"))
    if word not in config.get("sources", {}):
        missing.append(f"[sources.{word}] in .dlt/config.toml")
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    if not re.search(rf"^run-{word}:", makefile, re.MULTILINE):
        missing.append(f"run-{word} in Makefile")
    return missing


def unregistered(words: set[str], root: Path) -> list[str]:
    """Source modules that no word of the registry stands for."""
    stems = {path.stem for path in (root / "pipelines").glob("*_pipeline.py")} - OPTIONS
    return sorted(stems - {MODULES.get(word, f"{word}_pipeline") for word in words})


def test_imports_follow_the_arrows() -> None:
    assert forbidden_imports(ROOT) == []


def test_only_main_prints_exits_and_reads_the_environment() -> None:
    assert forbidden_uses(ROOT) == []


def test_no_module_outgrows_its_noun() -> None:
    assert long_files(ROOT) == []


@pytest.mark.parametrize("word", sorted(SOURCES))
def test_a_source_is_whole(word: str) -> None:
    assert missing_parts(word, ROOT) == []


def test_every_source_module_is_in_the_registry() -> None:
    assert unregistered(set(SOURCES), ROOT) == []


# Each rule above, shown to fail on a tree that breaks it.


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("name", "source", "offence"),
    [
        ("load.py", "import pipelines.__main__", "load imports pipelines.__main__"),
        ("load.py", "from pipelines import __main__", "load imports pipelines.__main__"),
        (
            "load.py",
            "from pipelines.providers.aws import bucket",
            "load imports pipelines.providers.aws.bucket",
        ),
        ("load.py", "import tests.conftest", "load imports tests.conftest"),
        ("aws_pipeline.py", "from scripts import x", "aws_pipeline imports scripts"),
        (
            "aws_pipeline.py",
            "import pipelines.core.load",
            "aws_pipeline imports pipelines.core.load",
        ),
        (
            "aws_pipeline.py",
            "def f():\n    from pipelines.destinations import filesystem",
            "aws_pipeline imports pipelines.destinations",
        ),
        ("aws_pipeline.py", "import stripe", "aws_pipeline imports stripe"),
        ("aws/bucket.py", "import pipelines.core.load", "aws.bucket imports pipelines.core.load"),
        (
            "aws/bucket.py",
            "import pipelines.providers.gcp.x",
            "aws.bucket imports pipelines.providers.gcp.x",
        ),
        ("aws/bucket.py", "from .. import partitions", "aws.bucket imports .. relatively"),
        (
            "google_bq_incremental_pipeline.py",
            "import pipelines.providers.aws.bucket",
            "google_bq_incremental_pipeline imports pipelines.providers.aws.bucket",
        ),
        (
            "providers/aws/normalize.py",
            "from pipelines.core.partition import UserError",
            "normalize.aws imports pipelines.core.partition",
        ),
        ("providers/aws/normalize.py", "import dlt", "normalize.aws imports dlt"),
        (
            "providers/aws/normalize.py",
            "import duckdb.typing",
            "normalize.aws imports duckdb.typing",
        ),
        (
            "normalize/run.py",
            "import pipelines.core.load",
            "normalize.run imports pipelines.core.load",
        ),
        (
            "destinations/filesystem/destination.py",
            "import pipelines.providers.aws.normalize",
            "destinations.filesystem imports pipelines.providers.aws.normalize",
        ),
        (
            "clickhouse/server/manager.py",
            "import pipelines.destinations.clickhouse.destination",
            "clickhouse.manager imports pipelines.destinations.clickhouse.destination",
        ),
        ("partitions.py", "import pipelines.core.lock", "partitions imports pipelines.core.lock"),
        ("partitions.py", "import pandas", "partitions imports pandas"),
        (
            "lock.py",
            "import importlib\nimportlib.import_module('pipelines.core.load')",
            "lock imports pipelines.core.load",
        ),
        (
            "surprise.py",
            "import pipelines.core.partition",
            "surprise imports pipelines.core.partition",
        ),
    ],
)
def test_an_import_against_the_arrows_is_named(
    name: str, source: str, offence: str, tmp_path: Path
) -> None:
    write(tmp_path, {f"pipelines/{name}": source, "pipelines/providers/aws/__init__.py": ""})
    write(
        tmp_path, {"pipelines/providers/aws/bucket.py": source} if name == "aws/bucket.py" else {}
    )
    if "import bucket" in source:
        write(tmp_path, {"pipelines/providers/aws/bucket.py": ""})
    if "import __main__" in source:
        write(tmp_path, {"pipelines/cli/main.py": ""})
    assert forbidden_imports(tmp_path) == [f"pipelines.{offence}"]


def test_imports_along_the_arrows_pass(tmp_path: Path) -> None:
    files = {
        "__main__.py": "import pipelines.core.load, pipelines.normalize.run, rich",
        "load.py": "import dlt\nfrom pipelines import partitions, sources",
        "sources.py": "from pipelines import aws_pipeline, partitions",
        "aws_pipeline.py": "import dlt, boto3\nfrom pipelines.providers.aws import bucket",
        "aws/bucket.py": "from pipelines.core.partition import UserError",
        "google_bq_incremental_pipeline.py": "import pipelines.providers.gcp.days, google.cloud",
        "normalize/run.py": "import pipelines.destinations.filesystem.store, pipelines.core.partition",
        "providers/aws/normalize.py": "import pandas, pyarrow\nfrom pipelines.normalize import schema",
        "tables/schema.py": "from __future__ import annotations",
        "destinations/filesystem/store.py": "from pipelines.tables.schema import COSTS",
        "clickhouse/server/config.py": "from pipelines.core.partition import ConfigurationError",
        "partitions.py": "import json",
    }
    write(tmp_path, {f"pipelines/{name}": text for name, text in files.items()})
    assert forbidden_imports(tmp_path) == []


def test_a_script_that_imports_main_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"scripts/demo/__main__.py": "import pipelines.__main__"})
    assert forbidden_imports(tmp_path) == ["scripts/demo/__main__.py imports pipelines.__main__"]


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("print('x')", "print"),
        ("import os\nos.environ['X']", "os.environ"),
        ("import os\nos.getenv('X')", "os.getenv"),
        ("from os import environ", "os.environ"),
        ("import sys\nsys.exit(1)", "sys.exit"),
        ("raise SystemExit(1)", "sys.exit"),
        ("from sys import exit", "sys.exit"),
    ],
)
def test_a_use_of_the_outside_world_is_named(source: str, use: str, tmp_path: Path) -> None:
    write(tmp_path, {"pipelines/core/load.py": source, "pipelines/cli/main.py": source})
    line = len(source.splitlines())
    assert forbidden_uses(tmp_path) == [f"pipelines.core.load:{line} uses {use}"]


def test_a_module_that_outgrew_its_noun_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"pipelines/a.py": "x = 1\n" * LINES, "scripts/b.py": "x = 1\n" * (LINES + 1)})
    assert long_files(tmp_path) == [f"scripts/b.py: {LINES + 1} lines"]


def test_a_half_added_source_is_told_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path, {".dlt/config.toml": "[sources.aws]\n", "Makefile": "run-aws: x ## y\n"})
    assert missing_parts("moon", tmp_path) == [
        "pipelines/moon_pipeline.py",
        "pipelines/normalize/moon.py",
        "pipelines/doctor_moon.py",
        "tests/moon/test_moon.py",
        "tests/data/moon/",
        "[sources.moon] in .dlt/config.toml",
        "run-moon in Makefile",
    ]
    write(
        tmp_path,
        {
            "pipelines/moon_pipeline.py": "",
            "pipelines/doctor_moon.py": "",
            "tests/moon/test_moon_phases.py": "",
            "scripts/sandbox_moon.py": "",
            "sql/00_database.sql": "",
            ".dlt/config.toml": "[sources.moon]\n",
        },
    )
    lacking = ["pipelines/normalize/moon.py", "sql/2?_moon.sql", "run-moon in Makefile"]
    assert missing_parts("moon", tmp_path) == lacking
    write(
        tmp_path,
        {
            "pipelines/normalize/moon.py": "",
            "sql/24_moon.sql": "",
            "Makefile": "run-moon: x ## y\n",
        },
    )
    assert missing_parts("moon", tmp_path) == []


def test_a_source_that_is_not_registered_is_named(tmp_path: Path) -> None:
    names = ["aws", "moon", "google_bq_incremental", "ingest_normalized"]
    write(tmp_path, {f"pipelines/{name}_pipeline.py": "" for name in names})
    assert unregistered({"aws", "gcp"}, tmp_path) == ["moon_pipeline"]

"""The arrows between folders, where the outside world is touched, and what a source consists of.

Imports are read from the syntax tree, so that one inside a function counts like one at the top.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipelines.tables.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]

STEMS = {
    source_name: each.module.removesuffix("_pipeline") for source_name, each in SOURCES.items()
}
OPTIONS = {"ingest_normalized_pipeline"}  # pipelines that are no source of their own
LINES, MODULES = 300, 15
PRIVATE = {"Word", "Place", "WORDS", "PLACES", "COST_WORDS"}  # names that say nothing to a reader

# What a module of pipelines/ may import of ours: the first row that fits it counts, and a module
# without a row fails. A name stands for itself and all below it; <name> is the module's source.
BASE = "core.partition core.text"
ARROWS: dict[str, str] = {
    r"__main__": "cli.main cli.output.stopping",
    r"cli\.(nightly|github_role)": (
        f"cli alerts.channels marts providers.github core.registry {BASE}"
    ),
    r"cli\.live(\..+)?": (
        f"cli.clickhouse cli.output.console providers.deribit.settings streaming {BASE}"
    ),
    r"cli\.focus": "cli.output focus clickhouse.focus destinations tables",
    r"cli(\..+)?": (
        "cli doctor alerts anonymize report focus marts normalize core destinations clickhouse"
    ),
    r"streaming\.collector(\..+)?": f"streaming providers.deribit {BASE}",
    r"streaming(\..+)?": f"streaming clickhouse.server {BASE}",
    r"doctor(\..+)?": "doctor normalize.run core destinations.filesystem clickhouse",
    r"anonymize(\..+)?": "anonymize core.registry core.partition destinations clickhouse tables",
    r"alerts(\..+)?": (f"alerts marts.checks core.registry core.months destinations.alerts {BASE}"),
    r"report(\..+)?": "report marts.checks tables",
    r"focus(\..+)?": (
        "focus marts.catalogue normalize.run core.registry core.partition core.lock core.digests "
        "destinations clickhouse tables"
    ),
    r"marts(\..+)?": "marts normalize.run core destinations clickhouse tables",
    r"normalize\.run": "normalize core.registry core.partition core.digests destinations tables",
    r"normalize(\..+)?": "normalize core.ahead tables",
    r"core\.registry": "core.finality ingest_normalized_pipeline destinations tables <landing>",
    r"core\.load": f"core destinations {BASE}",
    r"core\.planning": f"core.registry core.finality core.landing destinations {BASE}",
    r"core\.shrinking": "core.partition tables.raw_tables",
    r"core\.packages": "destinations core.partition",
    r"ingest_normalized_pipeline": "destinations tables <landing>",
    r"core(\..+)?": "core.partition core.digests core.months",
    r"destinations\.filesystem\..+": "destinations.filesystem <shared> <local> tables",
    r"destinations\.clickhouse\..+": "destinations.clickhouse <shared> <local> clickhouse tables",
    r"destinations\.(handover|older)": "<shared> core.partition",
    r"destinations(\..+)?": "core.partition tables.raw_tables",
    r"clickhouse\.server(\..+)?": "clickhouse.server core.partition",
    r"clickhouse(\..+)?": "clickhouse core.partition core.digests tables",
    r"tables\.categories": "tables core.partition",  # the configured ones, for both twins
    r"tables(\..+)?": "tables",
    r"providers\.(?P<name>\w+)\.doctor": f"<name>_pipeline providers.<name> core.findings {BASE}",
    r"providers\.gcp\.settings": "providers.gcp providers.github bigquery <landing>",
    r"providers\.(?P<name>\w+)(\..+)?": (
        "providers.<name> buckets bigquery normalize <landing> core.ahead tables"
    ),
    r"(?P<name>\w+)_pipeline": "providers.<name> buckets <landing> tables",
    r"bigquery(\..+)?": "bigquery core.partition core.ahead core.text",
    r"buckets(\..+)?": "buckets core.partition",
    r"providers": "",
    r"": "",
}
SHORT = {
    "<shared>": "destinations.layout destinations.failures destinations.handover "
    "destinations.older destinations.resolving destinations.retention",
    "<local>": "core.partition core.finality core.lock core.workdir",
    "<landing>": "core.partition core.landing core.finality core.digests core.months",
}

# What may come from third parties. A module that fits no row may import what it likes.
ARROW = "numpy pyarrow"
THIRD_PARTIES: dict[str, str] = {
    r"core\.partition": "",
    r"tables\.categories": "dlt",
    r"tables(\..+)?": "pyarrow",
    r"normalize\.run": f"{ARROW} dlt",
    r"normalize(\..+)?": f"{ARROW} pandas",
    r"providers\.\w+\.(normalize|focus|money|lists|names)": f"{ARROW} pandas",
    **{
        rf"{each.module}|providers\.{source_name}(\..+)?": " ".join([ARROW, "dlt", *each.packages])
        for source_name, each in SOURCES.items()
    },
}


def modules(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """Dotted name and path of every module of a folder, a package under its folder's name."""
    for path in sorted((root / folder).rglob("*.py")):
        names = path.relative_to(root).with_suffix("").parts
        yield ".".join(names[:-1] if names[-1] == "__init__" else names), path


def nodes(path: Path) -> Iterator[ast.AST]:
    """Every node of a file's syntax tree."""
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def imports(path: Path, root: Path) -> Iterator[str]:
    """Dotted names that a file imports; `from package import module` gives the module."""
    for node in nodes(path):
        yield from _imported(node, root)
        if isinstance(node, ast.Call) and _name(node.func).endswith("import_module"):
            constants = (each.value for each in node.args if isinstance(each, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


def _imported(node: ast.AST, root: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = "." * node.level + (node.module or "")
        folder = root.joinpath(*origin.split("."))
        for alias in node.names:
            inside = folder / alias.name
            is_module = inside.is_dir() or inside.with_suffix(".py").is_file()
            yield f"{origin}.{alias.name}" if is_module else origin


def _name(node: ast.expr) -> str:
    """`os.environ` for the expression os.environ, "" for an expression of another kind."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden_imports(root: Path) -> list[str]:
    """Every import against the arrows, as "module imports what"."""
    found = []
    for module, path in modules(root, "pipelines"):
        name = module.removeprefix("pipelines").lstrip(".")
        targets = sorted(set(imports(path, root)))
        found += [f"{module} imports {each}" for each in targets if not _allowed(name, each)]
    scripts = [
        m for m, path in modules(root, "scripts") if "pipelines.cli.main" in imports(path, root)
    ]
    return found + [f"{module} imports pipelines.cli.main" for module in scripts]


def _allowed(module: str, target: str) -> bool:
    package, _, rest = target.partition(".")
    if package == "pipelines":
        return not rest or _fits(rest, _row(ARROWS, module) or "")
    if package in {"scripts", "tests", ""}:
        return False
    others = _row(THIRD_PARTIES, module)
    return others is None or package in sys.stdlib_module_names or package in others.split()


def _row(rows: Mapping[str, str], module: str) -> str | None:
    """The row of a module, its <names> replaced; None without one."""
    for pattern, row in rows.items():
        if match := re.fullmatch(pattern, module):
            for short, names in SHORT.items():
                row = row.replace(short, names)
            source_name = match.groupdict().get("name") or ""
            source_name = {stem: each for each, stem in STEMS.items()}.get(source_name, source_name)
            row = row.replace("providers.<name>", f"providers.{source_name}")
            return row.replace("<name>_pipeline", f"{STEMS.get(source_name, source_name)}_pipeline")
    return None


def _fits(target: str, row: str) -> bool:
    return any(f"{target}.".startswith(f"{name}.") for name in row.split())


def circles(root: Path) -> list[str]:
    """Modules that import each other at their top, in the order in which they do."""
    paths = {
        name: path for top in ("pipelines", "scripts", "tests") for name, path in modules(root, top)
    }
    graph = {name: sorted(_at_top(path, root) & paths.keys()) for name, path in paths.items()}
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append(" → ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in graph[name]:
                visit(target, [*trail, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    return found


def _at_top(path: Path, root: Path) -> set[str]:
    """What a module imports when it is imported, or for its types."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    conditional = [each for node in body if isinstance(node, ast.If) for each in node.body]
    return {name for node in [*body, *conditional] for name in _imported(node, root)}


def forbidden_uses(root: Path) -> list[str]:
    """Every print, environment variable and exit outside the commands: "module:line uses what"."""
    environment = {"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"}
    outside = environment | {"print", "input", "sys.exit", "exit", "quit"}
    return sorted(
        f"{module}:{line} uses {name}"
        for module, path in modules(root, "pipelines")
        if not re.fullmatch(r"pipelines\.(__main__|cli(\..+)?)", module)
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


def outgrown(root: Path) -> list[str]:
    """Every module and script of more than LINES lines, every folder of more than MODULES."""
    sizes = {}
    for path in [*(root / "pipelines").rglob("*.py"), *(root / "scripts").rglob("*.py")]:
        count = len(path.read_text(encoding="utf-8").splitlines())
        sizes[path.relative_to(root)] = (count, LINES, "lines")
    for top in ("pipelines", "scripts", "tests"):
        for folder in (root / top, *(each for each in (root / top).rglob("*") if each.is_dir())):
            count = sum(path.name != "__init__.py" for path in folder.glob("*.py"))
            sizes[folder.relative_to(root)] = (count, MODULES, "modules")
    large = sorted((path, n, of) for path, (n, limit, of) in sizes.items() if n > limit)
    return [f"{path}: {n} {of}" for path, n, of in large]


def path_changes(root: Path) -> list[str]:
    """Every script that changes where Python looks for modules."""
    return [
        module
        for module, path in modules(root, "scripts")
        if any(
            isinstance(node, ast.Attribute) and _name(node) == "sys.path" for node in nodes(path)
        )
    ]


def missing_parts(source_name: str, root: Path) -> list[str]:
    """What the source `source_name` lacks, each part by its path; empty when it is whole."""
    parts = {
        f"pipelines/{STEMS.get(source_name, source_name)}_pipeline.py": [],
        f"pipelines/providers/{source_name}/source.toml": [],
        f"pipelines/providers/{source_name}/normalize.py": [],
        f"pipelines/providers/{source_name}/doctor.py": [],
        f"tests/{source_name}/test_{source_name}.py": [
            f"tests/{source_name}/test_{source_name}_*.py"
        ],
        f"tests/data/{source_name}/": [f"scripts/sandbox/{source_name}/*.py"],
    }
    if (root / "sql/00_database.sql").is_file():
        parts[f"sql/2?_{source_name}.sql"] = [f"sql/1?_{source_name}_*.sql"]
    missing = [
        name
        for name, others in parts.items()
        if not any(True for pattern in [name, *others] for _ in root.glob(pattern.rstrip("/")))
    ]
    config = tomllib.loads((root / ".dlt/config.toml").read_text(encoding="utf-8"))
    if source_name not in config.get("sources", {}):
        missing.append(f"[sources.{source_name}] in .dlt/config.toml")
    return missing


def unregistered(words: set[str], root: Path) -> list[str]:
    """Source modules that no source of the registry stands for."""
    stems = {path.stem for path in (root / "pipelines").glob("*_pipeline.py")} - OPTIONS
    return sorted(
        stems - {f"{STEMS.get(source_name, source_name)}_pipeline" for source_name in words}
    )


def private_names(root: Path) -> list[str]:
    """Where the package defines one of PRIVATE: a class, a function or a constant."""
    return [
        f"{path.relative_to(root).as_posix()}: {name}"
        for path in sorted((root / "pipelines").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for name in _defined(node)
        if name in PRIVATE
    ]


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def test_imports_follow_the_arrows() -> None:
    assert forbidden_imports(ROOT) == []


def test_no_module_defines_a_private_name() -> None:
    assert private_names(ROOT) == []


def test_no_modules_import_each_other() -> None:
    assert circles(ROOT) == []


def test_only_the_commands_print_exit_and_read_the_environment() -> None:
    assert forbidden_uses(ROOT) == []


def test_no_module_and_no_folder_is_too_large() -> None:
    assert outgrown(ROOT) == []


def test_no_script_changes_where_modules_are_found() -> None:
    assert path_changes(ROOT) == []


@pytest.mark.parametrize("source_name", sorted(SOURCES))
def test_a_source_is_whole(source_name: str) -> None:
    assert missing_parts(source_name, ROOT) == []


def test_every_source_module_is_in_the_registry() -> None:
    assert unregistered(set(SOURCES), ROOT) == []


# Each rule above, shown to fail on a tree that breaks it.


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("core/load.py", "import pipelines.cli.main", "pipelines.cli.main"),
        ("core/load.py", "from pipelines.cli import main", "pipelines.cli"),
        ("core/load.py", "import pipelines.providers.aws.bucket", "pipelines.providers.aws.bucket"),
        ("core/load.py", "import tests.conftest", "tests.conftest"),
        ("core/lock.py", "import pipelines.core.load", "pipelines.core.load"),
        ("core/partition.py", "import pipelines.core.lock", "pipelines.core.lock"),
        ("core/partition.py", "import pandas", "pandas"),
        (
            "core/text.py",
            "import importlib as i\ni.import_module('pipelines.marts')",
            "pipelines.marts",
        ),
        ("aws_pipeline.py", "from scripts import x", "scripts"),
        ("aws_pipeline.py", "import pipelines.core.load", "pipelines.core.load"),
        (
            "aws_pipeline.py",
            "def f():\n    from pipelines.destinations import layout",
            "pipelines.destinations",
        ),
        ("aws_pipeline.py", "import stripe", "stripe"),
        (
            "google_bq_incremental_pipeline.py",
            "import pipelines.providers.aws.bucket",
            "pipelines.providers.aws.bucket",
        ),
        ("providers/aws/bucket.py", "import pipelines.core.load", "pipelines.core.load"),
        ("providers/aws/bucket.py", "import pipelines.providers.gcp", "pipelines.providers.gcp"),
        ("providers/aws/bucket.py", "from .. import gcp", ".."),
        ("providers/aws/bucket.py", "import pipelines.aws_pipeline", "pipelines.aws_pipeline"),
        ("providers/aws/doctor.py", "import pipelines.fx_pipeline", "pipelines.fx_pipeline"),
        ("providers/aws/normalize.py", "import dlt", "dlt"),
        ("normalize/columns.py", "import duckdb.typing", "duckdb.typing"),
        ("normalize/tags.py", "import pipelines.providers.aws", "pipelines.providers.aws"),
        ("normalize/run.py", "import pipelines.core.load", "pipelines.core.load"),
        (
            "destinations/filesystem/store.py",
            "import pipelines.clickhouse.server.manager",
            "pipelines.clickhouse.server.manager",
        ),
        (
            "destinations/clickhouse/staging.py",
            "import pipelines.destinations.filesystem.store",
            "pipelines.destinations.filesystem.store",
        ),
        (
            "clickhouse/schema/migrate.py",
            "import pipelines.destinations.layout",
            "pipelines.destinations.layout",
        ),
        (
            "clickhouse/server/lease.py",
            "import pipelines.clickhouse.schema.statements",
            "pipelines.clickhouse.schema.statements",
        ),
        ("tables/schema.py", "import pipelines.core.partition", "pipelines.core.partition"),
        ("marts/checks.py", "import pipelines.report.page", "pipelines.report.page"),
        ("surprise.py", "import pipelines.core.partition", "pipelines.core.partition"),
    ],
)
def test_an_import_against_the_arrows_is_named(
    name: str, source: str, target: str, tmp_path: Path
) -> None:
    write(tmp_path, {f"pipelines/{name}": source})
    module = name.removesuffix(".py").replace("/", ".")
    assert forbidden_imports(tmp_path) == [f"pipelines.{module} imports {target}"]


def test_imports_along_the_arrows_pass(tmp_path: Path) -> None:
    files = {
        "__main__.py": "from pipelines import __version__\nfrom pipelines.cli.main import main",
        "cli/main.py": "import pipelines.core.load, pipelines.normalize.run, rich",
        "core/load.py": "import dlt\nimport pipelines.core.partition, pipelines.core.registry",
        "core/registry.py": "import pipelines.ingest_normalized_pipeline",
        "aws_pipeline.py": "import dlt, boto3\nimport pipelines.providers.aws.bucket",
        "providers/aws/bucket.py": "from pipelines.core.partition import UserError",
        "providers/gcp/doctor.py": "import pipelines.google_bq_incremental_pipeline",
        "google_bq_incremental_pipeline.py": "import pipelines.providers.gcp.days, google.cloud",
        "normalize/run.py": "import pipelines.destinations.filesystem.store",
        "providers/aws/normalize.py": "import pandas, pyarrow, pipelines.normalize.columns",
        "tables/schema.py": "from __future__ import annotations",
        "destinations/filesystem/store.py": "from pipelines.tables.schema import COSTS",
        "clickhouse/server/config.py": "from pipelines.core.partition import ConfigurationError",
        "core/partition.py": "import json",
    }
    write(tmp_path, {f"pipelines/{name}": text for name, text in files.items()})
    assert forbidden_imports(tmp_path) == []


def test_a_script_that_imports_the_command_line_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"scripts/demo/world.py": "import pipelines.cli.main"})
    assert forbidden_imports(tmp_path) == ["scripts.demo.world imports pipelines.cli.main"]


def test_modules_that_import_each_other_are_named(tmp_path: Path) -> None:
    files = {
        "pipelines/a.py": "from pipelines import b",
        "pipelines/b.py": "import typing\nif typing.TYPE_CHECKING:\n    from pipelines.c import x",
        "pipelines/c.py": "import pipelines.a",
        "scripts/d.py": "def f():\n    import scripts.e",  # only when it is called
        "scripts/e.py": "import scripts.d",
    }
    assert circles(write(tmp_path, files)) == [
        "pipelines.a → pipelines.b → pipelines.c → pipelines.a"
    ]


def test_a_private_name_is_named(tmp_path: Path) -> None:
    files = {
        "core/registry.py": "class Word: ...\nNAME: str = 'Word'",
        "tables/sources.py": "WORDS: tuple[str, ...] = ()",
        "tables/raw_tables.py": "from pipelines.core import WORDS\nRAW_TABLES = {}",
    }
    write(tmp_path, {f"pipelines/{name}": text for name, text in files.items()})
    assert private_names(tmp_path) == [
        "pipelines/core/registry.py: Word",
        "pipelines/tables/sources.py: WORDS",
    ]


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
    names = ("core/load.py", "__main__.py", "cli/main.py")
    write(tmp_path, {f"pipelines/{name}": source for name in names})
    line = len(source.splitlines())
    assert forbidden_uses(tmp_path) == [f"pipelines.core.load:{line} uses {use}"]


def test_what_outgrew_its_noun_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"pipelines/a.py": "x = 1\n" * LINES, "scripts/b.py": "x = 1\n" * (LINES + 1)})
    write(tmp_path, {f"tests/aws/{number}.py": "" for number in range(MODULES)})
    write(tmp_path, {f"tests/gcp/deep/{number}.py": "" for number in range(MODULES + 1)})
    write(tmp_path, {"tests/aws/__init__.py": ""})
    assert outgrown(tmp_path) == ["scripts/b.py: 301 lines", "tests/gcp/deep: 16 modules"]


def test_a_script_that_changes_the_path_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"scripts/demo/world.py": "import sys\nsys.path.insert(0, '.')"})
    assert path_changes(tmp_path) == ["scripts.demo.world"]


def test_a_half_added_source_is_told_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path, {".dlt/config.toml": "[sources.aws]\n"})
    assert missing_parts("moon", tmp_path) == [
        "pipelines/moon_pipeline.py",
        "pipelines/providers/moon/source.toml",
        "pipelines/providers/moon/normalize.py",
        "pipelines/providers/moon/doctor.py",
        "tests/moon/test_moon.py",
        "tests/data/moon/",
        "[sources.moon] in .dlt/config.toml",
    ]
    write(
        tmp_path,
        {
            "pipelines/moon_pipeline.py": "",
            "pipelines/providers/moon/source.toml": "",
            "pipelines/providers/moon/doctor.py": "",
            "tests/moon/test_moon_phases.py": "",
            "scripts/sandbox/moon/server.py": "",
            "sql/00_database.sql": "",
            ".dlt/config.toml": "[sources.moon]\n",
        },
    )
    lacking = ["pipelines/providers/moon/normalize.py", "sql/2?_moon.sql"]
    assert missing_parts("moon", tmp_path) == lacking
    write(tmp_path, {"pipelines/providers/moon/normalize.py": "", "sql/24_moon.sql": ""})
    assert missing_parts("moon", tmp_path) == []


def test_a_source_that_is_not_registered_is_named(tmp_path: Path) -> None:
    names = ["aws", "moon", "google_bq_incremental", "ingest_normalized"]
    write(tmp_path, {f"pipelines/{name}_pipeline.py": "" for name in names})
    assert unregistered({"aws", "gcp"}, tmp_path) == ["moon_pipeline"]

"""The documents, the Makefile, the configuration and the command line say the same.

Each rule is a function from text to a list of offences; it is run on the real files, and on a text
that breaks it, so that no rule can pass by reading nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipelines.cli.main import parser
from pipelines.clickhouse.schema.statements import statements
from pipelines.clickhouse.server.configuration.origins import SETTINGS
from pipelines.tables.ddl import tables
from pipelines.tables.sources import SOURCE_NAMES
from scripts.docs import clickhouse_tables, command_reference
from scripts.docs.command_reference import targets

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = [
    "AGENTS.md",
    "CHANGELOG.md",
    "CLAUDE.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs/decisions.md",
]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("skills/**/*.md")],
)

#: The start of an absolute path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.~$-])/(?:root|work|home/[a-z]+|Users/[A-Za-z]+)/")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of every text file of ours that git tracks or would add.

    Without git, of all; the samples of other projects in tests/data are never among them.
    """
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listing = [git, "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"]
        names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
        paths = [ROOT / name for name in names.split("\0") if name]
    else:
        hidden = re.compile(r"/\.(venv|clickhouse|\w+_cache)/|/__pycache__/|/viz_rill/data/")
        paths = [path for path in ROOT.rglob("*") if not hidden.search(path.as_posix())]
    for path in paths:
        if path.is_relative_to(ROOT / "tests" / "data"):
            continue
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield path.relative_to(ROOT).as_posix(), content.decode("utf-8")


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command in a document: lines of code blocks and code in a sentence."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in lines + re.findall(r"`([^`\n]+)`", prose):
        for part in re.split(r"&&|\|\||;|\|", re.sub(r"\s#.*", "", line)):
            words = part.strip().removeprefix("$ ").split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words:
                yield words


def unknown_targets(text: str, known: Iterable[str]) -> list[str]:
    """Every `make x` of which the Makefile knows nothing."""
    named = {
        word
        for words in commands(text)
        if words[0] == "make"
        for word in words[1:]
        if re.fullmatch(r"[a-z][\w-]*", word)
    }
    return sorted(named - set(known))


def subcommands(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name and parser of every command."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def unknown_commands(text: str, main: argparse.ArgumentParser) -> list[str]:
    """Every `python -m pipelines x --y` of which the command line knows nothing."""
    found = []
    for words in commands(text):
        if words[1:3] != ["-m", "pipelines"] or "python" not in words[0]:
            continue
        rest = [word.strip("[]") for word in words[3:]]
        command = next((word for word in rest if not word.startswith("-")), None)
        if command is not None and command not in subcommands(main):
            found.append(command)
            continue
        one = subcommands(main)[command] if command else main
        options = [word.partition("=")[0] for word in rest if word.startswith("-")]
        found += [f"{command} {o}" for o in options if o not in one._option_string_actions]
    return found


def unexplained_keys(config: str) -> list[str]:
    """Every key, commented out or not, without a comment above it that names its default and its
    environment variable."""
    section, comment, found = "", "", []
    for line in config.splitlines():
        if match := re.fullmatch(r"\[([\w.]+)\]", line):
            section, comment = match[1], ""
        elif match := re.match(r"(?:# )?(\w+) = ", line):
            variable = "__".join([*section.split("."), match[1]]).upper()
            if not re.search(rf"\b{variable}\b", comment) or "default:" not in comment.lower():
                found.append(f"{section}.{match[1]}")
            comment = ""
        elif line.startswith("#"):
            comment += line
        else:
            comment = ""
    return found


def undescribed_dependencies(project: str) -> list[str]:
    """Every requirement of pyproject.toml without a reason behind it or in the line above."""
    lines = project[: project.index("[tool.")].splitlines()
    entry = re.compile(r'\s+"([A-Za-z][^"]*)",(\s+# \S.*)?')
    found = []
    for before, line in zip(["", *lines], lines, strict=False):
        match = entry.fullmatch(line)
        if match and not match[2] and not before.strip().startswith("#"):
            found.append(match[1])
    return found


def unlocked(project: str, lock: str) -> list[str]:
    """Every requirement of pyproject.toml that requirements.lock does not meet."""
    project_table = tomllib.loads(project)
    wanted = project_table["project"]["dependencies"] + project_table["dependency-groups"]["dev"]
    pins: dict[str, str] = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.MULTILINE))
    parsed = [Requirement(each) for each in wanted]
    return [str(r) for r in parsed if not r.specifier.contains(pins.get(r.name, "0"))]


def anchors(text: str) -> set[str]:
    """The fragments that a document's headings make."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in headings}


def broken_links(text: str, document: Path) -> list[str]:
    """Every link to a file or heading that does not exist, and every path in code that is none."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = document.parent / path if path else document
        content = text if file == document else ""
        if path.endswith(".md") and file.is_file():
            content = file.read_text(encoding="utf-8")
        if not file.exists() or (anchor and anchor not in anchors(content)):
            found.append(link)
    paths = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sql|sh|csv))`", text)
    places = (document.parent, ROOT)
    return found + [p for p in paths if not any((place / p).exists() for place in places)]


def download_addresses(lock: str) -> list[str]:
    """Every line of a lock file that says where packages come from: the installer decides that."""
    option = re.compile(r"\s*(-i|-f|--(extra-)?index-url|--find-links)\b")
    return [line for line in lock.splitlines() if "://" in line or option.match(line)]


def test_every_required_document_is_there() -> None:
    assert [name for name in REQUIRED if not (ROOT / name).is_file()] == []


def test_the_readme_fits_150_lines() -> None:
    assert len(read("README.md").splitlines()) <= 150


def test_contributing_stays_under_130_lines() -> None:
    assert len(read("CONTRIBUTING.md").splitlines()) < 130


def test_claude_md_leads_to_agents_md() -> None:
    assert "(AGENTS.md)" in read("CLAUDE.md")


def test_every_decision_has_its_reason_and_a_heading_of_its_own() -> None:
    assert bare_decisions(read("docs/decisions.md")) == []


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    found = releases(read("CHANGELOG.md"))
    assert found[0] == project["version"]
    assert found[-1] == "0.1.0"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_name_only_targets_that_make_has(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert unknown_targets(text, targets(read("Makefile"), SOURCE_NAMES)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_name_only_commands_and_options_that_exist(document: Path) -> None:
    assert unknown_commands(document.read_text(encoding="utf-8"), parser()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_paths_in_documents_lead_somewhere(document: Path) -> None:
    assert broken_links(document.read_text(encoding="utf-8"), document) == []


def bare_decisions(text: str) -> list[str]:
    """Every decision that says nothing but its heading, or shares it with another."""
    sections = re.findall(r"^### (.+)\n((?:(?!##).*\n?)*)", text, re.MULTILINE)
    names = [name for name, _ in sections]
    assert names
    return [name for name, why in sections if len(why.split()) < 15 or names.count(name) > 1]


def releases(text: str) -> list[str]:
    """The versions of a changelog, newest first. Only the first may be without a date."""
    heading = re.compile(r"(\d+\.\d+\.\d+) \((unreleased|\d{4}-\d{2}-\d{2})\)")
    found = [heading.fullmatch(each) for each in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    assert all(found), text
    dates = [each[2] for each in found if each]
    assert "unreleased" not in dates[1:]
    return [each[1] for each in found if each]


def everything() -> str:
    """Every document, one after the other."""
    return "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)


def undocumented_commands(text: str, main: argparse.ArgumentParser) -> list[str]:
    """Every command, and every option of one, that no line of the table of commands names."""
    lines = {
        match[1]: match[0]
        for match in re.finditer(r"^\| `python -m pipelines (\w+)` \|.*$", text, re.MULTILINE)
    }
    found = []
    for name, command in subcommands(main).items():
        if name not in lines:
            found.append(name)
            continue
        said = set(re.findall(r"--[\w-]+", lines[name])) | {"--help", "--debug"}
        options = {o for o in command._option_string_actions if o.startswith("--")}
        found += [f"{name} {option}" for option in sorted(options ^ said)]
    return found


def undocumented_targets(text: str, known: Iterable[str]) -> list[str]:
    """Every target that no document names as `make x`."""
    named = {word for words in commands(text) if words[0] == "make" for word in words[1:]}
    return sorted(set(known) - named)


def variables_in_use() -> set[str]:
    """The environment variables that the project's own code reads by name."""
    found: set[str] = set()
    reading = re.compile(r"environ(?:\.get\(|\[)\s*f?\"([A-Z][A-Z0-9_]+)[\"{]")
    for path, text in texts():
        if path.startswith(("pipelines/", "scripts/", "tests/support/clickhouse/fixtures")):
            found.update(reading.findall(text))
    found.update(setting.variable for setting in SETTINGS.values())
    found.update(re.findall(r"^(ETL_\w+) ", read("pipelines/cli/nightly.py"), re.MULTILINE))
    others = {"TZ", "GITHUB_OUTPUT"}  # the system's, and GitHub's
    return {name for name in found - others if not name.endswith("_")}


def undocumented_variables(text: str, used: Iterable[str]) -> list[str]:
    """Every variable that neither a document nor a template of the configuration names."""
    return sorted(name for name in used if not re.search(rf"\b{name}\b", text))


def variables_that_are_gone(text: str, source: str) -> list[str]:
    """Every `VARIABLE` of a document that stands nowhere in the project's code or templates."""
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+)(?:=[^`]*)?`", text))
    known = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+\b", source))
    begun = tuple(re.findall(r"\b(TEST_[A-Z_]+_)\{", source))  # put together by an f-string
    shown = {n for n in named if "__" in n and n.split("__")[0] in {"DESTINATION", "SOURCES"}}
    return sorted(name for name in named - known - shown if not name.startswith(begun or ("0",)))


def tables_in_sql() -> set[str]:
    """Every table and view that readers may meet in ClickHouse, by the statements of sql/."""
    return {s.name for s in statements("dlt", ()) if s.kind in ("table", "view")}


def undocumented_tables(text: str, known: Iterable[str]) -> list[str]:
    """Every table that no document names as code or in a heading."""
    named = set(re.findall(r"`(\w+)`", text))
    for heading in re.findall(r"^## (.+)$", text, re.MULTILINE):
        named.update(re.split(r",\s*", heading))
    return sorted(set(known) - named)


def test_every_command_and_option_is_documented() -> None:
    assert undocumented_commands(read("docs/commands.md"), parser()) == []


def test_every_target_is_documented() -> None:
    assert undocumented_targets(everything(), targets(read("Makefile"), ["<source>"])) == []
    assert read("docs/commands.md") == command_reference.page()


def test_every_variable_is_documented_and_none_that_is_gone() -> None:
    templates = "".join(
        read(name) for name in (".env.cloud", ".dlt/config.toml", ".dlt/secrets.toml.example")
    )
    used = variables_in_use()
    assert {"DLT_DESTINATION", "ETL_WORDS", "CLICKHOUSE_HOST"} <= used
    assert undocumented_variables(everything() + templates, used) == []
    code = "\n".join(text for path, text in texts() if not path.endswith(".md"))
    assert variables_that_are_gone(everything(), code) == []


def test_every_table_is_documented_and_none_that_is_gone() -> None:
    declared = set(tables(()))
    assert declared <= tables_in_sql()
    assert undocumented_tables(everything(), tables_in_sql()) == []
    headings = re.findall(r"^## (.+)$", read("docs/columns.md"), re.MULTILINE)
    assert {name for heading in headings for name in heading.split(", ")} == declared
    listed = read("CLICKHOUSE_SETUP.md").partition("| in database `dlt` |")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in listed.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", "".join(first))) - tables_in_sql() == set()
    assert read("CLICKHOUSE_SETUP.md") == clickhouse_tables.page()


def test_messages_and_comments_name_only_targets_that_make_has() -> None:
    known = targets(read("Makefile"), SOURCE_NAMES)
    quoted = re.compile(r"(`)?make ([a-z]+(?:-[a-z]+)+|[a-z]+(?=`))")
    named = {
        (path, match[2])
        for path, text in texts()
        if path != "tests/docs/test_docs.py" and not path.endswith(".md")
        for match in quoted.finditer(text)
        if match[1] or "-" in match[2]
    }
    assert sorted((path, name) for path, name in named if name not in known) == []


def test_every_target_says_what_it_does() -> None:
    found = targets(read("Makefile"), SOURCE_NAMES)
    assert "install" in found
    assert [name for name, comment in found.items() if not comment] == []


def test_every_target_is_phony() -> None:
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", read("Makefile"), re.MULTILINE)
    assert phony is not None
    named = re.sub(r"\$\(sources:%=(\S+)\)", r"\1", phony[1].replace("\\", "")).split()
    assert sorted(named) == sorted(targets(read("Makefile"), ["%"]))


def test_every_script_of_the_makefile_exists() -> None:
    files = set(re.findall(r"\bscripts/\w+\.sh", read("Makefile")))
    modules = set(re.findall(r"-m (scripts\.\w+)", read("Makefile")))
    assert "scripts/install.sh" in files
    assert {"scripts.demo", "scripts.report"} <= modules
    assert sorted(name for name in files if not (ROOT / name).is_file()) == []
    assert sorted(name for name in modules if find_spec(name) is None) == []


def test_every_key_of_the_configuration_is_explained() -> None:
    config = read(".dlt/config.toml")
    assert tomllib.loads(config)["destination"]["filesystem"] == {"bucket_url": "viz_rill/data"}
    assert unexplained_keys(config) == []


def test_the_secrets_template_holds_no_secret() -> None:
    template = tomllib.loads(read(".dlt/secrets.toml.example"))
    aws = template["sources"]["aws"]["credentials"]
    clickhouse = template["destination"]["clickhouse"]["credentials"]
    assert aws == {
        "aws_access_key_id": "<access key id>",
        "aws_secret_access_key": "<secret access key>",
        "region_name": "eu-central-1",
    }
    assert (clickhouse["host"], clickhouse["password"]) == ("<host>", "<password>")


def test_every_dependency_has_its_reason() -> None:
    assert undescribed_dependencies(read("pyproject.toml")) == []


def test_the_lock_meets_the_project() -> None:
    assert unlocked(read("pyproject.toml"), read("requirements.lock")) == []


def test_the_lock_holds_no_download_address() -> None:
    assert download_addresses(read("requirements.lock")) == []


def test_no_file_names_a_path_of_a_machine() -> None:
    found = {path: MACHINE_PATH.findall(text) for path, text in texts()}
    assert "pyproject.toml" in found
    assert {path: names for path, names in found.items() if names} == {}


# Each rule above, shown to fail on a text that breaks it.

BLOCK = "```bash\nA=1 make demo   # make nothing\n$ make lint tset ARGS=x && make bnech\n```\n"


def test_commands_are_read_from_blocks_and_from_sentences() -> None:
    assert list(commands(f"{BLOCK}Then `make x | less`, and make sure that it worked.")) == [
        ["make", "demo"],
        ["make", "lint", "tset", "ARGS=x"],
        ["make", "bnech"],
        ["make", "x"],
        ["less"],
    ]


def test_a_target_that_make_does_not_have_is_named() -> None:
    assert unknown_targets(BLOCK, ["demo", "lint"]) == ["bnech", "tset"]


def test_a_command_or_option_that_is_not_documented_is_named() -> None:
    table = "| `python -m pipelines check` | runs | `--destination`, `--gone` |"
    found = undocumented_commands(table, parser())
    assert found.count("check --gone") == 1
    assert {"load", "prune"} <= set(found)
    assert "check" not in found


def test_a_target_that_is_not_documented_is_named() -> None:
    assert undocumented_targets(BLOCK, ["demo", "lint", "hidden"]) == ["hidden"]


def test_a_variable_that_is_not_documented_or_gone_is_named() -> None:
    assert undocumented_variables("`A_B`", ["A_B", "A_C"]) == ["A_C"]
    assert variables_that_are_gone("`A_B=1` and `OLD_NAME`", 'x = environ["A_B"]') == ["OLD_NAME"]


def test_a_table_that_is_not_documented_is_named() -> None:
    assert undocumented_tables("## a, b\n`c`", ["a", "b", "c", "d"]) == ["d"]


def test_a_decision_without_a_reason_or_with_the_heading_of_another_is_named() -> None:
    why = "Because " + "of this and that " * 5
    text = (
        f"# D\n## A\n### One\n\n{why}\n\n### Two\n\nSo.\n## B\n### Three\n{why}\n### Three\n{why}\n"
    )
    assert bare_decisions(text) == ["Two", "Three", "Three"]


@pytest.mark.parametrize("heading", ["Unreleased", "0.2.0", "0.2 (unreleased)", "0.2.0 (2026-1-1)"])
def test_a_release_without_a_version_or_a_date_is_named(heading: str) -> None:
    with pytest.raises(AssertionError):
        releases(f"# C\n\n## {heading}\n")


def test_only_the_newest_release_may_be_unreleased() -> None:
    assert releases("## 0.2.0 (unreleased)\n## 0.1.0 (2026-11-28)\n") == ["0.2.0", "0.1.0"]
    with pytest.raises(AssertionError):
        releases("## 0.2.0 (2026-12-01)\n## 0.1.0 (unreleased)\n")


def test_targets_are_read_with_their_comments() -> None:
    makefile = "a := x\n.PHONY: b\nb: c ## Do b\n\techo\nc-d: b\n"
    assert targets(makefile, ["aws"]) == {"b": "Do b", "c-d": ""}


def test_a_rule_for_every_source_is_a_target_of_each() -> None:
    makefile = "$(sources:%=run-%-x): run-%-x: c ## Run %\n\techo $*\n"
    assert targets(makefile, ["aws", "moon"]) == {"run-aws-x": "Run aws", "run-moon-x": "Run moon"}


def test_make_help_prints_every_target_of_every_source() -> None:
    ran = subprocess.run(
        ["make", "-C", str(ROOT), "help"], check=True, capture_output=True, text=True
    )
    printed = re.findall(r"^  (\S+) +(\S.*)$", ran.stdout, re.MULTILINE)
    assert dict(printed) == targets(read("Makefile"), SOURCE_NAMES)


@pytest.mark.parametrize(
    ("line", "offences"),
    [
        ("python -m pipelines load aws --from 2026-01 --force", []),
        (".venv/bin/python -m pipelines load [SOURCE …] [--dry-run]", []),
        ("python -m pipelines --help", []),
        ("python -m pipelines explode", ["explode"]),
        ("DLT_DESTINATION=filesystem python -m pipelines load --fast=1", ["load --fast"]),
    ],
)
def test_a_command_or_option_that_does_not_exist_is_named(line: str, offences: list[str]) -> None:
    assert unknown_commands(f"```\n{line}\n```", parser()) == offences


@pytest.mark.parametrize(
    ("config", "offences"),
    [
        ("[a.b]\n# What. Default: 1. A__B__C\nc = 1\n", []),
        ("[a.b]\n# What. Default: 1. A__B__C\n# c = 1\n", []),
        ("[a.b]\n# What. A__B__C\nc = 1\n", ["a.b.c"]),
        ("[a.b]\n# What. Default: 1. A__C\nc = 1\n", ["a.b.c"]),
        ("[a]\n# What. Default: 1. A__B\nb = 1\nc = 2\n", ["a.c"]),
        ("[a]\n# What. Default: 1. A__B\n\nb = 1\n", ["a.b"]),
    ],
)
def test_a_key_without_explanation_is_named(config: str, offences: list[str]) -> None:
    assert unexplained_keys(config) == offences


def test_a_dependency_without_reason_is_named() -> None:
    project = 'd = [\n    "a>=1",  # why\n    # why\n    "b>=1",\n    "c>=1",\n]\n[tool.x]\n'
    assert undescribed_dependencies(project) == ["c>=1"]


def test_a_requirement_that_the_lock_does_not_meet_is_named() -> None:
    project = '[project]\ndependencies = ["a>=2", "b"]\n[dependency-groups]\ndev = ["c==1"]\n'
    assert unlocked(project, "a==1.9 \\\nb==3 ; x\n") == ["a>=2", "c==1"]


def test_a_broken_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, really\n", encoding="utf-8")
    text = (
        "# Here\n[a](there.md) [b](there.md#a-heading-really) [c](#here) [d](https://example.com)\n"
        "[e](gone.md) [f](there.md#no) [g](#nowhere) `scripts/gone.py` `*/any.py`\n"
    )
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    offences = ["gone.md", "there.md#no", "#nowhere", "scripts/gone.py"]
    assert broken_links(text, tmp_path / "README.md") == offences


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://example.com/a-1-py3-none-any.whl",
        "--index-url=mirror",
        "--extra-index-url mirror",
        "-i mirror",
        "--find-links wheels",
    ],
)
def test_a_download_address_in_the_lock_is_named(line: str) -> None:
    assert download_addresses(f"a==1 \\\n    --hash=sha256:0\n{line}\n    # via b-i\n") == [line]


def test_a_machine_path_is_named_and_others_are_not() -> None:
    # the paths are put together here because this file is searched for them, too
    paths = ["/" + "root/x", "cd /" + "work/main", "file://" + "/home/" + "jo/x", "a/work/b"]
    assert [MACHINE_PATH.findall(path) for path in paths] == [
        ["/" + "root/"],
        ["/" + "work/"],
        ["/home/" + "jo/"],
        [],
    ]

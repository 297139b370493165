"""What a user reads is plain English: a short list of habits that read like another language.

The texts are documents, configuration, `--help`, column meanings, comments in SQL and the messages
of the package. Docstrings and code are not among them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from pipelines.cli.main import COMMANDS, parser
from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.shapes import published_tables
from pipelines.tables.sources import SOURCE_NAMES
from scripts.docs.command_reference import targets
from tests.docs.test_docs import DOCUMENTS, ROOT, read, subcommands

#: Each habit, and what to write instead.
HABITS = {
    r"(?<!there )\b(is|are) no\b(?! longer)": "is not a valid …, is not a …",
    r"\bso many\b": "how many, N",
    r"\black(s|ing)?\b": "is missing, does not have",
    r"\b(has|have) gone\b": "is missing, has disappeared",
    r"\bstands? (in|there|beside|above|below|for itself)\b": "is in",
    r"\bwhat is whose\b": "assigns … to …",
    r"\bof which\b": "name the noun",
    r"\b(doomed|reckons?|likewise|anew)\b": "a common word",
    r"\bit stays so\b|\bif it stays\b": "if that does not help, if it keeps failing",
    r"\bcould not be had\b|\bcan(not)? be had\b": "is missing, is not available",
    r"\b(have|Have) (the provider|AWS) deliver\b": "ask the provider to deliver",
}


def habits(text: str) -> list[str]:
    """Every place where the text has one of the habits, with what follows."""
    flat = re.sub(r"\s*\n(# |-- )?\s*", " ", text)
    return [
        f"{flat[max(found.start() - 20, 0) : found.end() + 20]!r}: write {instead}"
        for habit, instead in HABITS.items()
        for found in re.finditer(habit, flat)
    ]


def messages(source: str) -> Iterator[str]:
    """Every text of a module with three words or more, docstrings and SQL left out."""
    for node in ast.walk(ast.parse(source)):
        for child in ast.iter_child_nodes(node):
            if isinstance(node, (ast.Expr, ast.JoinedStr)):
                continue  # a docstring, or a part of a text
            if isinstance(child, ast.JoinedStr):
                parts = [p.value for p in child.values if isinstance(p, ast.Constant)]
                yield from _prose("…".join(str(part) for part in parts))
            elif isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield from _prose(child.value)


def _prose(text: str) -> Iterator[str]:
    if text.count(" ") >= 2 and not re.match(r"\s*(select|create|alter|insert|drop|with)\b", text):
        yield text


@cache
def texts() -> list[tuple[str, str]]:
    """Where each is, and the text."""
    return list(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    settings = (".dlt/config.toml", ".dlt/secrets.toml.example", ".env.cloud")
    for path in (*DOCUMENTS, ROOT / "viz_rill/README.md", *(ROOT / name for name in settings)):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    yield "make help", "\n".join(targets(read("Makefile"), SOURCE_NAMES).values())
    main = parser()
    for name, command in {"": main, **subcommands(main)}.items():
        yield f"{name} --help", command.format_help()
    yield "commands", "\n".join(help_text for _, help_text, _ in COMMANDS.values())
    for table, columns in {
        **published_tables(["Team"]),
        **{name: each.columns for name, each in RAW_LISTS.items()},
    }.items():
        for column in columns:
            yield f"{table}.{column.name}", column.meaning
    for path in sorted((ROOT / "sql").rglob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        yield path.name, "\n".join(re.findall(r"^-- .*|comment '(?:[^']|'')+'", sql, re.MULTILINE))
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        for text in messages(path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT).as_posix(), text


def test_what_a_user_reads_is_plain_english() -> None:
    found = [f"{where}: {habit}" for where, text in texts() for habit in habits(text)]
    assert found == []


def test_every_kind_of_text_is_read() -> None:
    places = {where for where, _ in texts()}
    wanted = {
        "README.md",
        "docs/rules.md",
        ".dlt/config.toml",
        "make help",
        "prune --help",
        "costs.billed_cost",
        "stripe__products.active",
        "20_aws.sql",
        "freshness.sql",
        "pipelines/cli/options.py",
    }
    assert wanted - places == set()


def test_each_habit_is_named() -> None:
    sample = (
        "'2026-1' is no partition. There is no rate, and it is no longer used. Remove months\n"
        "older than so many days. The file lacks a column; its key has gone. Its fields stand in"
        " the list, what is whose says products.csv, of which one counts. Loaded anew. Run again;"
        " if it stays so, have the provider deliver it. Some numbers cannot be had."
    )
    named = [habit.partition(": write ")[2] for habit in habits(sample)]
    assert list(dict.fromkeys(named)) == list(HABITS.values())
    assert habits("# older than so\n# many months") == [
        "'# older than so many months': write how many, N"
    ]
    module = '"""This lacks a noun."""\nraise ValueError(f"{name} lacks a {kind} here")\n'
    assert list(messages(module)) == [" lacks a … here"]

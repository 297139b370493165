"""The commands as a user types them, run in this process: status, what is printed, what is left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CHECKS = Path(__file__).resolve().parents[2] / "sql" / "checks"
#: The last line of `normalize --no-marts`.
LEFT = "marts: not computed; `python -m pipelines normalize` computes those that changed\n"


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


@dataclass
class Commands:
    """`commands("load", "--force")` runs `python -m pipelines load --force` in this process.

    `data` is the destination's folder; `set` configures by environment variables alone.
    """

    data: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    printed: list[str] = field(default_factory=list)

    def set(self, environ: Mapping[str, str]) -> None:
        """Configure what follows."""
        for name, value in environ.items():
            self.monkeypatch.setenv(name, value)

    def read_from(self, url: str) -> None:
        """The bucket that AWS delivers into."""
        self.set({"SOURCES__AWS__BUCKET_URL": url})

    def __call__(self, *arguments: str, marts: bool = False) -> Ran:
        """Run one command. What computes marts in ClickHouse leaves them out, unless `marts`."""
        from pipelines.cli.main import main  # dlt reads the environment, which is cleaned by now

        self.capsys.readouterr()
        if arguments[:1] and arguments[0] in ("load", "ingest", "migrate") and not marts:
            arguments = (*arguments, "--no-marts")
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse: --help and wrong usage
            status = int(ended.code or 0)
        captured = self.capsys.readouterr()
        self.printed += [captured.out, captured.err]
        return Ran(status, captured.out, captured.err)

    def well(self, *commands: str, marts: bool = False) -> None:
        """Run commands, each with its words and options, that have to end well.

        Those that compute marts leave them out, which take most of their time: say `marts=True`
        where something reads revenue, margin_daily, cost_overview and their like.
        """
        for command in commands:
            arguments = command.split()
            leaving = ["--no-marts"] if arguments[0] == "normalize" and not marts else []
            ran = self(*arguments, *leaving, marts=marts)
            assert ran.status == 0, (command, ran)

    def checked(self, *names: str, destination: str = "") -> str:
        """What `check` prints of these checks alone: all of them take seconds on ClickHouse."""
        others = [path.stem for path in CHECKS.glob("*.sql") if path.stem not in names]
        left_out = [f"--without={name}" for name in others]
        where = [f"--destination={destination}"] if destination else []
        ran = self("check", *where, *left_out)
        last = ran.out.splitlines()[-1]
        assert last.startswith(f"{len(names)} check"), ran
        assert (ran.status, ran.err) == (0 if last.endswith(" 0 failed") else 1, ""), ran
        return ran.out

    def named(self, check: str) -> list[list[str]]:
        """The cells of the rows that one check prints."""
        lines = [line for line in self.checked(check).splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]

    def normalised(self, *arguments: str) -> str:
        """What `normalize` says of partitions; it leaves out the marts that it computes."""
        return self("normalize", "--no-marts", *arguments).out.removesuffix(LEFT)

    def raw(self, partition: str) -> Path:
        """The folder of a raw partition."""
        return self.data / "aws_costs" / "cur" / f"billing_period={partition}"

    def delivery(self, partition: str) -> dict[str, Any]:
        """What `_delivery.json` says."""
        document: dict[str, Any] = json.loads((self.raw(partition) / "_delivery.json").read_text())
        return document

    def raw_table(self, partition: str) -> pa.Table:
        """Every raw row, in the order of the delivery."""
        names = [file["name"] for file in self.delivery(partition)["files"]]
        tables = [pq.ParquetFile(self.raw(partition) / name).read() for name in names]
        return pa.concat_tables(tables, promote_options="permissive")

    def costs(self, partition: str, *columns: str) -> list[dict[str, Any]]:
        """The published rows, in order; of one column or several."""
        path = self.data / "marts" / "costs" / f"aws-{partition}.parquet"
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read(list(columns) or None).to_pylist()
        return rows

    def billed(self, partition: str) -> list[float]:
        """`billed_cost` of the published rows, sorted."""
        return sorted(row["billed_cost"] for row in self.costs(partition, "billed_cost"))

    def partitions(self) -> list[str]:
        """What is loaded."""
        return sorted(
            path.name.partition("=")[2] for path in self.data.glob("aws_costs/cur/billing_period=*")
        )

    def bytes_of(self, partition: str) -> dict[str, str]:
        """Every published file of a partition and a digest of its bytes."""
        paths = [path for path in self.data.rglob("*") if partition in str(path) and path.is_file()]
        return {
            str(path.relative_to(self.data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(paths)
        }

"""A ClickHouse server of the benchmark's own: started in a folder, on free ports, ended with it."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.bench.process import ROOT, BenchError


class Server:
    """scripts/local_clickhouse.py, and statements by HTTP; a client library is too large.

    Each round has a database of its own, and none is dropped before the end: where many files have
    just been removed, ext4 takes up to three times as long to make new ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = "dlt"
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Server:
        options = ["--dir", str(self.folder), "--port", "0", "--http-port", "0"]
        script = [sys.executable, "-m", "scripts.local_clickhouse"]
        self._process = subprocess.Popen(
            [*script, "up", "--foreground", "--stop-with-stdin", *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - for mypy: PIPE was asked for
        if not self._process.stdout.readline():
            self._process.wait()
            raise BenchError("the ClickHouse server did not start; the reason is above")
        self.ready = json.loads((self.folder / "ready.json").read_text(encoding="utf-8"))
        self._password = Path(self.ready["password_file"]).read_text(encoding="utf-8").strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process:  # closes its standard input, at which it stops, and waits
            pass

    @property
    def environ(self) -> dict[str, str]:
        """What makes dlt and our commands use it."""
        settings = {
            "HOST": self.ready["host"],
            "PORT": self.ready["port"],
            "HTTP_PORT": self.ready["http_port"],
            "USERNAME": self.ready["user"],
            "PASSWORD": self._password,
            "DATABASE": self.database,
            "SECURE": 0,
        }
        credentials = {f"CREDENTIALS__{name}": str(value) for name, value in settings.items()}
        return {f"DESTINATION__CLICKHOUSE__{name}": value for name, value in credentials.items()}

    @property
    def password(self) -> str:
        """The generated password of the user that it was started with."""
        return self._password

    def ask(self, statement: str) -> str:
        """The answer to a statement, as text. Raises BenchError with the server's reason."""
        login = base64.b64encode(f"{self.ready['user']}:{self._password}".encode()).decode()
        connection = http.client.HTTPConnection(self.ready["host"], self.ready["http_port"])
        try:
            path = f"/?database={self.database}&wait_end_of_query=1"
            headers = {"Authorization": f"Basic {login}"}
            connection.request("POST", path, statement.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise BenchError(f"{statement[:200]}\n{text}")
        return text.strip()

    def timed(self, statement: str) -> float:
        """Seconds until the answer is there."""
        started = time.perf_counter()
        self.ask(statement)
        return time.perf_counter() - started

    def settle(self) -> None:
        """Merge what the server would merge later, at a time of its own choosing."""
        tables = self.ask(
            "select distinct table from system.parts where active and database = "
            "currentDatabase() group by table, partition having count() > 1"
        )
        for table in tables.splitlines():
            self.ask(f"optimize table `{table}` final settings optimize_skip_merged_partitions = 1")

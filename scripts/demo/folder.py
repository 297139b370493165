"""The demo's folder, and a configuration that is the demo's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.clickhouse.server.configuration.local_server import running_server
from scripts.demo import plans
from scripts.demo.world import World

ROOT = Path(__file__).resolve().parents[2]
#: What the demo makes in its folder, and removes when it runs again.
PARTS = ("bucket", "data", "dlt", "clickhouse", "project", "log", "report.html", "report.png")
CONFIGURED = (
    "AWS_",
    "SOURCES__",
    "DESTINATION__",
    "CLICKHOUSE_",
    "NORMALIZE__",
    "DLT_",
    "LOAD__",
    "GOOGLE_",
)


@dataclass(frozen=True)
class Demo:
    """The demo's folder and what lies in it."""

    folder: Path

    @property
    def bucket(self) -> Path:
        """What AWS delivers into."""
        return self.folder / "bucket"

    @property
    def data(self) -> Path:
        """What readers read."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The line of each partition, where there are many."""
        return self.folder / "log"

    @property
    def server(self) -> Path:
        """The folder of the demo's ClickHouse."""
        return self.folder / "clickhouse"

    def begin(self) -> None:
        """An empty folder. Raises FileExistsError rather than remove what is not the demo's."""
        have = {path.name for path in self.folder.glob("*")}
        if not have <= {*PARTS} or (have and "bucket" not in have):
            raise FileExistsError(
                f"{self.folder} holds {', '.join(sorted(have))}. Name an empty folder with --dir"
            )
        if running_server(self.server):  # a demo that was killed left it behind
            local_clickhouse("down", self.server)
        for part in (self.folder / part for part in PARTS):
            if part.is_file():
                part.unlink()
            shutil.rmtree(part, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def configure(self, world: World) -> None:
        """The demo's own configuration, and no other."""
        (self.folder / "project" / ".dlt").mkdir(parents=True)
        for name in [name for name in os.environ if name.startswith(CONFIGURED)]:
            del os.environ[name]
        os.environ |= world.environ | {
            "DLT_PROJECT_DIR": str(self.folder / "project"),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data),
            "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
            **plans.write(self.folder / "project"),
        }


def local_clickhouse(command: str, folder: Path, *options: str) -> None:
    """scripts/local_clickhouse.py, which says itself what went wrong."""
    script = [sys.executable, "-m", "scripts.local_clickhouse"]
    line = [*script, command, "--dir", str(folder), *options]
    subprocess.run(line, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

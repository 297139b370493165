"""Kafka's, the registry's and the plugins' jars: fetched once by Maven, and held to checksums.

`configs/kafka/jars.sha256` lists every file. A cached file that differs is fetched again, a fetched
one is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from scripts.streaming.java import Missing

ROOT = Path(__file__).resolve().parents[2]
CHECKSUMS = ROOT / "configs" / "kafka" / "jars.sha256"
REGISTRY = "io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all"
_ARCHIVE = "apicurio-registry-app-3.3.3-all.tar.gz"
_POMS = {"kafka": "configs/kafka/pom.xml", "plugins": "configs/connect/pom.xml"}


def cache() -> Path:
    """Where the jars are kept, for every checkout of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cloud-cost-etl" / f"streaming-{_digest(CHECKSUMS)[:12]}"


def fetch(folder: Path | None = None) -> Path:
    """The folder with kafka/, plugins/ and registry/, complete and checked. Raises Missing."""
    folder = folder or cache()
    wanted = checksums()
    if (folder / "complete").exists() and not wrong(folder, wanted):
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(
            "The jars are fetched by Maven, and there is no mvn here. Install Maven; with Docker "
            "instead: docker compose up --wait"
        )
    for name, pom in _POMS.items():
        _run(maven, "-f", str(ROOT / pom), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={folder / name}")  # fmt: skip
    _run(maven, "dependency:copy", f"-Dartifact={REGISTRY}",
         f"-DoutputDirectory={folder / 'archive'}")  # fmt: skip
    if offending := wrong(folder, wanted):
        raise Missing(
            f"{offending[0]} is not what configs/kafka/jars.sha256 says. Nothing of it is run. "
            f"Remove {folder} and try again; if that does not help, what is served has changed"
        )
    with tarfile.open(folder / "archive" / _ARCHIVE) as archive:
        archive.extractall(folder / "registry", filter="data")
    (folder / "complete").touch()
    return folder


def checksums() -> Mapping[str, str]:
    """SHA-256 by path below the folder."""
    lines = CHECKSUMS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines if line)}


def wrong(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Files that are missing, differ or are not listed."""
    have = {
        path.relative_to(folder).as_posix(): _digest(path)
        for part in (*_POMS, "archive")
        for path in (folder / part).glob("*")
    }
    return sorted(name for name in {*wanted, *have} if wanted.get(name) != have.get(name))


def _run(maven: str, *arguments: str) -> None:
    ran = subprocess.run(
        [maven, "-B", "-q", *arguments], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        told = (ran.stdout + ran.stderr).strip().splitlines()
        raise Missing(f"Maven could not fetch the jars: {told[0] if told else 'no reason'}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The scripts of the stack, as far as no JVM is needed: what they say where a part is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.streaming import jars, kills, stack
from scripts.streaming.__main__ import main
from scripts.streaming.connector import Connect
from scripts.streaming.java import Missing, find_java
from scripts.streaming.kills import Seen


def test_a_java_that_is_too_old_is_named_with_the_fix() -> None:
    with pytest.raises(Missing, match=r"needs Java 999 or newer, and .* Install one, or set JAVA_"):
        find_java(999)


def test_a_file_that_differs_from_its_checksum_is_named(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "good.jar").write_bytes(b"x")
    (tmp_path / "kafka" / "bad.jar").write_bytes(b"y")
    (tmp_path / "kafka" / "more.jar").write_bytes(b"z")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    wanted = {f"kafka/{name}.jar": digest for name in ("good", "bad", "missing")}
    found = ["kafka/bad.jar", "kafka/missing.jar", "kafka/more.jar"]
    assert jars.wrong(tmp_path, wanted) == found


def test_nothing_to_stop_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--dir", str(tmp_path)]) == 0
    assert main(["status", "--dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Nothing runs.",
        "kafka      does not run",
        "registry   does not run",
        "connect    does not run",
    ]


def test_a_pid_of_a_process_that_ended_is_not_taken_for_a_service(tmp_path: Path) -> None:
    (tmp_path / "kafka.pid").write_text("999999999")
    assert stack.is_running(tmp_path, "kafka") is None


def test_a_worker_that_is_not_there_is_named_with_the_fix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(Missing, match=r"Connect at http://127\.0\.0\.1:9 does not answer"):
        Connect("http://127.0.0.1:9").plugins()
    url = ["--connect-url", "http://127.0.0.1:9"]
    assert main(["connector-deploy", "--dir", str(tmp_path), *url]) == 1
    assert "Start it: make streaming-up" in capsys.readouterr().err


def test_kills_are_told_as_a_table() -> None:
    found = [Seen("kafka", [1.0, 2.0, 6.0]), Seen("registry", [], lost=3, double=1)]
    assert kills.lines(found)[2:] == [
        "| kafka | 3 | 0 | 0 | 2.0, 6.0 |",
        "| registry | 0 | 3 | 1 | – |",
    ]

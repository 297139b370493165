"""Ctrl-C: one line and 130, whatever a command is doing; never a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT

STOPPED = "error: Stopped. Published data stays as it is; run the command again.\n"


@contextmanager
def started(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours that Ctrl-C can reach."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environ,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_load_that_waits_for_its_provider(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        settings = {
            "SOURCES__AWS__BUCKET_URL": "s3://bills",
            "SOURCES__AWS__CREDENTIALS__ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "SOURCES__AWS__CREDENTIALS__AWS_ACCESS_KEY_ID": "key",
            "SOURCES__AWS__CREDENTIALS__AWS_SECRET_ACCESS_KEY": "secret",
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path),
        }
        with started("-m", "pipelines", "load", "aws", **settings) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                out, err = process.communicate()
    assert (out, err, process.returncode) == ("", STOPPED, 130)


@pytest.mark.quick("dlt.common")
@pytest.mark.parametrize("module", ["pipelines.cli.options", "dlt.common", "pyarrow"])
def test_a_command_that_is_still_importing(module: str, tmp_path: Path) -> None:
    settings = {"DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path)}
    with started("-X", "importtime", "-m", "pipelines", "status", **settings) as process:
        assert process.stderr
        for line in process.stderr:
            if line.rpartition("|")[2].strip().startswith(module):
                break
        process.send_signal(signal.SIGINT)
        rest = [line for line in process.stderr if not line.startswith("import time:")]
    assert "".join(rest) == STOPPED
    assert process.returncode in {130, -signal.SIGINT}


def test_a_script_that_waits() -> None:
    waits = "import scripts, sys; print(flush=True); sys.stdin.read()"
    with started("-c", waits) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (err, process.returncode) == ("error: Stopped.\n", -signal.SIGINT)


@pytest.mark.thorough
def test_the_demo_while_a_command_of_it_runs(tmp_path: Path) -> None:
    """It stops as a whole, and does not go on with its next command."""
    demo = ("-m", "scripts.demo", "--dir", str(tmp_path / "d"))
    with started(*demo, PYTHONUNBUFFERED="1") as process:
        assert process.stdout
        said = next(line for line in process.stdout if line.startswith("$ python -m pipelines"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert said.startswith("$ python -m pipelines load")
    assert "$ python -m pipelines" not in out
    assert err.splitlines()[-1].startswith("error: Stopped.")
    assert "Traceback" not in err
    assert process.returncode in {130, -signal.SIGINT}

"""A job of GitHub's reads BigQuery by its own identity: no key, no file, and clear refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import Commands
from tests.support.providers.gcp_days import billed, environ, put
from tests.support.providers.raw_gcp import TABLE

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

DAYS = {"2026-10-30": [8.0], "2026-10-31": [1.0, 2.0]}


@pytest.fixture
def job(bigquery_server: BigQueryServer, commands: Commands) -> BigQueryServer:
    """A server that asks for a token, and a job that may ask GitHub for its own."""
    from scripts.sandbox.bigquery.auth import PROVIDER

    put(bigquery_server, DAYS)
    bigquery_server.anonymous = False
    commands.set(environ(bigquery_server) | bigquery_server.job_environ())
    commands.monkeypatch.delenv("SOURCES__GCP__CREDENTIALS")
    commands.set(
        {
            "SOURCES__GCP__PROJECT": TABLE.partition(".")[0],
            "SOURCES__GCP__WORKLOAD_IDENTITY_PROVIDER": PROVIDER,
            "SOURCES__GCP__STS_URL": f"{bigquery_server.url}/token",
            # as a workflow leaves them where the secrets are not set
            "SOURCES__GCP__CREDENTIALS__PROJECT_ID": "",
            "SOURCES__GCP__CREDENTIALS__PRIVATE_KEY": "",
            "SOURCES__GCP__CREDENTIALS__CLIENT_EMAIL": "",
        }
    )
    return bigquery_server


def test_the_jobs_identity_is_exchanged_and_renewed(
    job: BigQueryServer, commands: Commands
) -> None:
    job.before("tables.get", job.expire_tokens, nth=1)
    commands.well("load", "normalize")
    assert billed(commands.data) == DAYS
    assert (job.counts["identity"], job.counts["token"]) == (2, 2)
    said = commands("doctor").out
    assert "ok   source gcp: credentials of the job's own identity" in said, said
    printed = "".join(commands.printed)
    assert "ya29." not in printed
    assert job.job_environ()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in printed


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("SOURCES__GCP__WORKLOAD_IDENTITY_PROVIDER", "projects/1/other", "invalid_target"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "", "Give the job `permissions: id-token: write`"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong", "GitHub gave no identity token for //iam."),
    ],
)
def test_a_refusal_says_whose_it_is(
    job: BigQueryServer, commands: Commands, variable: str, value: str, text: str
) -> None:
    commands.set({variable: value})
    ran = commands("load", "gcp")
    assert ran.status == 2
    assert text in ran.err
    assert "Traceback" not in ran.err
    assert job.counts.get("jobs.query", 0) == 0

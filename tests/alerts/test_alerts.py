"""Who is told what, and how often: whole messages, as loopback servers receive them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.alerts.settings import alert_settings
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import ConfigurationError
from tests.support.channels.receivers import Post, Sent, Web, mail_server
from tests.support.clickhouse.server import Authority
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, query

SECRET = "T0-S3CR3T"
RUN = "https://github.example/acme/costs/actions/runs/42"
TOLD = "webhook: told 1\n"
MIGRATE = {
    "text": "*Cloud cost alerts*\n\n*Nightly run: migrate failed*\nIts log says why."
    f"\n\n<{RUN}|More>"
}
NIGHT = ("alert", "--failed", "migrate")


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture(params=["filesystem", pytest.param("clickhouse", marks=pytest.mark.thorough)])
def destination(
    request: pytest.FixtureRequest, commands: Commands, tmp_path: Path
) -> ClickHouseConfig | None:
    """Where it is remembered; nothing is loaded there."""
    if request.param == "filesystem":
        return None
    found: ClickHouseConfig = request.getfixturevalue("clickhouse")
    commands.set(environ(found, tmp_path / "no-bucket"))
    return found


@pytest.fixture
def hooked(commands: Commands, web: Web) -> Commands:
    """The commands, with a webhook whose URL is a secret, and a link."""
    commands.set({"ALERT__WEBHOOK_URL": f"{web.address}/{SECRET}", "ALERT__LINK": RUN})
    return commands


def test_an_event_is_told_once_and_again_when_it_comes_back(
    hooked: Commands, web: Web, destination: ClickHouseConfig | None
) -> None:
    first, second = hooked(*NIGHT), hooked(*NIGHT)
    assert (first.status, first.out, first.err) == (0, TOLD, "")
    assert (second.status, second.out) == (0, "webhook: nothing new\n")
    assert hooked("alert").out == "webhook: nothing new\n"  # a night that went well
    assert hooked(*NIGHT).out == TOLD
    assert web.sent == [Sent("POST", f"/{SECRET}", None, MIGRATE)] * 2
    if destination is None:
        known = json.loads((hooked.data / "alerts.json").read_text())
        assert {channel: [*events] for channel, events in known.items()} == {
            "webhook": ["step/migrate"]
        }
    else:
        rows = query(destination, "select event, channel, is_over from alerts final")
        assert rows == [("step/migrate", "webhook", 0)]


def test_a_channel_that_fails_is_named_and_is_told_by_the_next_run(
    hooked: Commands, web: Web, destination: ClickHouseConfig | None
) -> None:
    def answer(sent: Sent) -> tuple[int, object]:
        return (500, None) if sent.path == f"/{SECRET}" else (200, [])

    web.answer = answer
    hooked.set(
        {
            "ALERT__GITHUB_API": web.address,
            "ALERT__GITHUB_REPOSITORY": "acme/costs",
            "ALERT__GITHUB_TOKEN": SECRET,
        }
    )
    failed = hooked(*NIGHT)
    assert (failed.status, failed.out) == (1, "webhook: nothing new\nissue: told 1\n")
    assert failed.err == "error: webhook: HTTP 500. Look at alert.webhook_url.\n"
    web.answer = lambda sent: (200, [])
    web.sent.clear()
    again = hooked(*NIGHT)
    assert (again.status, again.out) == (0, "webhook: told 1\nissue: nothing new\n")
    assert web.bodies() == [MIGRATE]


@pytest.mark.thorough
def test_teams_is_sent_an_adaptive_card(hooked: Commands, web: Web) -> None:
    hooked.set({"ALERT__WEBHOOK_FORMAT": "teams"})
    assert hooked("alert", "--failed", "migrate", "report").out == "webhook: told 2\n"
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {
                "type": "TextBlock", "text": "Cloud cost alerts", "wrap": True,
                "size": "Large", "weight": "Bolder",
            },
            {
                "type": "TextBlock", "text": "Nightly run: migrate failed", "wrap": True,
                "weight": "Bolder", "separator": True,
            },
            {"type": "TextBlock", "text": "Its log says why.", "wrap": True, "spacing": "None"},
            {
                "type": "TextBlock", "text": "Nightly run: report failed", "wrap": True,
                "weight": "Bolder", "separator": True,
            },
            {"type": "TextBlock", "text": "Its log says why.", "wrap": True, "spacing": "None"},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "More", "url": RUN}],
    }  # fmt: skip
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    assert web.bodies() == [{"type": "message", "attachments": [attachment]}]


@pytest.mark.quick("0")
@pytest.mark.parametrize("open_on_page", [0, 2])
def test_an_issue_is_opened_once_and_then_commented_on(
    commands: Commands, web: Web, open_on_page: int
) -> None:
    other = {"title": "Something else", "number": 1}
    pull = {"title": "Cloud cost alerts", "number": 2, "pull_request": {}}
    ours = {"title": "Cloud cost alerts", "number": 7}

    def answer(sent: Sent) -> tuple[int, object]:
        if sent.method == "POST":
            return 201, {}
        if not open_on_page:
            return 200, [other, pull]
        return 200, [ours] if sent.path.endswith(f"page={open_on_page}") else [pull] * 100

    web.answer = answer
    commands.set(
        {
            "ALERT__GITHUB_API": web.address,
            "ALERT__GITHUB_REPOSITORY": "acme/costs",
            "ALERT__GITHUB_TOKEN": SECRET,
        }
    )
    assert commands(*NIGHT).out == "issue: told 1\n"
    issues, token = "/repos/acme/costs/issues", f"Bearer {SECRET}"
    text = "- **Nightly run: migrate failed**: Its log says why."
    pages = [
        Sent("GET", f"{issues}?state=open&per_page=100&page={page}", token, None)
        for page in range(1, max(open_on_page, 1) + 1)
    ]
    told = (
        Sent("POST", f"{issues}/7/comments", token, {"body": text})
        if open_on_page
        else Sent("POST", issues, token, {"title": "Cloud cost alerts", "body": text})
    )
    assert web.sent == [*pages, told]


# Mail.


def mailing(commands: Commands, post: Post, **more: str) -> Commands:
    """The commands, with a mail to two people through this server."""
    settings = {
        "MAIL_TO": "cfo@example.com, it@example.com",
        "MAIL_FROM": "etl@example.com",
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(post.port),
        "LINK": RUN,
    }
    commands.set({f"ALERT__{name}": value for name, value in (settings | more).items()})
    return commands


def test_a_mail_is_sent_encrypted_and_by_a_user(commands: Commands, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with mail_server(authority.issue()) as post:
        given = {"SMTP_USER": "etl", "SMTP_PASSWORD": post.password, "SMTP_CA": str(authority.ca)}
        ran = mailing(commands, post, **given)("alert", "--failed", "migrate", "report")
    assert (ran.status, ran.out, ran.err) == (0, "mail: told 2\n", "")
    assert post.came == [(True, "etl")]
    (mail,) = post.mails
    headers = {name: mail[name] for name in ("Subject", "From", "To", "Auto-Submitted")}
    assert headers == {
        "Subject": "Cloud cost alerts: 2 new",
        "From": "etl@example.com",
        "To": "cfo@example.com, it@example.com",
        "Auto-Submitted": "auto-generated",
    }
    assert mail.get_content().replace("\r\n", "\n") == (
        "Nightly run: migrate failed\nIts log says why.\n\n"
        f"Nightly run: report failed\nIts log says why.\n\n{RUN}\n"
    )


@pytest.mark.thorough
def test_a_mail_server_that_refuses_is_named_without_what_it_says(
    commands: Commands, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    fix = "Look at alert.smtp_host, smtp_security, smtp_user and smtp_password.\n"
    with mail_server(authority.issue()) as post:
        given = {"SMTP_USER": "etl", "SMTP_PASSWORD": SECRET, "SMTP_CA": str(authority.ca)}
        wrong = mailing(commands, post, **given)(*NIGHT)
        strange = mailing(commands, post, SMTP_CA="")(*NIGHT)
    where = f"localhost:{post.port}"
    said = f"error: mail: {where} did not take it: SMTPAuthenticationError 535. {fix}"
    assert (wrong.status, wrong.err) == (1, said)
    assert strange.err.startswith(f"error: mail: {where} did not take it: SSLCertVerificationError")
    with mail_server(None) as post:  # offers no encryption: nothing is sent
        plain = mailing(commands, post)(*NIGHT)
        assert plain.err.startswith(f"error: mail: localhost:{post.port} did not take it: SMTPNot")
        assert post.mails == []
        given = {"SMTP_SECURITY": "none", "SMTP_USER": "", "SMTP_PASSWORD": ""}
        assert mailing(commands, post, **given)(*NIGHT).out == "mail: told 1\n"
    assert (post.came, post.mails[0]["Subject"]) == (
        [(False, "")], "Cloud cost alerts: Nightly run: migrate failed"
    )  # fmt: skip
    assert SECRET not in "".join(commands.printed)


# What is configured.


def test_without_a_channel_nobody_is_told_and_that_is_said(commands: Commands) -> None:
    ran = commands(*NIGHT)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("nobody is told: set alert.webhook_url, ")


@pytest.mark.thorough
def test_a_dry_run_shows_what_would_be_told_and_tells_nobody(hooked: Commands, web: Web) -> None:
    ran = hooked(*NIGHT, "--dry-run")
    told = "Nightly run: migrate failed\n  Its log says why.\nwebhook: would tell 1\n"
    assert (ran.status, ran.out) == (0, told)
    assert web.sent == []
    assert not (hooked.data / "alerts.json").exists()


def test_a_night_that_failed_is_told_where_the_destination_cannot_be_read(
    hooked: Commands, web: Web
) -> None:
    hooked.set({"DLT_DESTINATION": "clickhouse"})  # which is not configured
    ran = hooked(*NIGHT)
    assert (ran.status, ran.out) == (1, TOLD)
    assert ran.err.startswith("error: No ClickHouse is configured.")
    assert web.bodies() == [MIGRATE]
    assert hooked("alert").status == 2


def test_no_secret_is_in_an_error_or_in_what_is_printed(hooked: Commands) -> None:
    hooked.set({"ALERT__WEBHOOK_URL": f"http://127.0.0.1:1/{SECRET}"})
    ran = hooked(*NIGHT, "--debug")
    said = "error: webhook: ConnectionError. Look at alert.webhook_url.\n"
    assert (ran.status, ran.err) == (1, said)
    assert SECRET not in ran.out
    assert SECRET not in repr(alert_settings())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WEBHOOK_FORMAT", "irc", "alert.webhook_format is 'irc'. Choose from slack, teams."),
        (
            "WEBHOOK_URL", f"{SECRET}.example",
            "alert.webhook_url is not a URL: it has to begin with https://.",
        ),
        (
            "MAIL_TO", "a@example.com",
            "alert.mail_to needs alert.smtp_host and alert.mail_from, too.",
        ),
        (
            "GITHUB_REPOSITORY", "a/b",
            "alert.github_repository needs alert.github_token: a token that may write issues "
            "there.",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named(
    commands: Commands, name: str, value: str, message: str
) -> None:
    commands.set({f"ALERT__{name}": value})
    with pytest.raises(ConfigurationError) as error:
        alert_settings()
    assert str(error.value) == message
    ran = commands("alert")
    assert (ran.status, ran.err) == (2, f"error: {message}\n")


def test_a_password_is_never_sent_readable(commands: Commands) -> None:
    commands.set({"ALERT__SMTP_SECURITY": "none", "ALERT__SMTP_PASSWORD": SECRET})
    with pytest.raises(ConfigurationError, match=r"Choose starttls or tls"):
        alert_settings()

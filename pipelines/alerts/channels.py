"""Where messages go: a webhook, a mail, a GitHub issue. An error never has an address's secrets.

Rules: Slack "Incoming webhooks"; Microsoft "Create incoming webhooks with Workflows"; RFC 3207
(STARTTLS); GitHub's REST reference, "Issues" and "Issue comments".
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Protocol

import requests

from pipelines.alerts.message import TITLE, Message
from pipelines.alerts.settings import AlertSettings
from pipelines.core.partition import UserError, now

SECONDS = 30
PAGES = 10


class ChannelError(UserError):
    """A channel that did not take a message, with the fix."""


class Channel(Protocol):
    """One way to tell people."""

    name: str

    def send(self, message: Message) -> None:
        """Send it, or raise ChannelError."""


def channels(settings: AlertSettings) -> list[Channel]:
    """Those that are configured."""
    found: list[Channel] = []
    if settings.webhook_url:
        found.append(Webhook(str(settings.webhook_url), settings.webhook_format))
    if settings.mail_to:
        found.append(Mail(settings))
    if settings.github_repository:
        token = str(settings.github_token)
        found.append(Issue(settings.github_api, settings.github_repository, token))
    return found


@dataclass
class Webhook:
    """A URL that takes JSON; whoever knows it can write there, so it is a secret."""

    url: str = field(repr=False)
    format: str
    name: str = "webhook"

    def send(self, message: Message) -> None:
        """One POST. A redirect counts as refused: it would hand the message to another host."""
        body = message.teams() if self.format == "teams" else message.slack()
        _request("webhook", "Look at alert.webhook_url.", "POST", self.url, json=body)


@dataclass
class Mail:
    """A message to a few people by SMTP, encrypted unless configured otherwise."""

    settings: AlertSettings = field(repr=False)
    name: str = "mail"

    def send(self, message: Message) -> None:
        """One mail to everybody."""
        try:
            with self._connection() as smtp:
                if self.settings.smtp_user:
                    smtp.login(self.settings.smtp_user, str(self.settings.smtp_password))
                smtp.send_message(self._mail(message))
        except (smtplib.SMTPException, OSError) as error:  # its text may repeat what was sent
            code = getattr(error, "smtp_code", "") or getattr(error, "verify_message", "")
            host = f"{self.settings.smtp_host}:{self.settings.smtp_port}"
            raise ChannelError(
                f"mail: {host} did not take it: {type(error).__name__} {code}".rstrip()
                + ". Look at alert.smtp_host, smtp_security, smtp_user and smtp_password."
            ) from None

    def _connection(self) -> smtplib.SMTP:
        host, port = self.settings.smtp_host, self.settings.smtp_port
        trusted = ssl.create_default_context(cafile=self.settings.smtp_ca or None)
        name = socket.gethostname()  # else smtplib asks DNS for a longer one
        if self.settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(host, port, name, timeout=SECONDS, context=trusted)
        smtp = smtplib.SMTP(host, port, name, timeout=SECONDS)
        if self.settings.smtp_security == "starttls":
            try:
                smtp.starttls(context=trusted)
            except (smtplib.SMTPException, OSError):
                smtp.close()
                raise
        return smtp

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = self.settings.mail_from
        mail["To"] = self.settings.mail_to
        mail["Date"] = format_datetime(now())
        mail["Message-ID"] = make_msgid(domain=self.settings.mail_from.rpartition("@")[2] or None)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        mail.set_content(message.text())
        return mail


@dataclass
class Issue:
    """One open issue of a repository: a comment for each further message."""

    api: str
    repository: str
    token: str = field(repr=False)
    name: str = "issue"

    def send(self, message: Message) -> None:
        """Comment on the open issue, or open one."""
        number = self._open_issue()
        body = message.markdown()
        if number is None:
            self._ask("POST", "", json={"title": TITLE, "body": body})
        else:
            self._ask("POST", f"/{number}/comments", json={"body": body})

    def _open_issue(self) -> int | None:
        for page in range(1, PAGES + 1):
            query = {"state": "open", "per_page": 100, "page": page}
            issues: list[Mapping[str, Any]] = self._ask("GET", "", params=query).json()
            for issue in issues:
                if issue["title"] == TITLE and "pull_request" not in issue:
                    return int(issue["number"])
            if len(issues) < 100:
                break
        return None

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        url = f"{self.api.rstrip('/')}/repos/{self.repository}/issues{path}"
        fix = "Look at alert.github_repository, and whether alert.github_token may write issues."
        return _request("issue", fix, method, url, headers=headers, **more)


def ping(url: str) -> None:
    """Ask the URL of a monitor that alarms when nobody asks it. Raises ChannelError."""
    _request("ping", "Look at ETL_PING_URL.", "GET", url)


def _request(name: str, fix: str, method: str, url: str, **more: Any) -> requests.Response:
    """One request that has to end well; the error has no URL, which may be a secret."""
    try:
        answer = requests.request(method, url, timeout=SECONDS, allow_redirects=False, **more)
    except (requests.RequestException, ValueError) as error:
        raise ChannelError(f"{name}: {type(error).__name__}. {fix}") from None
    if not 200 <= answer.status_code < 300:
        raise ChannelError(f"{name}: HTTP {answer.status_code}. {fix}")
    return answer

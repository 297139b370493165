"""The schema registry, by the API that Confluent's and Apicurio's share.

Six requests are all that is needed, so no client library with its own HTTP stack is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from pipelines.core.partition import UserError
from pipelines.streaming.settings import StreamingSettings

LEVEL = "FULL_TRANSITIVE"
_TYPE = "application/vnd.schemaregistry.v1+json"
_SECONDS = 10.0


class RegistryError(UserError):
    """The registry is not there, or refused; the text says the fix."""


class UnknownSchema(RegistryError):
    """No schema has that id: what carries it is no record of ours."""


class Incompatible(RegistryError):
    """A new schema that old readers or writers could not work with."""


class Registry:
    """A client; no proxy or netrc of the environment is consulted."""

    def __init__(self, settings: StreamingSettings) -> None:
        self.url = settings.registry_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = settings.registry_ca or True
        if settings.registry_user:
            self._session.auth = (settings.registry_user, str(settings.registry_password))

    def schema(self, number: int) -> dict[str, Any]:
        """The schema with an id. Raises UnknownSchema, RegistryError."""
        found: dict[str, Any] = json.loads(self._ask("GET", f"/schemas/ids/{number}")["schema"])
        return found

    def latest(self, subject: str) -> dict[str, Any] | None:
        """The newest schema of a subject; None before its first."""
        try:
            answer = self._ask("GET", f"/subjects/{subject}/versions/latest")
        except UnknownSchema:
            return None
        found: dict[str, Any] = json.loads(answer["schema"])
        return found

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """The id of a schema, registered unless it is already.

        Raises Incompatible for a change that FULL_TRANSITIVE refuses.
        """
        body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
        return int(self._ask("POST", f"/subjects/{subject}/versions", body)["id"])

    def number_of(self, subject: str, schema: Mapping[str, Any]) -> int:
        """The id of a schema that was registered. Raises RegistryError for one that was not."""
        body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
        try:
            return int(self._ask("POST", f"/subjects/{subject}", body)["id"])
        except UnknownSchema:
            raise RegistryError(
                f"The registry at {self.url} does not have this version of {subject}. Run: make "
                "streaming-init, which checks it first"
            ) from None

    def require_level(self, subject: str) -> None:
        """Have the registry refuse what breaks readers or writers of this subject."""
        self._ask("PUT", f"/config/{subject}", {"compatibility": LEVEL})

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Accept": _TYPE} | ({"Content-Type": _TYPE} if body else {})
        data = json.dumps(body) if body else None
        try:
            answer = self._session.request(
                method, f"{self.url}{path}", data=data, headers=headers, timeout=_SECONDS
            )
        except requests.RequestException as error:
            raise RegistryError(
                f"The schema registry at {self.url} does not answer ({type(error).__name__}). "
                "Start it (make streaming-up), or set streaming.registry_url"
            ) from None
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        raise self._refused(answer, path)

    def _refused(self, answer: requests.Response, path: str) -> RegistryError:
        text = f"{self.url}{path}: HTTP {answer.status_code}: {_message(answer)}"
        if answer.status_code == 404:
            return UnknownSchema(text)
        if answer.status_code == 409:
            return Incompatible(
                f"The registry refuses the new schema ({LEVEL}): {_message(answer)}. Allowed is a "
                "new field that may be null, with the default null. For anything else make a new "
                "topic, such as deribit.trades.v2, with its own schema file"
            )
        if answer.status_code in (401, 403):
            text += ". Set streaming.registry_user and streaming.registry_password"
        return RegistryError(text)


def _message(answer: requests.Response) -> str:
    try:
        text = str(answer.json().get("message") or answer.text)
    except ValueError:
        text = answer.text
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}…"

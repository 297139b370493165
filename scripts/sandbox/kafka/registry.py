"""A schema registry on loopback: what Confluent's API says of subjects, versions and ids.

It refuses by FULL compatibility only a field that is required, added or removed: enough to meet the
answer. The thorough tests use a real one.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from scripts.sandbox.http import Handler, LoopbackServer


class SchemaRegistry(LoopbackServer):
    """The server, running inside a `with`."""

    def __init__(self, port: int = 0) -> None:
        self.schemas: list[str] = []
        self.subjects: dict[str, list[int]] = {}
        self.is_away = False
        self._lock = threading.Lock()
        super().__init__(_Handler, port)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{self.address}/apis/ccompat/v7"

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and document of one request."""
        if self.is_away:
            return 503, {"message": "starting"}
        match method, path.removeprefix("/apis/ccompat/v7").strip("/").split("/"):
            case "GET", ["schemas", "ids", number] if 0 < int(number) <= len(self.schemas):
                return 200, {"schema": self.schemas[int(number) - 1]}
            case "GET", ["subjects", subject, "versions", "latest"] if subject in self.subjects:
                newest = self.subjects[subject][-1]
                return 200, {"schema": self.schemas[newest - 1], "id": newest}
            case "POST", ["subjects", subject, "versions"]:
                return self._register(subject, str(body["schema"]))
            case "POST", ["subjects", subject]:
                numbers = self.subjects.get(subject, [])
                found = [n for n in numbers if self.schemas[n - 1] == body["schema"]]
                return (200, {"id": found[0]}) if found else (404, {"message": "Schema not found"})
            case "PUT", ["config", _]:
                return 200, body
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _register(self, subject: str, schema: str) -> tuple[int, dict[str, Any]]:
        with self._lock:
            known = self.subjects.setdefault(subject, [])
            for number in known:
                if self.schemas[number - 1] == schema:
                    return 200, {"id": number}
                if _required(self.schemas[number - 1]) != _required(schema):
                    message = "Incompatible artifact: READER_FIELD_MISSING_DEFAULT_VALUE"
                    return 409, {"error_code": 409, "message": message}
            self.schemas.append(schema)
            known.append(len(self.schemas))
            return 200, {"id": len(self.schemas)}


def _required(schema: str) -> set[str]:
    return {each["name"] for each in json.loads(schema)["fields"] if "default" not in each}


class _Handler(Handler[SchemaRegistry]):
    methods = ("GET", "POST", "PUT")

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        status, document = self.owner.answer(self.command, self.path, body)
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

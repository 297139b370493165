"""HTTP of the BigQuery sandbox: routes, authorisation, faults, errors as Google words them."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from scripts.sandbox.bigquery.api import Request
from scripts.sandbox.bigquery.auth import TokenError
from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.bigquery.faults import Fault
from scripts.sandbox.http import Handler

_PROJECT = r"/bigquery/v2/projects/(?P<project>[^/]+)"
_DATASET = rf"{_PROJECT}/datasets/(?P<dataset>[^/]+)"
_TABLE = rf"{_DATASET}/tables/(?P<table>[^/]+)"
_ROUTES = [
    ("POST", rf"{_PROJECT}/jobs", "jobs.insert"),
    ("GET", rf"{_PROJECT}/jobs/(?P<job>[^/]+)", "jobs.get"),
    ("POST", rf"{_PROJECT}/jobs/(?P<job>[^/]+)/cancel", "jobs.cancel"),
    ("POST", rf"{_PROJECT}/queries", "jobs.query"),
    ("GET", rf"{_PROJECT}/queries/(?P<job>[^/]+)", "jobs.getQueryResults"),
    ("GET", rf"{_PROJECT}/datasets", "datasets.list"),
    ("GET", _DATASET, "datasets.get"),
    ("GET", rf"{_DATASET}/tables", "tables.list"),
    ("GET", _TABLE, "tables.get"),
    ("GET", rf"{_TABLE}/data", "tabledata.list"),
    ("POST", "/token", "token"),
    ("GET", "/identity", "identity"),
]


class Service(Protocol):
    """What the handler asks; `refused` are the hosts that it was asked to connect to, as the
    proxy that it does not want to be."""

    refused: list[str]

    def arrived(self, kind: str, target: str) -> list[Fault]:
        """Record a request; the faults that strike it."""

    def answer(self, request: Request, authorization: str | None) -> bytes:
        """The body of an answer. Raises ApiError or TokenError."""


class ServiceHandler(Handler[Service]):
    """BigQuery's REST API, tokens and, for clients that look for one, a proxy."""

    methods = ("GET", "POST", "PUT", "PATCH", "DELETE", "CONNECT")

    def serve(self) -> None:
        """Answer one request; refuse to connect to another host."""
        if self.command == "CONNECT":
            self.owner.refused.append(self.path.partition(":")[0])
            self.send_error(403, "Nothing leaves loopback")
            self.close_connection = True
        else:
            self._answer()

    def _answer(self) -> None:
        status, cut, kind = 200, None, ""
        try:
            request = self._request()
            kind = request.kind
            faults = self.owner.arrived(request.kind, request.target)
            for fault in faults:
                if fault.call:
                    fault.call()
            cut = next((fault.cut_after for fault in faults if fault.cut_after is not None), None)
            if error := next((fault.error for fault in faults if fault.error), None):
                raise error
            body = self.owner.answer(request, self.headers.get("Authorization"))
        except ApiError as error:
            refusal = TokenError(error.reason, error.message).body
            body = json.dumps(refusal if kind == "token" else error.body).encode()
            status = error.status
        except TokenError as error:
            status, body = 400, json.dumps(error.body).encode()
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        self.send(status, body, headers, cut)

    def _request(self) -> Request:
        """The request, its body read. Raises ApiError notFound for an unknown path."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        for method, pattern, kind in _ROUTES:
            match = re.fullmatch(pattern, address.path)
            if match and method == self.command:
                names = {name: unquote(text) for name, text in match.groupdict().items()}
                body = dict(parse_qsl(sent.decode())) if kind == "token" else _parsed(sent)
                return Request(kind, names, dict(parse_qsl(address.query)), body)
        raise ApiError("notFound", f"The sandbox does not know {self.command} {address.path}")


def _parsed(sent: bytes) -> dict[str, Any]:
    try:
        found = json.loads(sent) if sent else {}
    except ValueError as error:
        raise ApiError("invalid", "Invalid JSON payload received.") from error
    if not isinstance(found, dict):
        raise ApiError("invalid", "Invalid JSON payload received.")
    return found

"""Google Cloud Storage on loopback: one bucket that can be listed and read by a service account.

Tokens are given and checked as for the stand-in of BigQuery. Source: Google, "Cloud Storage JSON
API", Objects: list and get.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import google_crc32c

from scripts.sandbox.bigquery.auth import TokenError, Tokens
from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.focus.store import Objects, Stored
from scripts.sandbox.http import Handler, LoopbackServer

BUCKET = "example-focus"


class GcsServer(LoopbackServer):
    """The store; `objects` is what its bucket holds."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.objects = Objects(BUCKET)
        self.tokens = Tokens(self.address, "example-billing")

    def environ(self, section: str) -> dict[str, str]:
        """What reads the bucket, as variables of a section such as SOURCES__FOCUS.

        Google's library asks for more over HTTPS, which is refused here.
        """
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.address),
            f"{section}__BUCKET_URL": f"gs://{BUCKET}",
            f"{section}__ENDPOINT_URL": self.address,
            f"{section}__CREDENTIALS": json.dumps(self.tokens.service_account()),
        }


class _Handler(Handler[GcsServer]):
    methods = ("GET", "POST")

    def serve(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if self.command == "POST":
            self._token()
            return
        objects = self.owner.objects
        listing = f"/storage/v1/b/{BUCKET}/o"
        try:
            self.owner.tokens.check(self.headers.get("Authorization"), anonymous=False)
        except ApiError:
            self._json(401, _refusal(401, "Invalid Credentials"))
            return
        if objects.refuse:
            self._json(objects.refuse, _refusal(objects.refuse, "no access"))
        elif parts.path == listing:
            self._list(query)
        elif parts.path.startswith(f"/download{listing}/"):
            self._media(unquote(parts.path.removeprefix(f"/download{listing}/")), query)
        else:
            self._json(404, _refusal(404, "Not found"))

    def _token(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        try:
            self._json(200, self.owner.tokens.issue(form))
        except TokenError as error:
            self._json(400, error.body)

    def _list(self, query: dict[str, str]) -> None:
        objects = self.owner.objects
        keys, after = objects.listed(query.get("prefix", ""), query.get("pageToken", ""))
        items = [
            {
                "kind": "storage#object",
                "name": key,
                "bucket": BUCKET,
                "generation": str(objects.found[key].version),
                "size": str(len(objects.found[key].body)),
                "updated": f"{objects.found[key].modified:%Y-%m-%dT%H:%M:%S.000Z}",
            }
            for key in keys
        ]
        answer: dict[str, Any] = {"kind": "storage#objects", "items": items}
        self._json(200, answer | ({"nextPageToken": after} if after else {}))

    def _media(self, key: str, query: dict[str, str]) -> None:
        item = self.owner.objects.read(key)
        if item is None:
            self._json(404, _refusal(404, f"No such object: {BUCKET}/{key}"))
        elif query.get("ifGenerationMatch", str(item.version)) != str(item.version):
            self._json(412, _refusal(412, "At least one of the pre-conditions … did not hold."))
        else:
            self.send(200, item.body, {"X-Goog-Hash": _hash(item),
                                       "X-Goog-Generation": str(item.version)})  # fmt: skip

    def _json(self, status: int, document: Any) -> None:
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _hash(item: Stored) -> str:
    crc = google_crc32c.Checksum(item.body).digest()
    md5 = hashlib.md5(item.body, usedforsecurity=False).digest()
    return f"crc32c={base64.b64encode(crc).decode()},md5={base64.b64encode(md5).decode()}"


def _refusal(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "errors": [{"message": message}]}}

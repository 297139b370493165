"""Azure Blob Storage on loopback: one container that can be listed and read, by key or by SAS.

Requests are checked as Azure does: the signature of the account's key over the request, or a SAS
token that is the known one. Sources: Microsoft, "Authorize with Shared Key", "List Blobs", "Get
Blob".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from scripts.sandbox.focus.store import Objects, Stored
from scripts.sandbox.http import Handler, LoopbackServer

ACCOUNT = "examplebilling"
KEY = base64.b64encode(b"a key of the account on loopback").decode()
SAS = "sv=2024-11-04&sp=rl&sig=c2FuZGJveA%3D%3D"
CONTAINER = "exports"


class AzureBlobServer(LoopbackServer):
    """The account; `objects` is what its container holds."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.objects = Objects(CONTAINER)

    def environ(self, section: str, *, by_sas: bool = False) -> dict[str, str]:
        """What reads the container, as variables of a section such as SOURCES__FOCUS."""
        keys = f"{section}__CREDENTIALS__AZURE"
        secret = (
            {f"{keys}_STORAGE_SAS_TOKEN": SAS} if by_sas else {f"{keys}_STORAGE_ACCOUNT_KEY": KEY}
        )
        return {
            f"{section}__BUCKET_URL": f"az://{CONTAINER}",
            f"{keys}_STORAGE_ACCOUNT_NAME": ACCOUNT,
            f"{keys}_ACCOUNT_HOST": f"{self.address}/{ACCOUNT}",
            **secret,
        }


class _Handler(Handler[AzureBlobServer]):
    def serve(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        _, account, container, *rest = unquote(parts.path).split("/", 3)
        objects = self.owner.objects
        if objects.refuse:
            self._error(objects.refuse, "AuthorizationPermissionMismatch")
        elif account != ACCOUNT or not self._is_signed(parts.path, query):
            self._error(403, "AuthenticationFailed")
        elif container != CONTAINER:
            self._error(404, "ContainerNotFound")
        elif query.get("comp") == "list":
            self._list(query)
        else:
            self._blob(rest[0] if rest else "")

    def _list(self, query: dict[str, str]) -> None:
        objects = self.owner.objects
        keys, marker = objects.listed(query.get("prefix", ""), query.get("marker", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties>"
            f"<Last-Modified>{_date(objects.found[key])}</Last-Modified>"
            f"<Etag>{_etag(objects.found[key])}</Etag>"
            f"<Content-Length>{len(objects.found[key].body)}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties>"
            + ("<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>" if _is_folder(key) else "")
            + "</Blob>"
            for key in keys
        )
        body = (
            f'<?xml version="1.0"?><EnumerationResults ContainerName="{CONTAINER}">'
            f"<Blobs>{blobs}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
        )
        self.send(200, body.encode(), {"Content-Type": "application/xml"})

    def _blob(self, key: str) -> None:
        item = self.owner.objects.read(key)
        if item is None:
            self._error(404, "BlobNotFound")
            return
        wanted = self.headers.get("If-Match", "").strip('"')
        if wanted and wanted != _etag(item):
            self._error(412, "ConditionNotMet")
            return
        headers = {
            "ETag": f'"{_etag(item)}"',
            "Last-Modified": _date(item),
            "x-ms-blob-type": "BlockBlob",
        }
        size = len(item.body)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("x-ms-range", ""))
        if not found:
            self.send(200, item.body, headers)
            return
        first, last = int(found[1]), min(int(found[2]), size - 1)
        if first >= size:
            self._error(416, "InvalidRange")
            return
        part = item.body[first : last + 1]
        self.send(206, part, headers | {"Content-Range": f"bytes {first}-{last}/{size}"})

    def _is_signed(self, path: str, query: dict[str, str]) -> bool:
        """Whether the request carries the account key's signature, or the known SAS token."""
        given = self.headers.get("Authorization", "")
        if not given:
            return dict(parse_qsl(SAS)).items() <= query.items()
        plain = ["Content-Encoding", "Content-Language", "Content-Length", "Content-MD5",
                 "Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match",
                 "If-Unmodified-Since", "Range"]  # fmt: skip
        lines = [self.command, *(self.headers.get(name) or "" for name in plain)]
        lines += sorted(f"{name.lower()}:{value}" for name, value in self.headers.items()
                        if name.lower().startswith("x-ms-"))  # fmt: skip
        lines.append(f"/{ACCOUNT}{path}")
        lines += [f"{name.lower()}:{query[name]}" for name in sorted(query)]
        text = "\n".join(lines).encode()
        digest = hmac.new(base64.b64decode(KEY), text, hashlib.sha256).digest()
        return given == f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"

    def _error(self, status: int, code: str) -> None:
        said = f"<Code>{code}</Code><Message>{code}.</Message>"
        text = f'<?xml version="1.0" encoding="utf-8"?><Error>{said}</Error>'
        headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
        self.send(status, text.encode(), headers)


def _etag(item: Stored) -> str:
    return f"0x8D{item.version:X}"


def _date(item: Stored) -> str:
    return format_datetime(item.modified, usegmt=True)


def _is_folder(key: str) -> bool:
    """A folder of a hierarchical namespace, which is listed like a blob."""
    return "." not in key.rsplit("/", 1)[-1]

"""Who is told, on loopback: a web server that keeps what it is sent, and a mail server."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from scripts.sandbox.http import Handler, LoopbackServer
from tests.support.clickhouse.server import Certificate

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Sent:
    """One request: its method, its path with the query, the token it came with, its JSON."""

    method: str
    path: str
    token: str | None
    body: Any


class Web(LoopbackServer):
    """Keeps each request in `sent` and answers as `answer` says: 204 by default."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answer: Callable[[Sent], Answer] = lambda sent: (204, None)
        super().__init__(_Web)

    def bodies(self) -> list[Any]:
        """What was posted."""
        return [each.body for each in self.sent if each.method == "POST"]


class _Web(Handler[Web]):
    methods = ("GET", "POST")

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        sent = Sent(self.command, self.path, self.headers.get("Authorization"), body)
        self.owner.sent.append(sent)
        status, answer = self.owner.answer(sent)
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass
class Post:
    """A mail server: what it took, and how each mail came: whether encrypted, and by whom."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    came: list[tuple[bool, str]] = field(default_factory=list)
    password: str = "p4ss"


@contextmanager
def mail_server(certificate: Certificate | None) -> Iterator[Post]:
    """A mail server, which offers STARTTLS and takes passwords when it has a certificate."""
    post = Post()

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _converse(self, post, certificate)

    with _Server(("127.0.0.1", 0), Conversation) as server:
        post.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield post
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a client that hangs holds no test up


def _converse(
    handler: socketserver.StreamRequestHandler, post: Post, certificate: Certificate | None
) -> None:
    reader, connection = handler.rfile, handler.request
    is_encrypted, user = False, ""

    def say(line: str) -> None:
        connection.sendall(f"{line}\r\n".encode())

    say("220 localhost")
    while line := reader.readline().decode().rstrip():
        verb = line.split()[0].upper()
        if verb == "EHLO":
            offered = "250 AUTH PLAIN" if is_encrypted else "250 STARTTLS"
            say(f"250-localhost\r\n{offered}" if certificate else "250 localhost")
        elif verb == "STARTTLS" and certificate:
            say("220 Go ahead")
            trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trusted.load_cert_chain(certificate.cert, certificate.key)
            try:
                connection = trusted.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not trust us
                return
            reader, is_encrypted = connection.makefile("rb"), True
        elif verb == "AUTH":
            _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            say("235 Welcome" if password == post.password else f"535 {password} is wrong")
        elif verb == "DATA":
            say("354 Go on")
            lines = iter(reader.readline, b".\r\n")
            post.mails.append(BytesParser(policy=default).parsebytes(b"".join(lines)))
            post.came.append((is_encrypted, user))
            say("250 Taken")
        elif verb == "QUIT":
            say("221 Bye")
            break
        else:
            say("250 Fine")
    if connection is not handler.request:
        reader.close()
        connection.close()

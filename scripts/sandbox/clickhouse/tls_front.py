"""TLS in front of a plain TCP port, because the wheel's ClickHouse opens no TLS ports itself.

One `TlsFront` owns one event loop in one thread and relays any number of TLS ports to plain ones,
byte for byte, so the native protocol and HTTP pass through it alike. A peer that speaks no TLS is
turned away after a TLS alert, as a server with TLS ports of its own does it.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

_CHUNK = 1 << 16


class TlsFront:
    """Terminates TLS with the given certificate chain and key (PEM files) on loopback."""

    def __init__(self, cert: Path, key: Path, host: str = "127.0.0.1") -> None:
        self._host = host
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)

    def start(self) -> None:
        """Start the relaying thread; ports are added with `listen()`."""
        self._thread.start()

    def listen(self, port: int, target: int) -> int:
        """Relay TLS on `port` (0: a free one) to the plain port `target`; the port it listens on.

        Raises OSError when the port is taken.
        """
        serving = asyncio.run_coroutine_threadsafe(self._serve(port, target), self._loop)
        return serving.result(20)

    def close(self) -> None:
        """Stop listening and cut what is open."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _cut(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, port: int, target: int) -> int:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                onward_reader, onward_writer = await asyncio.open_connection(self._host, target)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))

        server = await asyncio.start_server(relay, self._host, port, ssl=self._context)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until either side ends; TLS has no half-close, so the other side is closed then."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass  # a client that goes away in mid-answer is its own affair
    finally:
        writer.close()

"""One websocket connection to Deribit's public API: subscribes, answers heartbeats, comes back.

Protocol: JSON-RPC 2.0, `public/subscribe` and `public/set_heartbeat`; a `test_request` has to be
answered with `public/test`, or the server hangs up. Connections are limited by address, and too
many requests end the session, so a refusal waits longer than an outage.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from pipelines.core.partition import UserError
from pipelines.streaming.settings import StreamingSettings

log = logging.getLogger(__name__)

Take = Callable[[str, list[dict[str, Any]]], Awaitable[None]]
_LONGEST = 60.0
_REFUSED = 10.0  # seconds to wait at least after too_many_requests
_SUBSCRIBE, _HEARTBEAT = 1, 2
_ANSWERED = (_SUBSCRIBE, _HEARTBEAT)


class Refused(Exception):
    """The API answered a request with an error."""


class Feed:
    """Connection `number`; `take` gets each notification's channel and trades."""

    def __init__(
        self,
        number: int,
        channels: Sequence[str],
        settings: StreamingSettings,
        take: Take,
        is_up: Callable[[int, bool], None],
    ) -> None:
        self.number, self.channels, self.settings = number, channels, settings
        self._take, self._is_up = take, is_up
        self.reconnects = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        attempt = 0
        while True:
            wait = self.settings.reconnect_seconds
            try:
                async with connect(
                    self.settings.websocket_url, proxy=None, max_size=1 << 24, close_timeout=2
                ) as connection:
                    await self._subscribe(connection)
                    self._is_up(self.number, True)
                    attempt = 0
                    await self._listen(connection)
            except Refused as error:
                wait = max(wait, _REFUSED if "10028" in str(error) else wait)
                reason = str(error)
            except (WebSocketException, OSError, TimeoutError) as error:
                reason = f"{type(error).__name__} {error}".strip()
            self._is_up(self.number, False)
            self.reconnects += 1
            pause = min(wait * 2.0**attempt, _LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311
            attempt += 1
            log.warning(
                "connection %d to %s: %s; next try in %.1f s",
                self.number, self.settings.websocket_url, reason, pause,
            )  # fmt: skip
            await asyncio.sleep(pause)

    async def _subscribe(self, connection: ClientConnection) -> None:
        interval = {"interval": self.settings.heartbeat_seconds}
        await _ask(connection, _HEARTBEAT, "public/set_heartbeat", interval)
        await _ask(connection, _SUBSCRIBE, "public/subscribe", {"channels": list(self.channels)})
        waiting = set(_ANSWERED)
        async with asyncio.timeout(30):
            while waiting:
                message = json.loads(await connection.recv())
                await self._handle(connection, message)
                if message.get("id") == _SUBSCRIBE:
                    self._check(message.get("result") or [])
                waiting.discard(message.get("id"))

    def _check(self, subscribed: Sequence[str]) -> None:
        if missing := sorted(set(self.channels) - set(subscribed)):
            raise UserError(
                f"Deribit has no channel {', '.join(missing)}. Correct sources.deribit.currencies "
                "and sources.deribit.kinds in .dlt/config.toml"
            )

    async def _listen(self, connection: ClientConnection) -> None:
        """Until the connection ends, or says nothing for three heartbeats."""
        while True:
            async with asyncio.timeout(3 * self.settings.heartbeat_seconds):
                text = await connection.recv()
            await self._handle(connection, json.loads(text))

    async def _handle(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        if "error" in message:
            error = message["error"]
            raise Refused(f"{error.get('message')} ({error.get('code')})")
        parameters = message.get("params") or {}
        if message.get("method") == "subscription":
            await self._take(parameters["channel"], parameters["data"])
        elif message.get("method") == "heartbeat" and parameters.get("type") == "test_request":
            await _ask(connection, 0, "public/test", {})


async def _ask(connection: ClientConnection, number: int, method: str, given: Any) -> None:
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
    await connection.send(json.dumps(request))

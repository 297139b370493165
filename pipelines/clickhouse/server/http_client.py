"""clickhouse-connect's client for what is large: parquet files in, whole results out, over HTTP.

Statements go through the manager beside this. Both send the settings of settings.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import ceil

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.settings import PINNED, Value, of_statement

# Every request has these, also those by which a new client learns what server it is.
HttpClient.params = {
    name: str(PINNED[name])
    for name in ("limit", "offset", "additional_result_filter", "extremes", "use_query_cache")
}


@contextmanager
def connect(config: ClickHouseConfig, *, answer_seconds: float | None = None) -> Iterator[Client]:
    """A client whose every request carries the settings that statements rely on.

    An answer may take `answer_seconds`, by default the configured time.

    Raises clickhouse_connect's errors, also for a setting that the user's profile forbids to
    change; `explain` words them.
    """
    client = clickhouse_connect.get_client(
        **config.to_connect_arguments(),
        autogenerate_session_id=False,
        send_receive_timeout=ceil(answer_seconds or config.answer_timeout),
        dedicated_pool=True,  # closing it closes its connections
    )
    try:
        have = {name: setting.value for name, setting in client.server_settings.items()}
        for name, value in _to_send(config, have).items():
            client.set_client_setting(name, value)
        yield client
    finally:
        client.close()


class KeptClient:
    """A client for many requests: opened with the first, and again after an error or a pause.

    To open one takes three requests. A connection without traffic may be dropped on its way
    without a word, so none is used that has rested for `rest_seconds`.
    """

    def __init__(self, config: ClickHouseConfig, *, rest_seconds: float = 30) -> None:
        self._config, self._rest_seconds = config, rest_seconds
        self._open = ExitStack()
        self._client: Client | None = None
        self._used = 0.0

    @contextmanager
    def use(self) -> Iterator[Client]:
        """The client; one that fails is closed. Its `log_comment` is that of its first use."""
        if time.monotonic() - self._used > self._rest_seconds:
            self.close()
        try:
            if self._client is None:
                self._client = self._open.enter_context(connect(self._config))
            yield self._client
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()

    def close(self) -> None:
        """Close it; can be repeated. A later use opens a new one."""
        self._client = None
        self._open.close()


def _to_send(config: ClickHouseConfig, have: Mapping[str, str]) -> dict[str, Value]:
    """The settings that the session does not have as they should be, by the values that it has.

    Not all of them: they are sent in the address, which proxies let be some kilobytes long. Over
    HTTP a server refuses a setting that it does not know yet, so what the client did not see is
    looked up: a profile's `limit` cuts its list.
    """
    wanted = of_statement()
    unseen = wanted.keys() - have.keys()
    if unseen:
        with ClickHouseManager(config) as manager:
            rows = manager.execute("select name from system.settings")
        unseen &= {name for (name,) in rows}
    unseen -= {name for name, value in wanted.items() if value == ""}
    return {n: v for n, v in wanted.items() if n in unseen or have.get(n, str(v)) != str(v)}

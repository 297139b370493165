"""Users with few rights for a server of the test's own, which takes no `create user`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.clickhouse.server import Server

_USER = """<{name}><password_sha256_hex>{digest}</password_sha256_hex>
<networks><ip>127.0.0.1</ip></networks><quota>default</quota><profile>default</profile>
<grants>{queries}</grants></{name}>"""


def documented_grants(document: Path) -> list[str]:
    """Every `grant … to loader` of a document's SQL, as it stands there."""
    blocks = re.findall(r"```sql\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r"^\s*(grant .*) to loader;$", "\n".join(blocks), re.MULTILINE)


def environ_of(config: ClickHouseConfig, **changes: str) -> dict[str, str]:
    """The variables that lead to a server, as a person would set them."""
    variables = {
        "CLICKHOUSE_MODE": "cloud" if config.secure else "local",
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_HTTP_PORT": str(config.http_port),
        "CLICKHOUSE_USER": config.user,
        "CLICKHOUSE_PASSWORD": str(config.password),
        "CLICKHOUSE_DATABASE": config.database,
    }
    return variables | ({"CLICKHOUSE_CA": config.ca} if config.ca else {}) | changes


def add_users(server: Server, password: str, users: dict[str, Sequence[str]]) -> None:
    """Give a running server users with grants such as `select on dlt.*`; it is restarted."""
    server.stop()
    digest = hashlib.sha256(password.encode()).hexdigest()
    made = [
        _USER.format(
            name=name,
            digest=digest,
            queries="".join(f"<query>{grant}</query>" for grant in grants),
        )
        for name, grants in users.items()
    ]
    folder = server.folder / "users.d"
    folder.mkdir(exist_ok=True)
    text = f"<clickhouse><users>{''.join(made)}</users></clickhouse>"
    (folder / "tests.xml").write_text(text, encoding="utf-8")
    server.start()

"""What goes wrong with ClickHouse, as exceptions; problems.py beside it words them."""

from __future__ import annotations

from pipelines.core.partition import UserError


class ClickHouseError(UserError):
    """ClickHouse cannot do what was asked; the text says what, where and the fix."""


class ClickHouseConnectionError(ClickHouseError):
    """No connection, or a connection that broke."""


class ClickHouseAuthError(ClickHouseConnectionError):
    """The server refused the user or the password; trying again cannot help."""


class ClickHouseQueryError(ClickHouseError):
    """The server refused a statement, or a row does not fit its table; `code` is the server's."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code

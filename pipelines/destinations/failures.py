"""What our load jobs raise: dlt's kinds of error, with a text for people."""

from __future__ import annotations

from dlt.common.destination.exceptions import (
    DestinationTerminalException,
    DestinationTransientException,
)


class PublishFailed(DestinationTerminalException):
    """The delivery cannot be published; trying again by itself would not help."""


class ServerGone(DestinationTransientException):
    """The server is away or the connection broke: the whole job can be run again."""

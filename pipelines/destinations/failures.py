"""What our load jobs raise: dlt's kinds of error, with a text for people."""

from __future__ import annotations

from dlt.common.destination.exceptions import DestinationTerminalException


class PublishFailed(DestinationTerminalException):
    """The delivery cannot be published, or was tried again for long enough."""

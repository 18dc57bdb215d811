"""How often services beside PostgreSQL have failed this process.

A gateway counts by a call of `failed`; who publishes the process's figures has a `GatewayMetrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from autogpt_db.metrics import families
from autogpt_db.metrics.store import Total

if TYPE_CHECKING:
    from autogpt_db.metrics import Store

Service = Literal["embeddings", "payments", "redis", "scheduler"]

_SERVICES: Final[tuple[Service, ...]] = ("embeddings", "payments", "redis", "scheduler")
_counts: Final[dict[Service, int]] = dict.fromkeys(_SERVICES, 0)


def failed(service: Service) -> None:
    """Count that a service could not be asked, or did not answer as it should.

    Args:
        service: Which one.
    """
    _counts[service] += 1


class GatewayMetrics:
    """Publishes what this process has counted.

    Args:
        store: Its figures.
    """

    def __init__(self, store: Store) -> None:
        # From zero on: a series that begins with its first failure has no increase to alert on.
        self._totals = {
            service: Total(store, families.GATEWAY_FAILURES, service) for service in _SERVICES
        }
        self._before = dict(_counts)

    def publish(self) -> None:
        """Write it down."""
        for service, total in self._totals.items():
            total.set(_counts[service] - self._before[service])

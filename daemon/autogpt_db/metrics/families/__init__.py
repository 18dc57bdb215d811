"""Every metric, declared once: a file for each part of the program.

docs/reference/metrics.md and the dashboard derive from them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from autogpt_db.metrics.declaration import Family
from autogpt_db.metrics.families import (
    database,
    gateways,
    jobs,
    live_events,
    measured,
    pools,
    processes,
    requests,
    traces,
)

# So that a new line in one of these files is all there is to a new metric.
from autogpt_db.metrics.families.database import *  # noqa: F403
from autogpt_db.metrics.families.gateways import *  # noqa: F403
from autogpt_db.metrics.families.jobs import *  # noqa: F403
from autogpt_db.metrics.families.live_events import *  # noqa: F403
from autogpt_db.metrics.families.measured import *  # noqa: F403
from autogpt_db.metrics.families.pools import *  # noqa: F403
from autogpt_db.metrics.families.processes import *  # noqa: F403
from autogpt_db.metrics.families.requests import *  # noqa: F403
from autogpt_db.metrics.families.traces import *  # noqa: F403

if TYPE_CHECKING:
    from types import ModuleType


def declared_in(module: ModuleType) -> list[Family]:
    """Return the metrics that a file declares, in its order."""
    return [found for found in vars(module).values() if isinstance(found, Family)]


SECTIONS = (requests, pools, processes, jobs, live_events, gateways, traces, measured, database)
"""The files, in the order in which their metrics are exposed."""
FAMILIES = MappingProxyType({f.name: f for module in SECTIONS for f in declared_in(module)})
"""All of them, by name, in the order in which they are exposed."""
MEASURED = MappingProxyType({found.short_name: found for found in declared_in(measured)})
"""What jobs measure, by the name of their rows."""

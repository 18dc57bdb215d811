"""What jobs have measured: one place they write to, and one that everything else reads from.

A job replaces all its figures at once, so what is no longer true disappears. They stay in
PostgreSQL, because they are about the database and not about a process: every host sees the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autogpt_db.worker.handle import JobDatabase

REPLACE: LiteralString = """
WITH given AS (
    SELECT DISTINCT ON (name, labels) name, labels, value
      FROM unnest(%(names)s::text[], %(labels)s::jsonb[], %(values)s::double precision[])
           AS figure (name, labels, value)
), gone AS (
    DELETE FROM autogpt_db.job_figure AS kept
     WHERE kept.job = %(job)s
       AND NOT EXISTS (
           SELECT FROM given WHERE given.name = kept.name AND given.labels = kept.labels
       )
)
INSERT INTO autogpt_db.job_figure (job, name, labels, value, measured_at)
SELECT %(job)s, name, labels, value, clock_timestamp()
  FROM given
    ON CONFLICT (job, name, labels) DO UPDATE
   SET value = EXCLUDED.value,
       measured_at = EXCLUDED.measured_at
"""

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One value, as of when its job measured it.

    Attributes:
        name: What it says, in Prometheus' manner: `stuck_executions`.
        value: It.
        labels: What it is about.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


async def report(database: JobDatabase, figures: Iterable[Figure]) -> None:
    """Replace everything that this run's job has reported before."""
    given = list(figures)[:MOST]
    await database.execute(
        REPLACE,
        {
            "job": database.run.job,
            "names": [figure.name for figure in given],
            "labels": [json.dumps(dict(figure.labels), sort_keys=True) for figure in given],
            "values": [float(figure.value) for figure in given],
        },
    )

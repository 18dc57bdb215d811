"""What the workers' tables say: over all hosts, since they share one queue."""

from __future__ import annotations

from typing import LiteralString

import msgspec

MOST_FIGURES = 500
"""Rows of what jobs have measured that are read: series that a scrape may get of them."""

QUEUE: LiteralString = """
SELECT json_build_object(
         'queued', (
           SELECT coalesce(json_agg(json_build_array(task_name, status, jobs)), '[]')
             FROM (SELECT task_name, status, count(*) AS jobs
                     FROM autogpt_db.procrastinate_jobs
                    WHERE status IN ('todo', 'doing', 'failed')
                    GROUP BY task_name, status) AS counted),
         'succeeded', (
           SELECT coalesce(json_object_agg(job, seconds), '{}')
             FROM (SELECT job, extract(epoch FROM max(ended_at)) AS seconds
                     FROM autogpt_db.job_run
                    WHERE outcome = 'succeeded'
                    GROUP BY job) AS last),
         'progress', (
           SELECT coalesce(json_object_agg(job, share), '{}')
             FROM (SELECT job, sum(done)::float8 / sum(total) AS share
                     FROM autogpt_db.job_run
                    WHERE ended_at IS NULL
                      AND total > 0
                    GROUP BY job) AS running),
         'paused', (
           SELECT coalesce(json_agg(job), '[]')
             FROM autogpt_db.job_pause),
         'figures', (
           SELECT coalesce(json_agg(json_build_array(job, name, labels, value,
                                                     extract(epoch FROM measured_at))), '[]')
             FROM (SELECT job, name, labels, value, measured_at
                     FROM autogpt_db.job_figure
                    WHERE value NOT IN ('NaN', 'Infinity', '-Infinity')
                    ORDER BY job, name, labels
                    LIMIT %(most)s) AS measured)
       )
"""


class Figure(msgspec.Struct, array_like=True):
    """What a job has measured.

    Attributes:
        job: Which one.
        name: Of what; the metric's name without its prefix.
        labels: The metric's labels.
        value: How much.
        measured_at: When, as Unix time.
    """

    job: str
    name: str
    labels: dict[str, str | float | bool | None]
    value: float
    measured_at: float


class QueueFigures(msgspec.Struct):
    """The queue's state.

    Attributes:
        queued: Jobs by name and status: todo, doing or failed.
        succeeded: When a job was last done, as Unix time.
        progress: Share done of running jobs that tell it.
        paused: Jobs that an operator has paused.
        figures: What jobs have measured last.
    """

    queued: list[tuple[str, str, int]] = []
    succeeded: dict[str, float] = {}
    progress: dict[str, float | None] = {}
    paused: list[str] = []
    figures: list[Figure] = []


def decode(document: bytes) -> QueueFigures:
    """Read what `QUEUE` returned."""
    return msgspec.json.decode(document, type=QueueFigures)

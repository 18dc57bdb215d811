"""Jobs."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge, histogram

LONG = (0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of a job's buckets."""

JOB_RUNS = counter(
    "job_runs_total",
    "Runs of background jobs on this host that ended, by how they did.",
    "job",
    "outcome",
)
JOB_SECONDS = histogram("job_duration_seconds", LONG, "Seconds that a job's runs took.", "job")
JOBS_RUNNING = gauge("jobs_running", "Jobs that a worker process runs now.", own=True)
JOBS = gauge(
    "queued_jobs",
    "Jobs in the database's queue, over all hosts: todo, doing or failed.",
    "job",
    "status",
)

JOB_SUCCEEDED = gauge(
    "job_last_success_timestamp_seconds",
    "When a job was last done, on whatever host, as Unix time.",
    "job",
)
JOB_PROGRESS = gauge(
    "job_progress_ratio", "Share done of a running job that tells its progress.", "job"
)
JOB_PAUSED = gauge("job_paused", "1 for a job that an operator has paused.", "job")
JOB_MEASURED = gauge(
    "job_measured_timestamp_seconds", "When a job last measured something, as Unix time.", "job"
)

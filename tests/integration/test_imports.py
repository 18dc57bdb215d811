"""What an API process has in memory once it serves: nothing that nobody asked for."""

from __future__ import annotations

import sys

from api_process import ApiProcess
from waiting import wait_for

NEEDED = {
    "autogpt_db": "ourselves",
    "anyio": "Starlette's",
    "click": "the command line",
    "httptools": "HTTP",
    "msgspec": "settings and requests",
    "psycopg": "PostgreSQL",
    "psycopg_binary": "PostgreSQL",
    "psycopg_pool": "PostgreSQL",
    "sniffio": "anyio's, with some versions",
    "starlette": "what stands beside the methods",
    "structlog": "the log",
    "typing_extensions": "psycopg's and anyio's",
    "uvloop": "the event loop",
}
OURS = {"extra_operations", "__main__", "__mp_main__"}
# What compilers and multiprocessing put there: belongs to one of those above.
GENERATED = ("_cython_", "cython_runtime", "_sysconfigdata")
# What a machine's own Python loads before anything of ours, as Debian's does.
BEFORE_ALL = {"sitecustomize", "usercustomize"}


def loaded(api: ApiProcess) -> set[str]:
    """Return the top-level modules that are neither Python's own nor generated."""
    names = {name.partition(".")[0] for name in api.call("loaded_modules")}
    names -= set(sys.stdlib_module_names) | OURS | BEFORE_ALL
    return {name for name in names if not name.startswith(GENERATED)}


def use(api: ApiProcess) -> None:
    """Call what a client calls, well and wrongly, and look at the process from outside."""
    assert api.client.get("/health_check").status_code == 200
    assert api.client.get("/ready").status_code == 200
    assert api.client.get("/metrics").status_code == 200
    assert api.client.get("/openapi.json").status_code == 200
    api.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data={"a": 1})
    assert api.client.post("/get_user_by_id", json={"user_id": "nobody"}).status_code == 400
    assert api.client.post("/get_user_by_id", json={}).status_code == 422
    api.call("increment_onboarding_runs", user_id="alice")  # an event for whoever listens


def test_a_serving_process_has_imported_nothing_without_need(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        assert loaded(api) - NEEDED.keys() == set()
        use(api)
        extra = loaded(api) - NEEDED.keys()
        assert extra == set(), "import it where it is used, or say in NEEDED what it is for"


def test_no_garbage_is_looked_for_in_what_was_loaded(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        assert api.call("objects_that_stay") > 10 * len(api.call("loaded_modules"))


def test_redis_is_there_only_where_it_is_used(seeded_database_url: str) -> None:
    closed = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}
    with ApiProcess(seeded_database_url, environment=closed) as api:
        assert "redis" not in loaded(api)
        use(api)
        # The event is published beside the call.
        wait_for(lambda: api.events("event_not_published"), what="the event's failure")
        extra = loaded(api) - NEEDED.keys() - {"async_timeout"}  # redis', up to Python 3.11.2
        # redis looks for OpenTelemetry's SDK, and may find the folder that traces' messages are in.
        extra -= {"opentelemetry"}
        assert not [name for name in api.call("loaded_modules") if "opentelemetry." in name]
        assert extra == {"redis", "cryptography"}, "redis checks certificates with the latter"

"""A real Prometheus (Debian's package) against the service: it takes all of what is shown to it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest

import plain_http
from daemon_process import DaemonProcess, free_port
from waiting import PATIENCE, wait_for

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"

pytestmark = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus (Debian's package) is missing"
)


def how_to_scrape(port: int, token: Path) -> str:
    """Return what monitor-with-prometheus.md tells Prometheus, about a service that is here."""
    page = (MONITORING.parent / "howto" / "monitor-with-prometheus.md").read_text("utf-8")
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
    here = {
        "db.example:8005": f"127.0.0.1:{port}",
        "/etc/prometheus/autogpt-db.token": str(token),
    }
    for theirs, ours in here.items():
        assert theirs in block
        block = block.replace(theirs, ours)
    return textwrap.dedent(block)


def test_prometheus_scrapes_it_and_answers_every_query_of_the_dashboard(
    database_url: str, tmp_path: Path
) -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    with DaemonProcess(database_url=database_url, assignments=["api.token=t0ken"]) as daemon:
        headers = {"authorization": "Bearer t0ken"}
        (tmp_path / "token").write_text("t0ken")
        (tmp_path / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 500ms, evaluation_interval: 1s}}
rule_files: ["{MONITORING / "alerts.yml"}"]
{how_to_scrape(daemon.port, tmp_path / "token")}
"""
        )
        port = free_port()
        with (tmp_path / "log").open("wb") as log:
            server = subprocess.Popen(
                ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
                 f"--storage.tsdb.path={tmp_path / 'data'}",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
            )  # fmt: skip
        try:
            with plain_http.client(
                base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30
            ) as prometheus:

                def ask(query: str) -> list[dict[str, Any]]:
                    try:
                        reply = prometheus.get("/query", params={"query": query})
                    except httpx.TransportError:
                        return []
                    assert reply.status_code in {200, 503}, (query, reply.text)
                    return reply.json()["data"]["result"] if reply.status_code == 200 else []

                assert (tmp_path / "log").exists()
                wait_for(lambda: ask("autogpt_db_build_info"), what="the first scrape")
                for number in range(50):
                    body = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": number}
                    daemon.client.post("/set_execution_kv_data", json=body, headers=headers)
                counted = 'autogpt_db_requests_total{method="set_execution_kv_data"} == 50'
                wait_for(lambda: ask(counted), what="the calls")
                assert ask('up{job="autogpt-db"} == 1')
                rate = "sum(rate(autogpt_db_requests_total[1m])) > 0"
                wait_for(lambda: ask(rate), what="a rate")
                empty = []
                for query in queries:
                    text = query.replace("$instance", ".*").replace("$__rate_interval", "1m")
                    if not ask(text):
                        empty.append(query)
                print(f"{len(queries)} queries, without a result now: {empty}")
                # No standby; a queue with nothing in it; nobody has died or waited; nothing to pass
                # calls on to, nor what isn't known; no fault of the database's; jobs that have not
                # measured anything yet; no admin listener, whose the readers of live events are.
                allowed = re.compile(
                    r"replication_lag|queued_jobs|calls_passed_on|job_progress|job_paused|stuck|process_exits"
                    r"|pool_waits|balances|block_|accuracy|notification_batches|embeddings|retain"
                    r"|calls_with_unknown_arguments|database_faults|live_event"
                )
                assert [query for query in empty if not allowed.search(query)] == []
                rules = prometheus.get("/rules").json()["data"]["groups"][0]["rules"]
                wait_for(
                    lambda: all(
                        rule["health"] == "ok"
                        for rule in prometheus.get("/rules").json()["data"]["groups"][0]["rules"]
                    ),
                    what="the rules to be evaluated",
                )
                assert len(rules) >= 14
                assert [rule["name"] for rule in rules if rule["alerts"]] == []
        finally:
            server.terminate()
            server.wait(PATIENCE)

"""The admin listener of a running daemon: who is let in, and what strangers get."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

import plain_http
from admin_daemon import Admin, Stream
from autogpt_db.admin.runs import statements
from autogpt_db.logs.copies import SOCKET_NAME
from console_sessions import Shell
from daemon_process import PROGRAM
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def daemon(database_url_for_module: str) -> Iterator[Admin]:
    with Admin(database_url_for_module) as started:
        started.wait_admin()
        yield started


@pytest.fixture
def stranger(daemon: Admin) -> Iterator[httpx.Client]:
    with plain_http.client(base_url=daemon.admin) as client:
        yield client


@pytest.fixture(scope="module")
def browser(daemon: Admin) -> Iterator[httpx.Client]:
    with closing(daemon.browser()) as client:
        yield client


def test_it_is_a_child_of_its_own(daemon: Admin) -> None:
    tree = daemon.status()
    assert [process["name"] for process in tree["processes"]] == ["admin", "api_00"]
    assert all(process["state"] == "RUNNING" for process in tree["processes"])
    # The API's listener has nothing of it.
    assert plain_http.get(f"{daemon.base}/login").status_code in {404, 405}


def test_the_probes_are_open_and_nothing_else(stranger: httpx.Client) -> None:
    assert stranger.get("/healthz").json() == {"status": "live"}
    assert stranger.get("/readyz").json() == {"status": "ready"}
    for path in ("/", "/unknown", "/v1/jobs", "/events", "/static/../tokens.py", "//", "/%2e%2e/"):
        answer = stranger.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/tickets", "/logout"):
        assert stranger.post(path).status_code == 401
    page = stranger.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login")


def test_where_no_live_events_are_recorded_there_are_none_to_follow(browser: httpx.Client) -> None:
    answer = browser.get("/events")
    assert answer.status_code == 404
    assert "events.enabled" in answer.json()["detail"]


def test_metrics_are_those_of_all_processes(daemon: Admin, stranger: httpx.Client) -> None:
    answer = stranger.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for process in ("admin", "api_00"):
        assert f'autogpt_db_process_up{{process="{process}"}} 1' in answer.text
    assert _families(answer.text) == _families(daemon.client.get("/metrics").text)


def _families(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("# TYPE")]


def test_people_are_told_on_a_page(browser: httpx.Client) -> None:
    people = {"accept": "text/html,*/*;q=0.8"}
    for path, status in (("/runs?days=forever", 400), ("/runs/nothing", 404), ("/nowhere", 404)):
        page = browser.get(path, headers=people)
        assert page.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "days: expected one of" in browser.get("/runs?days=forever", headers=people).text
    found = browser.get("/v1/nowhere", headers=people)
    assert found.headers["content-type"] == "application/problem+json"


def test_a_link_works_once(daemon: Admin, stranger: httpx.Client) -> None:
    link = daemon.link()
    assert link.startswith(f"{daemon.admin}/login#")
    ticket = {"ticket": link.partition("#")[2]}
    answer = stranger.post("/login", data=ticket)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie, "there is no TLS here"
    assert stranger.get("/").status_code == 200
    with plain_http.client(base_url=daemon.admin) as another:
        assert another.post("/login", data=ticket).status_code == 401
        assert another.get("/").status_code == 401
    assert ticket["ticket"] not in daemon.log()


def test_behind_tls_the_cookie_never_travels_without(daemon: Admin, stranger: httpx.Client) -> None:
    ticket = {"ticket": daemon.link().partition("#")[2]}
    proxied = {"host": "localhost", "origin": "https://localhost"}
    answer = stranger.post("/login", data=ticket, headers=proxied)
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_session_ends_when_its_page_says_so(daemon: Admin) -> None:
    with closing(daemon.browser()) as client:
        cookies = dict(client.cookies)
        assert client.post("/logout").status_code == 204
        with plain_http.client(base_url=daemon.admin, cookies=cookies) as again:
            assert again.get("/").status_code == 401


@contextmanager
def streaming(client: httpx.Client) -> Iterator[Iterator[str]]:
    """Follow the overview; what has come first proves that it streams."""
    with client.stream("GET", "/live") as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        yield lines


def ends(lines: Iterator[str]) -> None:
    """Read to the end of a stream, which is cut off."""
    with pytest.raises(httpx.RemoteProtocolError):
        for _ in lines:
            pass


def test_a_stream_ends_with_its_session(daemon: Admin, browser: httpx.Client) -> None:
    with (
        closing(daemon.browser()) as leaving,
        plain_http.client(base_url=daemon.admin, cookies=dict(leaving.cookies)) as tab,
        streaming(browser) as others,
        streaming(tab) as its,
    ):
        assert leaving.post("/logout").status_code == 204
        ends(its)
        assert tab.get("/live").status_code == 401
        for _ in range(20):
            next(others)


def test_a_stream_ends_with_its_token(daemon: Admin, browser: httpx.Client) -> None:
    """And with the one that may act, whatever was let in by it."""
    headers = {"authorization": f"Bearer {daemon.command_output('admin', 'token')}"}
    with (
        plain_http.client(base_url=daemon.admin, headers=headers) as script,
        closing(daemon.browser()) as page,
        streaming(script) as of_script,
        streaming(page) as of_page,
    ):
        (daemon.state / "admin" / "read_token").unlink()
        ends(of_script)
        assert script.get("/v1/jobs").status_code == 401
        assert page.get("/v1/jobs").status_code == 200
        (daemon.state / "admin" / "token").unlink()
        ends(of_page)
        assert page.get("/").status_code == 401
    renewed = daemon.browser()
    browser.cookies, browser.headers = renewed.cookies, renewed.headers
    renewed.close()


def test_scripts_read_and_do_not_act(daemon: Admin, stranger: httpx.Client) -> None:
    token = daemon.command_output("admin", "token")
    reads = {"authorization": f"Bearer {token}"}
    assert stranger.get("/", headers=reads).status_code == 200
    refused = stranger.post("/tickets", headers=reads)
    assert refused.status_code == 403
    assert "may only read" in refused.json()["detail"]
    for wrong in ("Bearer x", f"Bearer {token}x", f"Basic {token}", token, "Bearer"):
        assert stranger.get("/", headers={"authorization": wrong}).status_code == 401
    assert token not in daemon.log()
    assert "admin_refused" in daemon.log()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": "another"},
        {"x-csrf-token": ""},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},  # another port of the same host gets the cookie, too
        {"origin": "null"},
        {"origin": "http://[evil"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_foreign_page_cannot_act(browser: httpx.Client, headers: Mapping[str, str]) -> None:
    refused = browser.post("/tickets", headers=headers)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert browser.post("/tickets").status_code == 201, "its own page can"


def test_a_foreign_page_cannot_read(browser: httpx.Client) -> None:
    for site in ("same-site", "cross-site"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        assert browser.get("/", headers=headers).status_code == 403


def test_it_answers_to_its_own_name_alone(stranger: httpx.Client, browser: httpx.Client) -> None:
    for client in (stranger, browser):
        for host in ("evil.example", "127.0.0.1.evil.example:8905", "192.0.2.7"):
            for path in ("/", "/healthz", "/login", "/static/admin.css"):
                assert client.get(path, headers={"host": host}).status_code == 421


def test_every_answer_says_what_browsers_shall_not_do(
    stranger: httpx.Client, browser: httpx.Client
) -> None:
    answers = [
        browser.get("/"),
        stranger.get("/login"),
        stranger.get("/healthz"),
        stranger.get("/nowhere"),
        stranger.get("/static/admin.css"),
        stranger.get("/healthz", headers={"host": "evil.example"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
    assert answers[0].headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/static/..%2ftokens.py", "/static/%2e%2e/tokens.py", "/static/admin.css/..",
     "/static//etc/passwd", "/static/admin.css%00.js", "/static/"],
)  # fmt: skip
def test_a_path_leads_to_no_other_file(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code in {401, 404}, answer.text
    assert "import" not in answer.text


GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ENDLESS = b"X-Endless: " + b"x" * 40_000


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (GET + ENDLESS, [431]),
        (GET + b"\r\n" + GET + ENDLESS, [200, 431]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, [400]),  # TLS
        (b"GET /\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\n\r\n", [400]),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]),
        (GET + b"Host: localhost\r\n\r\n", [400]),
        (GET + b"Host : localhost\r\n\r\n", [400]),
        (GET + b"Transfer-Encoding: gzip\r\n\r\n", [501]),
        (GET + b"Content-Length: +1\r\n\r\n", [400]),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", [400]),
        # Two may read this as two things: the second request is nobody's.
        (GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, [400]),
        (GET.replace(b"GET /healthz", b"POST /login")
         + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", [400]),
        (b"GET / HTTP/1.0\r\n\r\n", [421]),
        (b"CONNECT evil.example:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", [401]),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", [401]),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", [401]),
    ],
    ids=lambda given: repr(given)[-60:],
)  # fmt: skip
def test_what_is_no_request_is_told_so_and_the_connection_ends(
    daemon: Admin, sent: bytes, statuses: list[int]
) -> None:
    with socket.create_connection(("127.0.0.1", daemon.admin_port)) as stranger:
        stranger.settimeout(PATIENCE)
        stranger.sendall(sent)
        answers = read_to_the_end(stranger)
    assert [int(each[9:12]) for each in answers] == statuses
    if statuses[-1] != 200:
        head, _, body = answers[-1].partition(b"\r\n\r\n")
        for header in (b"application/problem+json", b"default-src 'none'", b"nosniff"):
            assert header in head
        assert json.loads(body)["status"] == statuses[-1]


def read_to_the_end(connection: socket.socket) -> list[bytes]:
    """Return the answers that came until the other side has ended the connection."""
    content = b"".join(iter(lambda: connection.recv(65536), b""))
    return [b"HTTP/1.1 " + each for each in content.split(b"HTTP/1.1 ")[1:]]


def test_a_head_of_a_stream_is_answered(browser: httpx.Client) -> None:
    answer = browser.head("/live")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_what_a_form_may_bring_is_bounded(stranger: httpx.Client) -> None:
    assert stranger.post("/login", data={"ticket": "x" * 20_000}).status_code == 413
    fields = {f"f{number}": "" for number in range(100)}
    assert stranger.post("/login", data=fields).status_code == 400
    with socket.create_connection(("127.0.0.1", stranger.base_url.port)) as silent:
        silent.settimeout(PATIENCE)
        silent.sendall(b"GET /healthz HTTP/1.1\r\nX-Endless: " + b"x" * 40_000)
        assert silent.recv(100).startswith(b"HTTP/1.1 431 ")
    assert stranger.get("/healthz").status_code == 200


EVIL = "<img src=x onerror=alert(1)>\"'</svg><script>alert(2)</script>"


@pytest.fixture(scope="module")
def runs(daemon: Admin, database_url_for_module: str) -> Iterator[psycopg.Connection[Any]]:
    """Runs `r000` to `r119`, one a minute ago each, of a graph whose name is no harmless text."""
    del daemon  # it makes the tables' last changes
    with psycopg.connect(database_url_for_module, autocommit=True) as connection:
        connection.execute("SET search_path = platform")
        connection.execute(
            """INSERT INTO "User" (id, email, "updatedAt") VALUES ('u1', 'a@example.com', now()),
                                                                  ('u2', 'b@example.com', now())"""
        )
        connection.execute(
            """INSERT INTO "AgentGraph" (id, version, name, "userId") VALUES ('g', 1, %s, 'u1')""",
            [EVIL],
        )
        connection.execute(
            """INSERT INTO "AgentBlock" (id, name, "inputSchema", "outputSchema")
               VALUES ('b', %s, '{}', '{}')""",
            [EVIL],
        )
        connection.execute(
            """INSERT INTO "AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion")
               VALUES ('n', 'b', 'g', 1)"""
        )
        connection.execute(
            """INSERT INTO "AgentGraphExecution"
                      (id, "agentGraphId", "agentGraphVersion", "userId", "createdAt",
                       "startedAt", "updatedAt", "executionStatus")
               SELECT 'r' || to_char(n, 'FM000'), 'g', 1,
                      CASE WHEN n % 2 = 0 THEN 'u1' ELSE 'u2' END,
                      moment, moment, moment,
                      (ARRAY['COMPLETED', 'FAILED'])[1 + (n % 10 = 0)::int]::"AgentExecutionStatus"
                 FROM (SELECT n, timezone('utc', now()) - n / 2 * interval '2 minutes' AS moment
                         FROM generate_series(0, 119) AS n) AS made"""
        )
        yield connection


def ids(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'href="/runs/(r\d+)"', page.text)


def test_runs_are_listed_page_by_page(browser: httpx.Client, runs: object) -> None:
    del runs
    found: list[str] = []
    address: str | None = "/runs?days=1"
    while address is not None:
        page = browser.get(address)
        found += ids(page)
        more = re.search(r'<a href="([^"]+)" rel="next">', page.text)
        address = html.unescape(more[1]) if more else None
    # Two have the same moment each: none is left out between two pages, and none comes twice.
    assert sorted(found) == [f"r{number:03}" for number in range(120)]
    assert len(found[:50]) == 50
    assert ids(browser.get("/runs?status=FAILED&user=u1")) == [
        f"r{number:03}" for number in range(0, 120, 10)
    ]
    assert len(ids(browser.get("/runs?graph=g&user=u2&days=90"))) == 50
    assert ids(browser.get("/runs?user=nobody")) == []
    assert browser.get("/runs?days=forever").json()["detail"].startswith("days: ")


def test_no_name_becomes_markup(daemon: Admin, browser: httpx.Client, runs: object) -> None:
    del runs
    said = daemon.command_output("top", "--once", "--json", "--interval", "0.2")
    assert "onerror" not in said + daemon.log(), "neither top nor the log has names"
    for path in ("/runs", "/runs/r000", f"/runs?user={quote(EVIL)}&graph={quote(EVIL)}"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "<img src=x" not in page.text
        assert "<script>alert" not in page.text
        # The graph's name, which is a user's, isn't shown at all.
        assert ("&lt;img src=x" in page.text) == ("?" in path)
    for path in ("/runs/%00", "/runs/nothing", "/runs/..%2f..%2fetc", "/runs/" + "x" * 500):
        assert browser.get(path).status_code == 404


def test_a_run_is_followed_to_its_end_and_its_content_is_not_shown(
    browser: httpx.Client, runs: psycopg.Connection[Any]
) -> None:
    def page() -> str:
        answer = browser.get("/runs/followed")
        assert answer.status_code == 200
        return answer.text

    runs.execute(
        """INSERT INTO "AgentGraphExecution"
                  (id, "agentGraphId", "userId", "executionStatus", inputs)
           VALUES ('followed', 'g', 'u1', 'QUEUED', '{"given": "s3cret"}')"""
    )
    assert "data-live" in page()
    assert "QUEUED" in page()
    runs.execute(
        """UPDATE "AgentGraphExecution" SET "executionStatus" = 'RUNNING',
                  "startedAt" = timezone('utc', now()) WHERE id = 'followed'"""
    )
    runs.execute(
        """INSERT INTO "AgentNodeExecution"
                  (id, "agentGraphExecutionId", "agentNodeId", "executionStatus", "startedTime",
                   stats)
           VALUES ('e1', 'followed', 'n', 'RUNNING', timezone('utc', now()),
                   '{"llm_retry_count": 7, "error": "s3cret"}')"""
    )
    runs.execute(
        """INSERT INTO "AgentNodeExecutionInputOutput" (id, name, "referencedByInputExecId", data)
           VALUES ('v', 'prompt', 'e1', '"s3cret"')"""
    )
    running = page()
    assert "&lt;img src=x" in running, "the block's name"
    assert "<img src=x" not in running
    assert 'rect class="RUNNING"' in running
    assert '<td class="n">7</td>' in running
    assert "admin.show_content" in running
    runs.execute(
        """UPDATE "AgentGraphExecution" SET "executionStatus" = 'COMPLETED',
                  "endedAt" = timezone('utc', now()) WHERE id = 'followed'"""
    )
    ended = page()
    assert "data-live" not in ended
    assert "s3cret" not in running + ended


def test_pages_of_runs_come_from_an_index(runs: psycopg.Connection[Any]) -> None:
    """No list is sorted as a whole, however many runs there are."""
    runs.execute("SET enable_seqscan = off")
    runs.execute("SET enable_bitmapscan = off")
    given = {
        "status": None,
        "days": 7,
        "before": "2999-01-01",
        "before_id": "",
        "limit": 51,
        "content": False,
    }
    for statement, more in (
        (statements.LIST, {}),
        (statements.LIST_BY_USER, {"user": "u1"}),
    ):
        plan = "\n".join(
            row[0] for row in runs.execute("EXPLAIN " + statement, given | more).fetchall()
        )
        assert 'Index Scan Backward using "AgentGraphExecution_' in plan, plan
        assert "Incremental Sort" in plan, plan


@pytest.fixture(scope="module")
def stream(browser: httpx.Client) -> Iterator[Stream]:
    with closing(Stream(browser)) as opened:
        wait_for(lambda: len(opened.sections) == 5, what="every section")
        yield opened


def test_the_log_is_copied_while_somebody_watches(daemon: Admin, browser: httpx.Client) -> None:
    copies = daemon.runtime / SOCKET_NAME
    for _ in range(2):
        with browser.stream("GET", "/live", timeout=PATIENCE) as answer:
            wait_for(copies.exists, what="the copies")
            assert next(answer.iter_lines()).startswith("event: ")
        wait_for(lambda: not copies.exists(), what="the end of the copies")


def test_the_stream_shows_what_there_is(stream: Stream) -> None:
    tree = stream.sections["tree"]
    assert [process["name"] for process in tree["processes"]] == ["admin", "api_00"]
    assert tree["processes"][1]["lanes"]["heavy"]["size"] > 0
    assert tree["processes"][1]["memory"] > 1_000_000
    assert stream.sections["database"]["up"] is True
    assert stream.sections["database"]["locks"] == []
    assert stream.sections["stuck"]["stuck"] == []
    jobs = {row["job"]: row for row in stream.sections["jobs"]["jobs"]}
    assert jobs["watch_executions"]["schedule"] == "*/10 * * * *"
    assert stream.sections["rates"]["interval"] == 15


def test_the_log_comes_live_with_declared_fields_alone(daemon: Admin, stream: Stream) -> None:
    evil = "<img src=x onerror=alert(1)>"

    def told() -> list[dict[str, Any]]:
        daemon.client.post("/get_user_by_id", json={"user_id": evil})
        return [line for line in stream.lines if line["event"] == "request"]

    wait_for(told, what="a request's line")
    line = told()[-1]
    assert line["method"] == "get_user_by_id"
    assert line["process"] == "api_00"
    assert "onerror" not in json.dumps(stream.lines), "what was sent is in no field"


def test_a_job_is_run_paused_and_resumed(browser: httpx.Client, stream: Stream) -> None:
    def job() -> dict[str, Any]:
        rows: list[dict[str, Any]] = stream.sections["jobs"]["jobs"]
        return next(row for row in rows if row["job"] == "retain")

    answer = browser.post("/jobs/retain/pause")
    assert answer.json() == {"message": "retain is paused."}
    wait_for(lambda: job()["paused"], what="the pause is shown")
    assert browser.post("/jobs/retain/pause").json() == {"message": "retain is paused already."}
    assert browser.post("/jobs/retain/run").status_code == 200
    wait_for(lambda: job()["waiting"] == 1, what="what waits is shown")
    assert browser.post("/jobs/retain/resume").status_code == 200
    wait_for(lambda: not job()["paused"], what="the end of the pause is shown")
    assert browser.post("/jobs/nonsense/run").status_code == 404
    assert browser.post("/failed/1/requeue").status_code == 409
    assert browser.post("/failed/99999999999999999999/requeue").status_code == 404
    assert browser.get("/jobs/retain/run").status_code == 405


def test_a_kill_is_shown(daemon: Admin, stream: Stream) -> None:
    before = daemon.pid_of("api:api_00")
    os.kill(before, signal.SIGKILL)

    def shown() -> bool:
        process = stream.sections["tree"]["processes"][1]
        return bool(process["pid"] not in {before, None} and "KILL" in str(process["last_exit"]))

    wait_for(shown, what="the kill is shown")
    assert stream.sections["tree"]["processes"][1]["restarts"] == 1


def test_the_how_to_s_commands_do_what_it_says(daemon: Admin) -> None:
    # Among the last: it restarts the listener, and browsers are let in until then alone.
    page = (Path(__file__).parents[2] / "docs" / "howto" / "look-at-it.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_ADMIN_ENABLED": "true",
        "AUTOGPT_DB_ADMIN_PORT": str(daemon.admin_port),
    }
    with Shell(daemon.directory, environment) as shell:
        opened, scraped, restarted = (
            shell.run(block.replace(":8905", f":{daemon.admin_port}").rstrip()) for block in blocks
        )
    assert re.search(r"http://127\.0\.0\.1:\d+/login#\S{20}", opened[1]), opened
    assert "autogpt_db_process_up" in scraped[1], scraped
    assert "admin: started" in restarted[1], restarted
    daemon.wait_admin()


def test_it_comes_back_when_it_is_killed_and_the_service_goes_on(daemon: Admin) -> None:
    before = daemon.pid_of("admin")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: daemon.pid_of("admin") not in {before, 0}, what="another one")
    daemon.wait_admin()
    assert daemon.client.get("/ready").status_code == 200


def test_a_taken_port_keeps_nobody_from_serving(
    daemon: Admin, database_url_for_module: str
) -> None:
    with Admin(database_url_for_module, f"admin.port={daemon.admin_port}") as second:
        assert second.client.get("/ready").status_code == 200
        wait_for(lambda: "admin failed" in second.command_output("status"), what="STATUS says so")
        assert "choose another admin.port" in second.log()
        refused = second.run("admin", "open")
        assert refused.returncode != 0, "no token goes to who has the port"
        assert "does not run" in refused.stderr
        seen = second.run("doctor").stdout
        assert f"127.0.0.1:{daemon.admin_port}" in seen
        second.command_output("ctl", "reload", "--wait")

"""REST: what it shows of a real database, how it pages, and what it answers to what doesn't fit."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

import msgspec
import pytest

from admin_pages import Pages
from autogpt_db.operations import Database, Operation, Reply, Resource
from autogpt_db.rest import load_resources, router
from autogpt_db.rest.beside import LARGE
from autogpt_db.rest.requests import cursor_behind
from autogpt_db.rest.resources import type_of
from autogpt_db.rest.shown import shown
from autogpt_db.settings import LimitsSettings
from declared_replies import check_document
from releases.building import LATEST
from rest_client import Rest, filled_path, links
from service import Service
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from releases.building import ReleaseDatabases

RESOURCES = load_resources()
RANGE = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
QUERIES: dict[str, dict[str, Any]] = {
    "/statistics/block-errors": RANGE,
    "/users/{user_id}/summary": RANGE,
}
"""What must be said in a query."""
COMPUTED_NOW = {"/graphs/{graph_id}/accuracy", "/users/{user_id}/notification-preferences"}
"""What says something of this very moment."""
_MORE = """
WITH reviews AS (
    INSERT INTO platform."PendingHumanReview"
           ("nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", "payload", "status",
            "createdAt")
    SELECT 'asked-' || n, run."userId", run."id", run."agentGraphId", run."agentGraphVersion",
           '{"a": 1}', CASE WHEN n > 3 THEN 'WAITING' ELSE 'APPROVED' END::platform."ReviewStatus",
           '2026-01-01'
      FROM (SELECT * FROM platform."AgentGraphExecution" ORDER BY "id" LIMIT 1) AS run,
           generate_series(1, 5) AS n
), entries AS (
    INSERT INTO platform."CreditTransaction"
           ("transactionKey", "createdAt", "userId", "amount", "type", "runningBalance")
    SELECT 'entry-' || n, '2026-01-01', "id", n, 'USAGE', n
      FROM (SELECT min("id") AS "id" FROM platform."User") AS account, generate_series(1, 5) AS n
)
INSERT INTO autogpt_db.job_run (job_id, job, attempt, process, ended_at, outcome, result)
SELECT n, 'refresh_store_views', 1, 'worker_00', clock_timestamp(), 'succeeded', '{"rows": 1}'
  FROM generate_series(1, 5) AS n
"""
SENT = {
    "user_id": 'SELECT "id" FROM "User"',
    "execution_id": 'SELECT "id" FROM "AgentGraphExecution"',
    "graph_id": 'SELECT DISTINCT "id" FROM "AgentGraph"',
    "session_id": 'SELECT "id" FROM "ChatSession"',
    "org_id": 'SELECT "id" FROM "Organization"',
    "job": "SELECT 'refresh_store_views'",
}
"""Where the arguments of paths are found."""


@pytest.fixture(scope="module")
def latest(releases: ReleaseDatabases) -> Iterator[Service]:
    """Yield operations on the latest release's rows, which nothing here changes."""
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with Service(url) as service:
        service.rows(_MORE)
        yield service
    releases.drop(url)


@pytest.fixture(scope="module")
def rest(latest: Service) -> Rest:
    return Rest(latest)


def targets(service: Service) -> Iterator[tuple[str, str]]:
    """Yield each resource's path, and what to ask for: one of it for all that is there."""
    known = {name: [row[0] for row in service.rows(sql)] for name, sql in SENT.items()}
    for path, operation in RESOURCES.items():
        assert operation.rest is not None
        (name, *others) = operation.rest.placeholders or ("",)
        assert not others, "more than one argument: say which go together"
        for value in known[name] if name else [""]:
            yield path, filled_path(path, {name: value})


def asked(rest: Rest, path: str, target: str) -> Any:
    return rest.get(target, **QUERIES.get(path, {}))


def test_everything_is_what_it_is_declared_to_be(latest: Service, rest: Rest) -> None:
    full = Rest(latest, content=True)
    seen = set()
    for path, target in targets(latest):
        response = asked(full, path, target)
        assert response.status_code in {200, 404}, (target, response.text)
        less = asked(rest, path, target)
        assert less.status_code == response.status_code
        if response.status_code == 200:
            seen.add(path)
            check_document(type_of(RESOURCES[path]), response.json())
            if path not in COMPUTED_NOW:
                trimmed = shown(type_of(RESOURCES[path]), content=False)(response.content)
                assert less.json() == json.loads(msgspec.json.encode(trimmed)), target
    assert seen == set(RESOURCES)


# Canaries ------------------------------------------------------------------------------------

CANARY, SECRET = "canary", "s3cret-canary"
_SECRETS = {"shareToken", "integrations", "stripeCustomerId", "secret", "token", "apiKey", "hash"}
# Labels that AutoGPT's own code writes; and a column that only a time zone's name fits.
_NO_CONTENT = {("User", "timezone"), ("ChatSession", "metadata")}
_COLUMNS = """
SELECT class.relname, attribute.attname, attribute.atttypid::regtype::text
  FROM pg_class AS class
  JOIN pg_attribute AS attribute
    ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
 WHERE class.relnamespace = 'platform'::regnamespace
   AND class.relkind = 'r'
   AND attribute.atttypid::regtype::text IN ('text', 'jsonb', 'text[]')
   AND attribute.attname !~ 'Id$'
   AND NOT EXISTS (
       SELECT
         FROM pg_constraint AS key
        WHERE key.conrelid = class.oid AND key.contype IN ('p', 'f')
          AND attribute.attnum = ANY (key.conkey)
   )
"""
_JSON = json.dumps(
    dict.fromkeys(("canary", "error", "activity_status", "failure_reason", "title", "name"), CANARY)
)
# A node may be set to one; what a user has put into a run is the user's content as it is.
_SET_TO = json.dumps({"canary": CANARY, "api_key": SECRET, "deeper": {"password": SECRET}})


@pytest.fixture(scope="module")
def with_canaries(releases: ReleaseDatabases) -> Iterator[Service]:
    """Yield a database in which all that users and AutoGPT write is a canary."""
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with Service(url) as service:
        service.rows("SET session_replication_role = replica")
        service.rows(_MORE)
        for table, column, kind in service.rows(_COLUMNS):
            if (table, column) in _NO_CONTENT:
                continue
            document = _SET_TO if column == "constantInput" else _JSON
            word = SECRET if column in _SECRETS else CANARY
            value = {
                "text": f"'{word} ' || gen_random_uuid()",
                "text[]": f"ARRAY['{word}']",
                "jsonb": f"""CASE jsonb_typeof("{column}")
                    WHEN 'object' THEN "{column}" || '{document}'
                    ELSE '{document}'::jsonb
                END""",
            }[kind]
            service.rows(f'UPDATE platform."{table}" SET "{column}" = {value}')
        yield service
    releases.drop(url)


def test_no_content_is_shown_unless_it_is_wanted(with_canaries: Service) -> None:
    less, full = Rest(with_canaries), Rest(with_canaries, content=True)
    shown_where = set()
    for path, target in targets(with_canaries):
        response = asked(less, path, target)
        assert response.status_code < 500, (target, response.text)
        for text in (response.text, str(response.headers)):
            assert CANARY not in text, (target, text)
        whole = asked(full, path, target)
        if CANARY in whole.text:
            shown_where.add(path)
        assert SECRET not in whole.text, (target, whole.text)
    # Otherwise nothing is proven here.
    assert shown_where >= {
        "/chats/{session_id}",
        "/executions",
        "/executions/{execution_id}",
        "/executions/{execution_id}/nodes",
        "/executions/{execution_id}/reviews",
        "/graphs",
        "/graphs/{graph_id}",
        "/graphs/{graph_id}/versions",
        "/users",
        "/users/{user_id}",
        "/users/{user_id}/chats",
        "/users/{user_id}/organizations",
        "/users/{user_id}/summary",
        "/users/{user_id}/transactions",
    }


def test_the_pages_for_people_have_the_same_rule(with_canaries: Service, tmp_path: Path) -> None:
    with_canaries.rows("""UPDATE platform."AgentBlock" SET "name" = "id" """)  # AutoGPT's own
    with_canaries.rows(f"""UPDATE platform."AgentGraph" SET "name" = '<img src=x>{CANARY}'""")
    less, full = (Pages(with_canaries, tmp_path, content=content) for content in (False, True))
    there = 'SELECT "id" FROM "AgentGraphExecution" WHERE NOT "isDeleted"'
    runs = [row[0] for row in with_canaries.rows(there)]
    titles, values = set(), set()
    for path in ("/runs?days=3650", *(f"/runs/{quote(run)}" for run in runs)):
        hidden = less.get(path)
        assert hidden.status_code == 200
        assert CANARY not in hidden.text
        shown = full.get(path).text
        assert "<img src=x" not in shown
        if f"&lt;img src=x&gt;{CANARY}" in shown:
            titles.add(path.rpartition("/")[0])
        if "<pre>" in shown:
            values.add(path)
        assert SECRET not in shown
    assert titles == {"", "/runs"}, "names of graphs, in the list and above a run"
    assert values


def test_readiness_says_why_not_and_when_to_ask_again(latest: Service, tmp_path: Path) -> None:
    pages = Pages(latest, tmp_path)
    assert pages.get("/readyz").status_code == 200
    pages.stopping.set()
    answer = pages.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["detail"] == "The process is stopping."


# Pages ---------------------------------------------------------------------------------------

PAGED = [
    path for path, operation in RESOURCES.items() if operation.rest and operation.rest.pages_by
]


@pytest.mark.parametrize("path", PAGED)
def test_pages_are_the_list(latest: Service, rest: Rest, path: str) -> None:
    longest = 0
    for each, target in targets(latest):
        if each != path:
            continue
        response = rest.get(target, limit=1000)
        (whole,) = [response.json()]
        assert "next" not in links(response)
        longest = max(longest, len(whole))
        for limit in (1, 2):
            pages = list(rest.pages(target, limit=limit))
            assert [document for page in pages for document in page] == whole
            assert all(len(page) == limit for page in pages[:-1])
            assert pages[-1] or len(pages) == 1, "a page promised more and there was none"
    assert longest > 1, "nothing was turned over"


def test_rows_of_one_moment_are_turned_over_without_loss(service: Service) -> None:
    service.rows('UPDATE "AgentGraphExecution" SET "createdAt" = \'2026-01-01 00:00:00.123\'')
    rest = Rest(service)
    ids = [each["id"] for page in rest.pages("/executions", limit=1) for each in page]
    everyone = service.rows('SELECT "id" FROM "AgentGraphExecution" WHERE NOT "isDeleted"')
    assert sorted(ids) == sorted(row[0] for row in everyone)
    assert len(ids) > 2


def test_filters_of_executions(service: Service) -> None:
    rest = Rest(service)

    def ids(**query: Any) -> set[str]:
        return {each["id"] for page in rest.pages("/executions", limit=1, **query) for each in page}

    everything = {
        row[0]: row[1:]
        for row in service.rows(
            'SELECT "id", "userId", "agentGraphId", "executionStatus"::text, "createdAt"'
            ' FROM "AgentGraphExecution" WHERE NOT "isDeleted"'
        )
    }
    assert ids() == set(everything)
    assert ids(user_id="alice") == {key for key, row in everything.items() if row[0] == "alice"}
    assert ids(graph_id="g1") == {key for key, row in everything.items() if row[1] == "g1"}
    both = ["QUEUED", "RUNNING"]
    old = {"created_from": "2000-01-01"}
    assert ids(statuses=both, **old) == {key for key, row in everything.items() if row[2] in both}
    assert ids(user_id="alice", statuses="QUEUED") == {
        key for key, row in everything.items() if row[0] == "alice" and row[2] == "QUEUED"
    }
    middle = sorted(row[3] for row in everything.values())[1]
    begun = ids(created_from=middle.isoformat())
    assert begun == {key for key, row in everything.items() if row[3] >= middle}
    assert ids(created_before=middle.isoformat()) == set(everything) - begun
    # Of statuses alone only the last days are looked through.
    assert ids(statuses=both) == set()
    service.rows(
        """
        UPDATE "AgentGraphExecution" SET "createdAt" = now() WHERE "executionStatus" = 'QUEUED'
        """
    )
    assert ids(statuses=both) == {key for key, row in everything.items() if row[2] == "QUEUED"}


def test_reviews_that_wait(latest: Service, rest: Rest) -> None:
    asked = 'SELECT "graphExecId" FROM "PendingHumanReview" WHERE "nodeExecId" = %(id)s'
    run = latest.value(asked, id="asked-1")
    waiting = [each for page in rest.pages(f"/executions/{run}/reviews", waiting=True, limit=1)
               for each in page]  # fmt: skip
    everything = rest.get(f"/executions/{run}/reviews").json()
    assert waiting == [each for each in everything if each["status"] == "WAITING"]
    assert 0 < len(waiting) < len(everything)


def test_a_cursor_of_another_list_or_of_nobody_is_refused(rest: Rest) -> None:
    other = links(rest.get("/users", limit=1))["next"].rpartition("cursor=")[2]
    for cursor in (other, "", "!", "AAAA", "bnVsbA", "e30", "W10", "WzEsMl0", "x" * 5000, "é"):
        response = rest.get("/executions", cursor=cursor)
        assert response.status_code == 400, (cursor, response.text)
        (fault,) = response.json()["errors"]
        assert fault["parameter"] == "cursor"
    # One that fits says no more than where to go on.
    forged = "WyI5OTk5LTEyLTMxVDIzOjU5OjU5WiIsIicgT1IgMT0xIC0tIl0"
    assert rest.get("/executions", cursor=forged).status_code == 200


LONG_NAMES = """
WITH long AS (
    SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 4000) AS n
), graphs AS (
    UPDATE platform."AgentGraph" SET "name" = long.text, "description" = long.text FROM long
), reviews AS (
    UPDATE platform."PendingHumanReview"
       SET "instructions" = long.text, "reviewMessage" = long.text
      FROM long
), entries AS (
    UPDATE platform."CreditTransaction"
       SET "metadata" = jsonb_build_object('why', long.text)
      FROM long
), organizations AS (
    UPDATE platform."Organization" SET "name" = long.text FROM long
)
UPDATE platform."User" SET "name" = long.text FROM long
"""


def test_what_is_left_out_is_not_read(releases: ReleaseDatabases) -> None:
    """A page that shows no content isn't too large because of it."""
    url = releases.fresh(LATEST, seeded=True, ours=True)
    too_large = set()
    with Service(url, limits=LimitsSettings(result_bytes=65_536)) as service:
        service.rows(_MORE)
        service.rows(LONG_NAMES)
        rest, full = Rest(service), Rest(service, content=True)
        for path, target in targets(service):
            resource = RESOURCES[path].rest
            assert resource is not None
            if not resource.content:
                continue
            response = asked(rest, path, target)
            assert response.status_code in {200, 404}, (target, response.text)
            if "result_bytes" in asked(full, path, target).text:
                too_large.add(path)
    releases.drop(url)
    assert too_large >= {
        "/graphs",
        "/graphs/{graph_id}/versions",
        "/users",
        "/users/{user_id}",
        "/users/{user_id}/organizations",
        "/users/{user_id}/reviews",
        "/users/{user_id}/transactions",
    }


# Requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "parameter"),
    [
        ("/executions?limit=0", "limit"),
        ("/executions?limit=-1", "limit"),
        ("/executions?limit=1001", None),
        ("/executions?limit=ten", "limit"),
        ("/executions?limit=1&limit=2", "limit"),
        ("/executions?statuses=DONE", "statuses"),
        ("/executions?created_from=yesterday", "created_from"),
        ("/executions?after_id=e1", "after_id"),
        ("/executions?content=true", "content"),
        ("/executions?user_id=%00", "user_id"),
        ("/executions?user_id=%ff", None),
        ("/executions?%00=1", "\0"),
        ("/executions?" + "&".join(f"statuses=QUEUED{n}" for n in range(300)), None),
        ("/users?user_id=alice", "user_id"),
        ("/users/alice/summary?start_time=2026-01-01", "end_time"),
        ("/graphs/g1?version=one", "version"),
        ("/graphs/g1?version=99999999999999999999", "version"),
        ("/graphs?cursor=WyJhIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTld", "cursor"),
        ("/graphs/g1?skip_access_check=true", "skip_access_check"),
        ("/graphs/g1?for_export=false", "for_export"),
        ("/jobs?cursor=WzFd", "cursor"),
        ("/executions/%00", "execution_id"),
    ],
)
def test_what_does_not_fit_is_named(rest: Rest, target: str, parameter: str | None) -> None:
    response = rest.get(target)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 400
    assert problem["title"] == "Bad Request"
    if parameter is not None:
        assert [fault["parameter"] for fault in problem["errors"]] == [parameter]


def test_what_is_too_large_is_named(seeded_database_url_for_module: str) -> None:
    limits = LimitsSettings(text_length=256, items=10)
    with Service(seeded_database_url_for_module, limits=limits) as service:
        rest = Rest(service)
        long = "x" * 257
        cursor = cursor_behind(msgspec.Raw(msgspec.json.encode({"id": long})), ("id",))
        for target, parameter, detail in (
            (f"/executions?user_id={long}", "user_id", "It has 257 characters, and at most 256"),
            (f"/executions/{long}", "execution_id", "It has 257 characters, and at most 256"),
            (f"/users?cursor={cursor}", "cursor", "It is no cursor of this list"),
            ("/executions?" + "&".join(["statuses=QUEUED"] * 11), "statuses",
             "It has 11 items, and at most 10 are"),
        ):  # fmt: skip
            response = rest.get(target)
            assert response.status_code == 400, response.text
            (fault,) = response.json()["errors"]
            assert fault["parameter"] == parameter
            assert fault["detail"].startswith(detail)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/executions/",
        "//executions",
        "/nothing",
        "/executions/none",
        "/executions/e1/nodes/x1",
        "/executions/..%2f..%2fusers",
        "/executions/%2e%2e",
        "/users/nobody",
        "/users/nobody/balance",
        "/users/nobody/notification-preferences",
        "/graphs/none",
        "/graphs/g1?version=99",
        "/chats/none",
        "/jobs/none",
        "/organizations/none/owner",
        "/EXECUTIONS",
        "/executions;x=1",
        "/get_user_integrations",
        "/users/alice/integrations",
    ],
)
def test_what_is_not_there_is_not_found(rest: Rest, target: str) -> None:
    response = rest.get(target)
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "Not Found"


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("target", ["/users/alice", "/openapi.json", "/nothing"])
def test_nothing_is_written(rest: Rest, verb: str, target: str) -> None:
    response = rest.get(target, verb=verb)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["status"] == 405


@pytest.mark.parametrize("target", ["/users", "/users/alice", "/users/nobody", "/openapi.json"])
def test_a_head_is_that_of_a_get(rest: Rest, target: str) -> None:
    whole, head = rest.get(target), rest.get(target, verb="HEAD")
    assert head.content == b""
    assert head.headers == whole.headers
    assert head.status_code == whole.status_code


def test_a_document_that_the_client_has_is_not_sent_again(service: Service) -> None:
    rest = Rest(service)
    first = rest.get("/executions/e1")
    tag = first.headers["etag"]
    for has in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = rest.get("/executions/e1", headers={"If-None-Match": has})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert rest.get("/executions/e1", headers={"If-None-Match": '"other"'}).status_code == 200
    service.rows('UPDATE "AgentGraphExecution" SET "isShared" = NOT "isShared" WHERE "id" = \'e1\'')
    changed = rest.get("/executions/e1", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    # The same row without its content is another document.
    assert Rest(service, content=True).get("/executions/e1").headers["etag"] != tag


def test_links_lead_on_behind_a_proxy_that_adds_a_prefix(rest: Rest) -> None:
    behind = "https://operators.example/databases/one"
    for asked in (
        "/v1/executions",
        "/v1/executions?limit=1",
        "/v1/executions?limit=1&user_id=alice",
    ):
        header = rest.send("GET", asked).headers["link"]
        (first, *others) = re.findall(r"<([^>]*)>", header)
        for link in (first, *others):
            target = urljoin(f"{behind}{asked}", link)
            assert target.startswith(f"{behind}/v1/executions?"), header
            again = rest.send("GET", target.removeprefix(behind))
            assert again.status_code == 200
        assert "cursor=" not in first
        # From any page to the first one.
        assert "cursor=" not in urljoin(f"{behind}/v1/executions?cursor=x", first)


def test_a_link_holds_whatever_a_path_does(rest: Rest) -> None:
    for user in ("%e2%82%ac", "a%0d%0ab", "a%3Eb", "a%22%20b", "%3Cscript%3E", "%25", "%ff"):
        response = rest.get(f"/users/{user}/transactions", limit=1)
        assert (response.status_code, response.json()) == (200, [])
        first = links(response)["first"]
        assert first.isascii()
        again = rest.send("GET", first)
        assert (again.status_code, links(again)["first"]) == (200, first)


def test_odd_content_is_shown_as_it_is_or_refused(service: Service) -> None:
    less, full = Rest(service), Rest(service, content=True)
    change = 'UPDATE "AgentGraphExecution" SET "inputs" = %(inputs)s::jsonb WHERE "id" = \'e1\''
    number = "9" * 6000 + "." + "1" * 100
    service.rows(change, inputs=f'{{"number": {number}}}')
    assert f'"number": {number}' in full.get("/executions/e1").text
    service.rows(change, inputs=f'{{"deep": {"[" * 3000}{"]" * 3000}}}')
    for target in ("/executions/e1", "/executions"):
        refused = full.get(target)
        assert refused.status_code == 400, refused.text[:200]
        assert "nests too deep" in refused.json()["detail"]
        assert less.get(target).status_code == 200


def test_what_the_database_has_no_table_for_is_not_there(service: Service) -> None:
    rest = Rest(service)
    if service.capabilities.orgs:
        pytest.skip("these tables have organizations")
    response = rest.get("/users/alice/organizations")
    assert response.status_code == 404
    assert 'table "OrgMember"' in response.json()["detail"]


def test_an_overload_says_when_to_come_again(seeded_database_url: str) -> None:
    with Service(seeded_database_url, pool_size=1, pool_max_waiting=0) as service:
        rest = Rest(service)

        async def held() -> Any:
            async with service.pool.call("held", reads=True).transaction() as inside:
                await inside.rows("SELECT 1")
                return await rest.sent("GET", "/v1/users/alice")

        response = service.run(held())
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert response.headers["content-type"] == "application/problem+json"
        # A look of the pool's own may have its only connection just then.
        wait_for(lambda: rest.get("/users/alice").status_code == 200, what="a connection")


def test_a_large_document_is_shown_beside_the_event_loop(service: Service) -> None:
    rest, turns = Rest(service), 0

    async def much(database: Database) -> Reply[list[dict[str, str]]]:
        """List much."""
        nonlocal turns
        found = await database.json(
            """
            SELECT json_agg(json_build_object('a', repeat('b', 1000)))
              FROM generate_series(1, 20000)
            """
        )
        turns = 0  # from now on: what follows is what is looked at
        return found

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        turning = asyncio.create_task(turn())
        response = await rest.sent("GET", "/v1/much")
        turning.cancel()
        assert response.status_code == 200, response.text
        assert len(response.content) > LARGE

    operation = Operation(much, reads=True, rest=Resource("/much"))
    rest.app = router(service.pool, content=False, resources={"/much": operation})
    service.run(main())
    assert turns > 5, "the event loop stood still meanwhile"


def test_a_bug_is_told_to_nobody(service: Service) -> None:
    async def broken(database: Database) -> int:
        """Break."""
        raise KeyError(f"SELECT the secret of {database}")

    operation = Operation(broken, reads=True, rest=Resource("/broken"))
    rest = Rest(service)
    rest.app = router(service.pool, content=False, resources={"/broken": operation})
    response = rest.get("/broken")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_the_description_is_served(rest: Rest) -> None:
    described = rest.get("/openapi.json").json()
    assert set(described["paths"]) == {f"/v1{path}" for path in RESOURCES}

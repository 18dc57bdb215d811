"""Room for the pools: what all processes want of connections, and what is allowed them.

Role, database and server each have a bound, and so has a pooler. What doesn't fit is shrunk at the
start, so that each process has its share, instead of the first one everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from autogpt_db.database.bounded import answered_within
from autogpt_db.database.hosts import connect
from autogpt_db.database.quoting import quoted
from autogpt_db.database.troubles import (
    DATABASE_LIMIT,
    POOLER_LIMIT,
    ROLE_LIMIT,
    SERVER_LIMIT,
)
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings

OURS = 1
"""Connections beside the pools': main's at a start, and a command's."""
LEAST_FOR_WORKER = 2
"""Connections without which a worker cannot work: the queue's and a job's."""

# A superuser's sessions are bound by max_connections alone. Of others' sessions we may not see
# what kind they are, only whose.
LIMITS: LiteralString = """
SELECT role.rolname,
       CASE WHEN role.rolsuper THEN -1 ELSE role.rolconnlimit END,
       database.datname,
       CASE WHEN role.rolsuper THEN -1 ELSE database.datconnlimit END,
       current_setting('max_connections')::integer,
       CASE WHEN role.rolsuper THEN 0
            ELSE current_setting('superuser_reserved_connections')::integer
       END
       + CASE WHEN role.rolsuper
                OR pg_has_role(role.oid, coalesce(to_regrole('pg_use_reserved_connections'), 0),
                               'USAGE')
              THEN 0
              ELSE coalesce(current_setting('reserved_connections', true), '0')::integer
         END,
       count(session.pid) FILTER (WHERE session.usesysid = role.oid)::integer,
       count(session.pid) FILTER (WHERE session.datid = database.oid)::integer,
       count(session.pid)::integer
  FROM pg_catalog.pg_roles AS role
  JOIN pg_catalog.pg_database AS database ON database.datname = current_database()
  LEFT JOIN pg_catalog.pg_stat_activity AS session
    ON session.datid IS NOT NULL
   AND session.usesysid IS NOT NULL
   AND coalesce(session.backend_type, 'client backend') = 'client backend'
   AND session.pid <> pg_backend_pid()
   AND NOT (
       starts_with(session.application_name, 'autogpt-db')
       AND session.usesysid = role.oid
       AND session.client_addr IS NOT DISTINCT FROM inet_client_addr()
   )
 WHERE role.rolname = session_user
 GROUP BY role.oid, role.rolname, role.rolsuper, role.rolconnlimit,
          database.oid, database.datname, database.datconnlimit
"""
"""What role, database and server allow, and the sessions there that are not this service's."""


class Bound(NamedTuple):
    """One of the limits.

    Attributes:
        whose: What it bounds, in words.
        most: Connections that it allows.
        others: Of these, what others have now.
        remedy: How more are allowed.
    """

    whose: str
    most: int
    others: int
    remedy: str

    @property
    def left(self) -> int:
        """Return what others leave of it."""
        return self.most - self.others

    def __str__(self) -> str:
        """Say it in words."""
        used = f", of which others have {self.others}" if self.others else ""
        return f"{self.whose} may have {self.most}{used}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the processes want.

    Attributes:
        apis: API processes.
        api_size: Connections of each.
        workers: Worker processes.
        worker_size: Connections of each.
        admin: Connections of the admin listener, where there is one; they are never cut.
    """

    apis: int
    api_size: int
    workers: int
    worker_size: int
    admin: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Wish:
        """Return what settings ask for."""
        return cls(
            settings.api.processes,
            settings.api_pool_size,
            settings.worker.processes,
            settings.worker.pool_size,
            settings.admin_pool_size,
        )

    @property
    def wanted(self) -> int:
        """Return how many connections that makes."""
        ours = self.admin + OURS
        return self.apis * self.api_size + self.workers * self.worker_size + ours

    @property
    def least(self) -> int:
        """Return how many it takes for each process to do its work."""
        return self.apis + self.workers * LEAST_FOR_WORKER + self.admin + OURS

    def within(self, most: int) -> Wish:
        """Return what fits into `most` connections, each process's share cut alike."""
        left = most - self.admin - OURS
        share = left / (self.wanted - self.admin - OURS)
        worker = max(LEAST_FOR_WORKER, min(self.worker_size, int(self.worker_size * share)))
        while worker > LEAST_FOR_WORKER and left - self.workers * worker < self.apis:
            worker -= 1
        api = max(1, min(self.api_size, (left - self.workers * worker) // self.apis))
        return Wish(self.apis, api, self.workers, worker, self.admin)

    def __str__(self) -> str:
        """Say it in words."""
        return (
            f"{self.wanted} connections ({self.apis} x {self.api_size} for api, {self.workers} x "
            f"{self.worker_size} for worker, {self.admin_words}{OURS} for starts and commands)"
        )

    @property
    def admin_words(self) -> str:
        """Return the admin listener's part in words; nothing where there is none."""
        return f"{self.admin} for admin, " if self.admin else ""


def bounds_of(row: tuple[Any, ...]) -> tuple[Bound, ...]:
    """Return the limits that there are, of what `LIMITS` found."""
    role, of_role, database, of_database, server, reserved, by_role, by_database, by_all = row
    found = [
        Bound(
            "everybody on the server",
            server - reserved,
            by_all,
            SERVER_LIMIT.remedied(),
        )
    ]
    if of_database >= 0:
        remedy = DATABASE_LIMIT.remedied(database=quoted(database))
        whose = f"everybody in the database {database!r}"
        found.append(Bound(whose, of_database, by_database, remedy))
    if of_role >= 0:
        remedy = ROLE_LIMIT.remedied(role=quoted(role))
        found.append(Bound(f"the role {role!r}", of_role, by_role, remedy))
    return tuple(found)


def server_bounds(connection: psycopg.Connection[Any]) -> tuple[Bound, ...]:
    """Ask a server for its limits."""
    row = connection.execute(LIMITS).fetchone()
    assert row is not None, "a session has a role and a database"
    return bounds_of(row)


def pooler_bounds(target: DatabaseUrl, seconds: int) -> tuple[Bound, ...]:
    """Ask a PgBouncer for its limit; nothing where it doesn't say.

    Only those whom it calls administrators or statistics' users are answered.
    """
    conninfo = target.conninfo(connect_timeout=seconds, application_name="autogpt-db main")
    try:
        with (
            connect(make_conninfo(conninfo, dbname="pgbouncer")) as console,
            answered_within(seconds, console),
        ):
            found = {row[0]: row[1] for row in console.execute("SHOW CONFIG")}
        most = int(found["max_client_conn"])
    except (psycopg.Error, KeyError, ValueError):
        return ()
    return (Bound("everybody at the pooler", most, 0, POOLER_LIMIT.remedied()),)


def tightest(bounds: Sequence[Bound]) -> Bound:
    """Return the limit that leaves least."""
    return min(bounds, key=lambda bound: bound.left)


def refuse_without_room(wish: Wish, bounds: Sequence[Bound]) -> None:
    """Refuse limits that cannot be worked with, whatever others have.

    Raises:
        ConfigurationError: Not even one connection for each process is allowed.
    """
    bound = min(bounds, key=lambda bound: bound.most)
    if bound.most < wish.least:
        raise ConfigurationError(
            f"database.url: the service needs {wish.least} connections at least ({wish.apis} for "
            f"api, {wish.workers} x {LEAST_FOR_WORKER} for worker, {wish.admin_words}{OURS} for "
            f"starts and commands), and {bound}. {bound.remedy} Or run fewer processes "
            "(api.processes, worker.processes)."
        )


def fitted(settings: Settings, bounds: Sequence[Bound]) -> Settings:
    """Return settings whose pools fit, with a warning where they had to be shrunk.

    Args:
        settings: What is wanted.
        bounds: What is allowed; others leave each process its least.
    """
    wish = Wish.of(settings)
    bound = tightest(bounds)
    if wish.wanted <= bound.left:
        return settings
    given = wish.within(bound.left)
    log.pools_shrunk(
        wanted=str(wish),
        allowed=str(bound),
        api_pool_size=given.api_size,
        worker_pool_size=given.worker_size,
        remedy=f"{bound.remedy} Or lower database.connection_limit to {bound.left - OURS}.",
    )
    limit = given.wanted - OURS
    return msgspec.structs.replace(
        settings,
        database=msgspec.structs.replace(settings.database, connection_limit=limit),
        worker=msgspec.structs.replace(settings.worker, pool_size=given.worker_size),
    )

"""Options of the database, the operator's or our own."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated

from msgspec import Meta, Struct

from autogpt_db.settings.declaration import Secret, option


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where PostgreSQL is and how its connections are used."""

    url: Annotated[
        Secret | None,
        option(
            "PostgreSQL to use, as AutoGPT's DATABASE_URL (Prisma's parameters are understood). "
            "Unset: a private PostgreSQL is started under state_directory."
        ),
    ] = None
    direct_url: Annotated[
        Secret | None,
        option(
            "PostgreSQL reached without a pooler, for migrations and the workers' queue. "
            "Unset: the same as url."
        ),
    ] = None
    create_tables: Annotated[
        bool,
        option(
            "Make AutoGPT's tables where database.url names a database without any, instead of "
            "waiting for AutoGPT's migrations. Those will not take over a database so made."
        ),
    ] = False
    pool_size: Annotated[
        int,
        option(
            "Connections that each API process keeps open. Calls that read much (lists, reports) "
            "may hold half of them; with a single one, short calls wait behind them. Fewer where "
            "role, database, server or pooler allow fewer.",
            ge=1,
            le=200,
        ),
    ] = 8
    connection_limit: Annotated[
        Annotated[int, Meta(ge=2, le=2000)] | None,
        option(
            "Upper bound on the connections of the whole daemon, all processes together; "
            "pool_size is lowered to fit. Unset: the URL's connection_limit, else pool_size "
            "alone decides."
        ),
    ] = None
    pool_timeout: Annotated[
        float,
        option(
            "Seconds a request waits for a connection before it gets 503; 0: as long as its "
            "deadline allows.",
            ge=0,
            le=3600,
        ),
    ] = 10.0
    pool_max_waiting: Annotated[
        int,
        option(
            "Requests that may wait for a connection in each API process; one more gets 503 "
            "at once.",
            ge=1,
            le=10000,
        ),
    ] = 200
    connect_timeout: Annotated[
        int,
        option(
            "Seconds to wait for one connection attempt. Several hosts, or addresses of a name, "
            "are tried side by side.",
            ge=1,
            le=600,
        ),
    ] = 5
    statement_timeout: Annotated[
        float,
        option(
            "Seconds one statement may run in PostgreSQL. Behind a transaction pooler set it on "
            "the role instead.",
            ge=0.1,
            le=3600,
        ),
    ] = 55.0
    lock_timeout: Annotated[
        float,
        option(
            "Seconds a statement waits for a row or table that another transaction holds, before "
            "its request gets 503; 0: as long as it may run. Behind a transaction pooler set it "
            "on the role instead.",
            ge=0,
            le=3600,
        ),
    ] = 10.0
    startup_timeout: Annotated[
        float,
        option(
            "Seconds to wait at start until PostgreSQL answers; then exit code 69.", ge=1, le=86400
        ),
    ] = 60.0


class EmbeddedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The private PostgreSQL that runs when database.url is unset."""

    binaries: Annotated[
        Path | None,
        option(
            "bin/ directory of the PostgreSQL to run. Unset: a system PostgreSQL whose major "
            "version matches existing data, else the packaged one."
        ),
    ] = None
    user: Annotated[
        str | None,
        option(
            "Account that PostgreSQL runs under when the daemon is root. "
            "Unset: the first that exists of autogpt-db, postgres, nobody."
        ),
    ] = None
    max_connections: Annotated[int, option("PostgreSQL's max_connections.", ge=10, le=2000)] = 100
    shared_buffers: Annotated[
        int, option("PostgreSQL's shared_buffers, in MiB.", ge=1, le=1048576)
    ] = 128

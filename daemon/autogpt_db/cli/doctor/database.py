"""Is the database there, complete, readable with our key, and large enough for us?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.cli.doctor.sessions import refused
from autogpt_db.database import troubles
from autogpt_db.database.session import check_version
from autogpt_db.errors import (
    AutogptDbError,
    ConfigurationError,
    RightsError,
    SchemaAwaitedError,
    SchemaError,
)
from autogpt_db.supervision.sandbox import refuse_closed_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation

_FEW_LEFT = 0.9


def reachable(situation: Situation) -> Iterator[Finding]:
    """Connect; where the private server doesn't run, look whether it could."""
    target = situation.target
    try:
        refuse_closed_way(target)  # the service's sandbox is not ours
    except ConfigurationError as error:
        yield Finding("fail", "database", str(error).rstrip("."))
    connection = situation.connection
    if connection is not None:
        version = connection.info.server_version
        text = f"PostgreSQL {version // 10000}.{version % 10000} at {target.address}"
        try:
            check_version(version, target.address)
        except ConfigurationError as error:
            text = str(error).rstrip(".")
            yield Finding("fail", "database", text, "Move to PostgreSQL 15 to 18.")
            return
        if connection.info.parameter_status("in_hot_standby") == "on":
            trouble = troubles.STANDBY
            said = trouble.caused(address=text)
            yield Finding("fail", trouble.check, said, trouble.remedied())
        else:
            yield Finding("ok", "database", text)
        return
    if (finding := refused(situation)) is not None:
        yield finding
        return
    problem = f"{target.address} does not answer: {situation.connection_problem}"
    if not target.embedded:
        remedy = "Start it, or correct DATABASE_URL (`autogpt-db dsn` shows it); under systemd, "
        remedy += "IPAddressAllow= has to let the service reach it."
        yield Finding("fail", "database", problem, remedy)
    elif situation.tree is not None:
        remedy = "journalctl -u autogpt-db AUTOGPT_DB_PROCESS=postgresql -e"
        yield Finding("fail", "database", problem, remedy)
    else:
        yield from _private(situation)


def hosts(situation: Situation) -> Iterator[Finding]:
    """Try each of several hosts by itself."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    from autogpt_db.database.hosts import connect, each_host, name_of
    from autogpt_db.database.reasons import reason_of

    target = situation.target
    conninfo = target.conninfo(
        connect_timeout=situation.settings.database.connect_timeout,
        application_name="autogpt-db doctor",
    )
    each = each_host(make_conninfo(conninfo, target_session_attrs="any"))
    if len(each) == 1:
        yield Finding("ok", "hosts", "one is named")
        return
    for parameters in each:
        name = name_of(parameters)
        try:
            with connect(make_conninfo("", **parameters)) as connection:
                standby = connection.info.parameter_status("in_hot_standby") == "on"
        except psycopg.Error as error:
            trouble = troubles.HOST_SILENT
            text = trouble.caused(host=name, reason=reason_of(error, target))
            yield Finding("warn", trouble.check, text, trouble.remedied())
        else:
            yield Finding("ok", "hosts", f"{name} is {'a standby' if standby else 'a primary'}")


def _private(situation: Situation) -> Iterator[Finding]:
    from autogpt_db.database.provisioning.embedded.cluster import data_version
    from autogpt_db.database.provisioning.embedded.maintenance import private_cluster

    try:
        cluster = private_cluster(situation.settings)
        major = data_version(cluster.data)
        if major is None:
            yield Finding("ok", "database", f"private, to be made in {cluster.data} at first start")
            return
        binaries = cluster.binaries(situation.settings, major)
    except PermissionError:
        state = situation.settings.paths.state
        yield Finding("warn", "database", f"private; {state} is closed to you", "Run this as root.")
    except (AutogptDbError, OSError) as error:
        yield Finding("fail", "database", str(error).rstrip("."))
    else:
        text = f"private, not running; PostgreSQL {binaries.version} fits its data"
        yield Finding("ok", "database", text)


def schema(situation: Situation) -> Iterator[Finding]:
    """Look whether everything that the methods need is there."""
    from autogpt_db.database.provisioning.migration import pending, pending_upgrade
    from autogpt_db.operations.needed import needed

    if situation.connection is None:
        return
    name = situation.target.schema
    private = situation.target.embedded
    try:
        waiting = pending(
            situation.connection,
            schema_name=name,
            create=private or situation.settings.database.create_tables,
            upgrade=private,
            needed=needed(),
        )
    except SchemaAwaitedError as error:
        text = "the service waits for AutoGPT's migrations"
        yield Finding("warn", "schema", text, str(error))
        return
    except RightsError:
        yield Finding("warn", "schema", "not looked at: the role has no right to (see rights)")
        return
    except SchemaError as error:
        yield Finding("fail", "schema", str(error).rstrip("."))
        return
    if waiting:
        text = f"to be applied at the next start: {', '.join(waiting)}"
        yield Finding(
            "warn", "schema", text, "`systemctl restart autogpt-db`, or `autogpt-db migrate`."
        )
    else:
        yield Finding("ok", "schema", f"{name}, complete")
    if not private and pending_upgrade(situation.connection, schema_name=name):
        yield Finding(
            "warn",
            "tables",
            "made by an earlier autogpt-db, as of AutoGPT v0.6.48",
            "Stop the service, back the database up, then: `autogpt-db migrate --platform`",
        )


def own_schema(situation: Situation) -> Iterator[Finding]:
    """Hold what is ours against what the migrations have made."""
    from autogpt_db.database.provisioning.migration import unsound

    if situation.connection is None:
        return
    if situation.closed:
        yield Finding("warn", "own schema", "not looked at: it is closed to the role (see rights)")
        return
    found = unsound(situation.connection, schema_name=situation.target.schema)
    for what in found.mended:
        yield Finding("warn", "own schema", what, "`autogpt-db migrate` makes it anew.")
    for left in found.left:
        yield Finding("fail", "own schema", left.what, left.remedy)
    if not found.mended and not found.left:
        yield Finding("ok", "own schema", "autogpt_db is as the migrations made it")


def encryption_key(situation: Situation) -> Iterator[Finding]:
    """Try the key on what users have stored."""
    from autogpt_db.database.encryption import (
        encrypted_columns,
        has_credentials,
        try_keys,
    )

    connection, settings = situation.connection, situation.settings
    name = situation.target.schema
    if connection is None or not encrypted_columns(connection, name):
        return
    stored = has_credentials(connection, name)
    if settings.integrations.encryption_key is None:
        if stored:
            text = "not set, and users have stored credentials, which nobody can read without it"
            remedy = "Set integrations.encryption_key to AutoGPT's ENCRYPTION_KEY."
            yield Finding("warn", "encryption key", text, remedy)
        else:
            yield Finding("ok", "encryption key", "not set; nothing is stored that needs one")
        return
    try:
        tried = try_keys(connection, settings, name)
    except ConfigurationError as error:
        yield Finding("fail", "encryption key", str(error).rstrip("."))
        return
    troubled = [each for each in tried if each.trouble]
    for each in troubled:
        # One text may be damaged; where none of many can be read, a key was changed.
        remedy = "If the key has been changed: autogpt-db help rotate-the-encryption-key."
        yield Finding(
            "fail" if each.failed == each.texts > 1 else "warn",
            "encryption key",
            each.trouble or "",
            remedy,
        )
    if not troubled:
        what = "decrypts what users have stored" if stored else "set; nothing is stored yet"
        yield Finding("ok", "encryption key", what)


def monthly_refill(situation: Situation) -> Iterator[Finding]:
    """Say whether balances are filled up each month, and why."""
    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.operations.credits.refill import BROUGHT_FORWARD, refill_of

    connection, settings = situation.connection, situation.settings.credits
    if connection is None or not settings.enabled or situation.closed:
        return
    capabilities = Capabilities.of(read_catalogue(connection, situation.target.schema))
    refill = refill_of(settings, capabilities)
    if refill.is_on is None:
        recorded = connection.execute("SELECT to_regclass('autogpt_db.migration')").fetchone()
        row = connection.execute(BROUGHT_FORWARD, {}).fetchone() if recorded != (None,) else None
        refill = refill_of(settings, capabilities, row == (True,))
    yield Finding("ok", "monthly refill", f"{'on' if refill.is_on else 'off'}, {refill.reason}")


def expert_budgets(situation: Situation) -> Iterator[Finding]:
    """Say where budgets of AutoGPT's experts stop nothing."""
    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.schema import read_catalogue

    connection, settings = situation.connection, situation.settings
    if connection is None or settings.redis.host is not None or situation.closed:
        return
    if Capabilities.of(read_catalogue(connection, situation.target.schema)).expert_runs:
        text = "stop nothing: AutoGPT counts in its Redis what is spent, and redis.host is unset"
        remedy = "Set redis.host to AutoGPT's Redis, or to any node of its Cluster."
        yield Finding("warn", "experts' budgets", text, remedy)


def connections(situation: Situation) -> Iterator[Finding]:
    """Compare what the pools want with what role, database and server (or pooler) allow."""
    from autogpt_db.database.room import Wish, pooler_bounds, server_bounds, tightest
    from autogpt_db.database.url import database_url

    if situation.connection is None:
        return
    url = database_url(situation.settings)
    if url.pgbouncer:
        bounds = pooler_bounds(url, situation.settings.database.connect_timeout)
    else:
        bounds = server_bounds(situation.connection)
    if not bounds:
        yield Finding("ok", "connections", "the pooler doesn't say how many it takes")
        return
    wish, bound = Wish.of(situation.settings), tightest(bounds)
    text = f"the service wants {wish}, and {bound}"
    narrowest = min(bounds, key=lambda one: one.most)
    needs = f"the service needs {wish.least} connections at least"
    if narrowest.most < wish.least:  # whatever others have
        yield Finding("fail", "connections", f"{needs}, and {narrowest}", narrowest.remedy)
    elif bound.left < wish.least:
        yield Finding("fail", "connections", f"{needs}, and {bound}", bound.remedy)
    elif bound.left < wish.wanted:
        remedy = f"{bound.remedy} Or lower database.connection_limit; a start shrinks the pools."
        yield Finding("warn", "connections", text, remedy)
    elif bound.left * _FEW_LEFT < wish.wanted:
        yield Finding("warn", "connections", text, "Few are left: plan for more.")
    else:
        yield Finding("ok", "connections", text)


def kept_data(situation: Situation) -> Iterator[Finding]:
    """Name the data directories that restores and upgrades have kept."""
    place = situation.settings.paths.state / "postgresql"
    try:
        kept = sorted(path for path in place.glob("data.*") if path.is_dir())
    except PermissionError:
        return
    for path in kept:
        remedy = "Remove it when you are sure that nobody needs it."
        yield Finding("warn", "kept data", f"{path} is left from a restore or an upgrade", remedy)

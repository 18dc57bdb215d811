"""Looking without changing: configuration, connection, schema, methods."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from autogpt_db.cli.directories import refuse_unusable
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError, ResourceTakenError
from autogpt_db.settings.catalog import options
from autogpt_db.settings.traces import endpoint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import LoadedSettings, Settings


def describe_settings(loaded: LoadedSettings, *, changed: bool) -> Iterator[str]:
    """Yield every option as `path = value  # origin`, secrets masked."""
    for option in options().values():
        origin = loaded.origins.get(option.path, "default")
        if changed and origin == "default":
            continue
        value: Any = loaded.settings
        for name in option.path.split("."):
            value = getattr(value, name)
        if option.path in {"state_directory", "runtime_directory"} and value is None:
            value = getattr(loaded.settings.paths, option.path.removesuffix("_directory"))
        shown = "***" if option.secret and value is not None else value
        text = "unset" if shown is None else json.dumps(shown, default=str)
        yield f"{option.path} = {text}  # {origin}"
    yield from (f"# {notice}" for notice in loaded.notices)


def check_everything(settings: Settings) -> Iterator[str]:
    """Yield what was found in order; raise at the first fault that would keep `run` from serving.

    Nothing is changed, and an embedded server that is not running is not started.

    Raises:
        ConfigurationError: A start would be refused.
        DatabaseUnreachableError: A start would wait.
    """
    import psycopg

    from autogpt_db.cli.connecting import bound, connect
    from autogpt_db.database.provisioning.manager import DatabaseManager
    from autogpt_db.database.reasons import reason_of
    from autogpt_db.database.url import direct_database_url
    from autogpt_db.supervision.sandbox import refuse_closed_way
    from autogpt_db.supervision.unit import has_socket_unit

    yield "configuration: valid"
    yield from _describe_traces(settings)
    target = direct_database_url(settings)
    if not has_socket_unit():  # whose unit makes the directories, and says where to listen
        refuse_unusable(settings, embedded=target.embedded)
        _check_address(settings)
        yield from _describe_admin(settings)
    yield from _describe_programs(settings)
    refuse_closed_way(target)
    try:
        # As a start's own: a bound of ours would count as one that is too short.
        connection, _ = connect(settings, "check", bounded=False)
    except DatabaseUnreachableError:
        if not target.embedded:
            raise
        yield f"database: embedded, not running (its data is under {settings.paths.state})"
        return
    try:
        with connection:
            yield from _check_session(connection, settings, target)
            bound(connection, settings, target)
            yield from _check_schema(connection, settings, target)
            yield from _check_room(connection, settings)
            yield from _check_key(connection, settings, target)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        raise  # which says what of a start's needs was waited for in vain
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(
            f"PostgreSQL at {target.address} answers, but ends what a start needs: "
            f"{reason_of(error, target)}. See to that, or to its timeouts."
        ) from None
    except psycopg.ProgrammingError as error:
        raise DatabaseManager.refused(error) from None


def _describe_traces(settings: Settings) -> Iterator[str]:
    """Say where spans go; what keeps them from it is a fault of the configuration."""
    traces = settings.traces
    if traces.enabled:
        address = endpoint_of(traces.endpoint).address
        yield f"traces: to {address}, {100 * traces.sample_ratio:g} % of calls"


def _check_address(settings: Settings) -> None:
    """Refuse an address that no start could listen at; who has it may be the service itself."""
    from autogpt_db.listening import open_listeners

    api = settings.api
    if api.host.startswith("/"):
        return
    with suppress(ResourceTakenError):
        for listener in open_listeners(api.host, api.port, listen=False):
            listener.close()


def _describe_admin(settings: Settings) -> Iterator[str]:
    """Say where the admin listener would be, or why not: the service serves without it, too."""
    from autogpt_db.cli.connecting import admin_address
    from autogpt_db.listening import open_listeners

    admin = settings.admin
    if not admin.enabled:
        return
    try:
        with suppress(ResourceTakenError):  # who has it may be the listener itself
            for listener in open_listeners(admin.host, admin.port, listen=False, section="admin"):
                listener.close()
    except ConfigurationError as error:
        yield f"admin listener: {str(error).rstrip('.')}; the service serves without it"
    else:
        yield f"admin listener: {admin_address(settings)}"


def _check_session(
    connection: psycopg.Connection[Any], settings: Settings, target: DatabaseUrl
) -> Iterator[str]:
    """Look at the server, and at what is set for our sessions, those of a pooler included."""
    from autogpt_db.database import troubles
    from autogpt_db.database.hosts import connect
    from autogpt_db.database.session import (
        check_encoding,
        check_settings,
        check_version,
        read_only_by,
    )
    from autogpt_db.database.url import database_url

    version = connection.info.server_version
    yield f"database: PostgreSQL {version // 10000}.{version % 10000} at {target.address}"
    check_version(version, target.address)
    check_encoding(connection, "database.url")
    check_settings(connection, "database.url", pooled=target.pgbouncer)
    url = database_url(settings)
    if url.pgbouncer and not target.pgbouncer:
        conninfo = url.conninfo(
            connect_timeout=settings.database.connect_timeout, application_name="autogpt-db check"
        )
        with connect(conninfo) as pooled:
            check_settings(pooled, "database.url", pooled=True)
    if connection.info.parameter_status("in_hot_standby") == "on":
        standby = troubles.STANDBY
        raise DatabaseUnreachableError(
            f"{standby.caused(address=target.address)}. {standby.remedied()}"
        )
    found = read_only_by(connection)
    if found is not None:
        place, statement = found
        trouble = troubles.READ_ONLY
        raise DatabaseUnreachableError(
            f"{trouble.caused(place=place)}. {trouble.remedied(statement=statement)}"
        )


def _check_schema(
    connection: psycopg.Connection[Any], settings: Settings, target: DatabaseUrl
) -> Iterator[str]:
    """Look at AutoGPT's tables and at what is ours."""
    from autogpt_db.database.provisioning.migration import pending, unsound
    from autogpt_db.database.provisioning.rights import closed_to_us, refuse_without_rights
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.operations.coverage import at_hand
    from autogpt_db.operations.needed import needed

    refuse_without_rights(connection, target.schema)
    closed = closed_to_us(connection)
    for each in closed:
        yield f"ours: {each.what}; the next start, or `autogpt-db migrate`, opens it again"
    if closed:
        return
    waiting = pending(
        connection,
        schema_name=target.schema,
        create=target.embedded or settings.database.create_tables,
        upgrade=target.embedded,
        needed=needed(),
    )
    todo = f"to be applied at start: {', '.join(waiting)}"
    yield f"schema: {todo if waiting else 'complete'}"
    ours = unsound(connection, schema_name=target.schema)
    for what in ours.mended:
        yield f"ours: {what}; the next start, or `autogpt-db migrate`, makes it anew"
    for left in ours.left:
        yield f"ours: {left.what}. {left.remedy}"
    catalogue = read_catalogue(connection, target.schema)
    if catalogue.columns:
        compared = at_hand(catalogue, target.schema)
        yield f"release: {compared.sentence}"
        for method, missing in compared.missed.items():
            yield f"not served: {method}: the database lacks {missing}"


def _check_room(connection: psycopg.Connection[Any], settings: Settings) -> Iterator[str]:
    """Look whether each process could have a connection."""
    from autogpt_db.database.room import (
        Wish,
        pooler_bounds,
        refuse_without_room,
        server_bounds,
        tightest,
    )
    from autogpt_db.database.url import database_url

    url = database_url(settings)
    if url.pgbouncer:
        bounds = pooler_bounds(url, settings.database.connect_timeout)
    else:
        bounds = server_bounds(connection)
    if not bounds:
        return
    wish, bound = Wish.of(settings), tightest(bounds)
    refuse_without_room(wish, bounds)
    if bound.left < wish.least:
        raise DatabaseUnreachableError(
            f"There is no room at {url.address}: the service needs {wish.least} connections at "
            f"least, and {bound}. {bound.remedy}"
        )
    yield f"connections: the service wants {wish}, and {bound}"


def _check_key(
    connection: psycopg.Connection[Any], settings: Settings, target: DatabaseUrl
) -> Iterator[str]:
    """Try the key on what users have stored."""
    import psycopg

    from autogpt_db.database.encryption import encrypted_columns, verify_key

    if settings.integrations.encryption_key is not None and encrypted_columns(
        connection, target.schema
    ):
        try:
            tried = verify_key(connection, settings, target.schema)
        except psycopg.errors.InsufficientPrivilege as error:
            # Whose methods lack the right are named already; a start does without.
            yield f"encryption key: not tried: {error.diag.message_primary}"
            return
        found = "decrypts what users have stored" if tried else "set; nothing is stored yet"
        yield f"encryption key: {found}"


def describe_credentials(sources: Loads) -> Iterator[str]:
    """Yield what to do about credentials that have changed since the service was started.

    Args:
        sources: Where the settings are; faulty ones are somebody else's business.
    """
    from autogpt_db.cli.runtime import runtime_of
    from autogpt_db.supervision.credentials import changed_credentials, changed_sentence
    from autogpt_db.supervision.status import read_status

    try:
        tree = read_status(runtime_of(sources))
    except DatabaseUnreachableError:
        return  # none runs, or none that may be asked
    changed = changed_credentials(tree)
    if changed:
        yield changed_sentence(changed)


def _describe_programs(settings: Settings) -> Iterator[str]:
    from autogpt_db.supervision.program_files import inspect_programs

    found = inspect_programs(settings)
    names = [group.name for groups in found.groups.values() for group in groups]
    if names:
        yield f"programs: {', '.join(names)}"
    for path, fault in found.faults.items():
        yield f"programs: {path} is left out: {fault}"

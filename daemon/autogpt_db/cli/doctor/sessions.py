"""May our sessions begin, are they as they must be, and what may our role do?"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.database import troubles
from autogpt_db.database.causes import remedy_of
from autogpt_db.database.session import read_only_by, set_by
from autogpt_db.errors import ConfigurationError, RightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation
    from autogpt_db.database.needs import Lack


_UNSAFE: LiteralString = """
SELECT name
FROM pg_catalog.pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
    AND setting = 'off'
ORDER BY name
"""


def refused(situation: Situation) -> Finding | None:
    """Return why no session may begin, where that has a remedy; None where it has none."""
    target, refusal = situation.target, situation.refusal
    if refusal is None or refusal.trouble is None:
        return None
    trouble = refusal.trouble
    if trouble in {troubles.POOLER_UNNAMED, troubles.POOLER_LOGIN}:
        said = trouble.caused(address=target.address)
    else:
        said = f"{target.address} does not let us in: {situation.connection_problem}"
    return Finding("fail", trouble.check, said, remedy_of(refusal, target))


def pooler(situation: Situation) -> Iterator[Finding]:
    """Say what stands between us and the server, as far as the settings say it."""
    from autogpt_db.database.url import database_url

    if situation.connection is None:
        return
    if not database_url(situation.settings).pgbouncer:
        yield Finding("ok", "pooler", "none is named; sessions are our own")
    elif situation.target.pgbouncer:
        text = "transactions are pooled, and no DIRECT_URL is set: new jobs are found by looking"
        yield Finding("ok", "pooler", text)
    else:
        yield Finding("ok", "pooler", "transactions are pooled; DIRECT_URL leads to the server")


def encoding(situation: Situation) -> Iterator[Finding]:
    """Look whether the database can hold all text."""
    from autogpt_db.database.session import check_encoding

    if situation.connection is None:
        return
    try:
        check_encoding(situation.connection, "database.url")
    except ConfigurationError as error:
        yield Finding("fail", "encoding", str(error).rstrip("."))
    else:
        yield Finding("ok", "encoding", "UTF8")


def session_settings(situation: Situation) -> Iterator[Finding]:
    """Look at settings of role, database, server or pooler that cannot be borne."""
    from autogpt_db.database.session import check_settings

    for connection, pooled in situation.sessions():
        try:
            check_settings(connection, "database.url", pooled=pooled)
        except ConfigurationError as error:
            yield Finding("fail", "session settings", str(error).rstrip("."))
            if connection.closed:  # by one of these settings
                situation.connection = None
            return
    if situation.connection is not None:
        yield Finding("ok", "session settings", "they can be worked with")


def writes(situation: Situation) -> Iterator[Finding]:
    """Look whether a session may write; whether the disk has room only a process that writes sees.

    That is told with the service's state.
    """
    connection = situation.connection
    if connection is None or connection.info.parameter_status("in_hot_standby") == "on":
        return
    found = read_only_by(connection)
    if found is None:
        yield Finding("ok", "writes", "the database takes them")
        return
    place, statement = found
    trouble = troubles.READ_ONLY
    yield Finding(
        "fail", "writes", trouble.caused(place=place), trouble.remedied(statement=statement)
    )


def durability(situation: Situation) -> Iterator[Finding]:
    """Look whether what was answered with success is on a disk by then."""
    connection = situation.connection
    if connection is None:
        return
    found = [name for (name,) in connection.execute(_UNSAFE)]
    trouble = troubles.COMMITS_NOT_AWAITED
    for name in found:
        place, statement = set_by(connection, name, "on")
        told = trouble.caused(name=name, place=place)
        yield Finding("warn", trouble.check, told, trouble.remedied(statement=statement))
    if not found:
        yield Finding("ok", trouble.check, "a commit is on the disk before it is answered")


def rights(situation: Situation) -> Iterator[Finding]:
    """Look what our role may do: with what is ours, and with what methods and jobs need."""
    from autogpt_db.database.provisioning.rights import refuse_without_rights
    from autogpt_db.database.schema import some
    from autogpt_db.operations.needed import RUN_PATH

    if situation.connection is None:
        return
    try:
        refuse_without_rights(situation.connection, situation.target.schema)
    except RightsError as error:
        yield Finding("fail", "rights", error.what, f"As {error.whose}: {error.remedy}")
        return
    for what, remedy in situation.closed:
        yield Finding("fail", troubles.OURS_CLOSED.check, what, remedy)
    lacks = _lacking(situation)
    for lack, names in lacks.items():
        text = f"{lack.forbidden} (for {some(names)})"
        fatal = bool(RUN_PATH & set(names))
        yield Finding("fail" if fatal else "warn", "rights", text, lack.remedy)
    if not lacks and not situation.closed:
        yield Finding("ok", "rights", "the role has all that methods and jobs need")


def _lacking(situation: Situation) -> dict[Lack, list[str]]:
    """Return each right that is missing, and the methods and jobs that need it."""
    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.operations.needed import needed
    from autogpt_db.worker.registry import discover

    assert situation.connection is not None
    name = situation.target.schema
    catalogue = read_catalogue(situation.connection, name)
    capabilities = Capabilities.of(catalogue)
    lacking = dict(needed().lacks(catalogue, name))
    for job in discover().values():
        lacking[f"the job {job.name}"] = job.needs(capabilities).lacks(catalogue, name)
    found: dict[Lack, list[str]] = {}
    for who, lacks in sorted(lacking.items()):
        for lack in lacks:
            if lack.right:
                found.setdefault(lack, []).append(who)
    return found

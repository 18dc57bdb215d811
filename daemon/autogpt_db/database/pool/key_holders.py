"""Who holds which encryption keys: each API process says so in the database, and rotate-key asks.

A process that writes users' credentials with a key that is being rotated away, or cannot read what
has been re-encrypted, is known before anything changes. Keys never leave their process: what stands
in the database is a salted hash.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import socket
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import psycopg

from autogpt_db.errors import AutogptDbError
from autogpt_db.heartbeat import name_in_tree
from autogpt_db.logs.events import database as log

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from autogpt_db.database.pool.statements import Statements
    from autogpt_db.settings import IntegrationsSettings, Secret

INTERVAL = 5.0
"""Seconds between two times that a process says which keys it holds."""
LEASE = 15.0
"""Seconds after which one that says nothing any more is taken for gone."""
_TIMEOUT = 3.0
_LAST_WORDS = 1.0
"""Seconds that a process takes for saying that it goes."""
SESSIONS = "autogpt-db api"
"""What the sessions of such a process are called."""

# What nobody has taken back, after a kill or an outage, goes with the next that is written.
HOLD: LiteralString = """
WITH gone AS (
    DELETE FROM autogpt_db.key_holder
     WHERE seen_at < clock_timestamp() - interval '1 hour' AND process <> %(process)s
)
INSERT INTO autogpt_db.key_holder AS holder (
           process, name, client_address, salt, present_key, previous_key, seen_at
       )
VALUES (
           %(process)s, %(name)s, inet_client_addr(), %(salt)s, %(present)s, %(previous)s,
           clock_timestamp()
       )
    ON CONFLICT (process) DO UPDATE
   SET client_address = EXCLUDED.client_address,
       seen_at = EXCLUDED.seen_at
"""

LET_GO: LiteralString = """
DELETE FROM autogpt_db.key_holder
 WHERE process = %(process)s
"""

HOLDERS: LiteralString = """
SELECT process, name, salt, present_key, previous_key, seen_at::text
  FROM autogpt_db.key_holder
 WHERE seen_at > clock_timestamp() - make_interval(secs => %(lease)s)
 ORDER BY name
"""

# Where the table isn't there yet, nobody says anything.
KNOWN: LiteralString = """
SELECT to_regclass('autogpt_db.key_holder') IS NOT NULL
"""

# What others' sessions are is hidden from roles without the right to see it; their names are not.
_OF_CLIENTS: LiteralString = """
  FROM pg_catalog.pg_stat_activity AS session
 WHERE session.datname = current_database()
   AND session.usename IS NOT NULL
   AND session.pid <> pg_backend_pid()
   AND coalesce(session.backend_type, 'client backend') = 'client backend'
"""

SILENT: LiteralString = f"""
SELECT coalesce(host(session.client_addr), 'this machine'), count(*)
{_OF_CLIENTS}
   AND session.application_name = %(sessions)s
   AND NOT EXISTS (
           SELECT
             FROM autogpt_db.key_holder AS holder
            WHERE holder.seen_at > clock_timestamp() - make_interval(secs => %(lease)s)
              AND holder.client_address IS NOT DISTINCT FROM session.client_addr
       )
 GROUP BY 1
 ORDER BY 1
"""

SILENT_UNKNOWN: LiteralString = f"""
SELECT coalesce(host(session.client_addr), 'this machine'), count(*)
{_OF_CLIENTS}
   AND session.application_name = %(sessions)s
 GROUP BY 1
 ORDER BY 1
"""

OTHERS: LiteralString = f"""
SELECT coalesce(nullif(session.application_name, ''), 'without a name'),
       coalesce(host(session.client_addr), 'this machine'),
       count(*)
{_OF_CLIENTS}
   AND session.application_name NOT LIKE 'autogpt-db%%'
 GROUP BY 1, 2
 ORDER BY 1, 2
"""


class KeyHolder:
    """One process that says which keys it holds, for as long as it runs.

    Args:
        keys: Its keys.
    """

    def __init__(self, keys: IntegrationsSettings) -> None:
        salt = os.urandom(16)
        name = f"{name_in_tree() or 'api'} (pid {os.getpid()}) on {socket.gethostname()}"
        self._parameters = {
            "process": uuid.uuid4(),
            "name": name,
            "salt": salt,
            "present": _hashed(keys.encryption_key, salt),
            "previous": _hashed(keys.previous_encryption_key, salt),
        }

    async def hold_forever(self, open_call: Callable[[float], Statements]) -> NoReturn:
        """Say it now and then, until cancelled; an outage is somebody else's to tell of.

        Args:
            open_call: Returns what one statement goes through, given its deadline.
        """
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await open_call(time.monotonic() + _TIMEOUT).execute(HOLD, self._parameters)
            except (AutogptDbError, psycopg.Error, OSError):
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is, the next time may do better
                log.keys_not_told(exc_info=error)
            await asyncio.sleep(INTERVAL)

    async def let_go(self, open_call: Callable[[float], Statements]) -> None:
        """Say that the process goes; where that fails, it is taken for gone after `LEASE`.

        Args:
            open_call: Returns what one statement goes through, given its deadline.
        """
        with suppress(AutogptDbError, psycopg.Error, OSError):
            async with asyncio.timeout(_LAST_WORDS):
                await open_call(time.monotonic() + _LAST_WORDS).execute(
                    LET_GO, {"process": self._parameters["process"]}
                )


class Lacking(NamedTuple):
    """A process, or sessions, that must not be left with the keys that they have.

    Attributes:
        who: It, for people.
        what: What is wrong with its keys.
        heard: When it said so last; None: it says nothing.
    """

    who: str
    what: str
    heard: str | None


def lacking_keys(connection: psycopg.Connection[Any], keys: IntegrationsSettings) -> list[Lacking]:
    """Return the processes on this database that don't write with the present key.

    One that has no key at all reads and writes no credentials.

    Args:
        connection: In autocommit mode.
        keys: The present key and the previous one.
    """
    (known,) = connection.execute(KNOWN).fetchone() or (False,)
    asked = {"lease": LEASE, "sessions": SESSIONS}
    found = []
    for _process, name, salt, present, previous, heard in (
        connection.execute(HOLDERS, asked).fetchall() if known else ()
    ):
        if present is None or _is(present, keys.encryption_key, salt):
            continue
        if previous is not None and _is(previous, keys.encryption_key, salt):
            what = "has the two keys the other way round, and writes with the old one"
        elif _is(present, keys.previous_encryption_key, salt):
            what = "has the old key alone: it could not read what is re-encrypted"
        else:
            what = "has another key than these two"
        found.append(Lacking(name, what, heard))
    silent = SILENT if known else SILENT_UNKNOWN
    for address, count in connection.execute(silent, asked).fetchall():
        who = f"an autogpt-db with {count} sessions from {address}"
        found.append(Lacking(who, "doesn't say which keys it has (an older version?)", None))
    return found


def other_sessions(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the sessions on this database that aren't autogpt-db's, in words.

    Args:
        connection: In autocommit mode.
    """
    rows = connection.execute(OTHERS, {}).fetchall()
    return [
        f"{name} from {address}" + (f" ({count} sessions)" if count > 1 else "")
        for name, address, count in rows
    ]


def _is(hashed: bytes, key: Secret | None, salt: bytes) -> bool:
    own = _hashed(key, salt)
    return own is not None and hmac.compare_digest(bytes(hashed), own)


def _hashed(key: Secret | None, salt: bytes) -> bytes | None:
    if key is None:
        return None
    return hmac.digest(salt, base64.urlsafe_b64decode(key.reveal().encode()), "sha256")

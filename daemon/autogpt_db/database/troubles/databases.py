"""What can be the matter with a database as a whole: its encoding, its writes."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.troubles.declaration import ENDS, Trouble

ENCODING: Final = Trouble(
    "encoding",
    ENDS,
    "the database {database} is encoded in {encoding}; autogpt-db, as AutoGPT, needs UTF8, and an "
    "encoding cannot be changed",
    "CREATE DATABASE {copy} ENCODING 'UTF8' TEMPLATE template0; then "
    "`pg_dump --encoding=UTF8 --dbname={database} | psql --dbname={copy}`, and name {copy} in "
    "DATABASE_URL.",
    "an administrator",
)
READ_ONLY: Final = Trouble(
    "writes",
    "Reads are answered and writes get 503; `/ready` says 503, `STATUS` that the database takes no "
    "writes. A start waits.",
    "the database takes no writes: it has been set to read-only, by {place}",
    "Find out why (managed services switch it on when a disk fills), then: {statement} Nothing "
    "has to be restarted here; but where transactions are pooled, restart the pooler, whose "
    "sessions remember it.",
    "an administrator",
)
STANDBY: Final = Trouble(
    "database",
    "A start waits, and says that the server is a standby.",
    "{address} is a standby",
    "Name the primary in DATABASE_URL, or promote it: SELECT pg_promote();",
    "an administrator",
)
COMMITS_NOT_AWAITED: Final = Trouble(
    "durability",
    "None until PostgreSQL or its machine crashes: then calls of the last moments that were "
    "answered with success are undone. The log says it once (`commits_not_awaited`).",
    "a commit is answered before it is on the disk: {name} is off, by {place}",
    "Unless that is meant: {statement} Where transactions are pooled, restart the pooler as well, "
    "whose sessions remember it.",
    "an administrator",
)

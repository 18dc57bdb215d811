"""OAuth: what AutoGPT's own OAuth server leaves behind."""

from __future__ import annotations

from autogpt_db.operations import Database, operation
from autogpt_db.signatures.repeats import harmless

BATCH = 5000

# One batch of each table. `expiresAt` is UTC without saying so, and indexed. A row that somebody
# else holds (a token being revoked, another cleanup) is left to its holder or to the next run.
DELETE_EXPIRED = """
WITH codes AS (
    DELETE FROM platform."OAuthAuthorizationCode"
     WHERE "id" = ANY (ARRAY(
           SELECT "id"
             FROM platform."OAuthAuthorizationCode"
            WHERE "expiresAt" < now() AT TIME ZONE 'UTC'
            ORDER BY "expiresAt"
            LIMIT %(batch)s
              FOR UPDATE SKIP LOCKED
     ))
    RETURNING 1
), access_tokens AS (
    DELETE FROM platform."OAuthAccessToken"
     WHERE "id" = ANY (ARRAY(
           SELECT "id"
             FROM platform."OAuthAccessToken"
            WHERE "expiresAt" < now() AT TIME ZONE 'UTC'
            ORDER BY "expiresAt"
            LIMIT %(batch)s
              FOR UPDATE SKIP LOCKED
     ))
    RETURNING 1
), refresh_tokens AS (
    DELETE FROM platform."OAuthRefreshToken"
     WHERE "id" = ANY (ARRAY(
           SELECT "id"
             FROM platform."OAuthRefreshToken"
            WHERE "expiresAt" < now() AT TIME ZONE 'UTC'
            ORDER BY "expiresAt"
            LIMIT %(batch)s
              FOR UPDATE SKIP LOCKED
     ))
    RETURNING 1
)
SELECT (SELECT count(*) FROM codes),
       (SELECT count(*) FROM access_tokens),
       (SELECT count(*) FROM refresh_tokens)
"""


@operation(reads=False, repeat=harmless("Finds nothing expired, and returns zeros."))
async def cleanup_expired_oauth_tokens(database: Database) -> dict[str, int]:
    """Delete expired OAuth authorization codes, access tokens and refresh tokens.

    Rows go in batches, each a transaction of its own, so that no backlog is too long for one
    statement; what was deleted stays deleted when a later batch fails.

    Returns:
        How many rows went, as `authorization_codes`, `access_tokens` and `refresh_tokens`.
    """
    codes = access_tokens = refresh_tokens = 0
    batch: tuple[int, ...] = (BATCH,)
    while max(batch) >= BATCH:
        found = await database.row(DELETE_EXPIRED, {"batch": BATCH})
        assert found is not None
        batch = found
        codes += batch[0]
        access_tokens += batch[1]
        refresh_tokens += batch[2]
    return {
        "authorization_codes": codes,
        "access_tokens": access_tokens,
        "refresh_tokens": refresh_tokens,
    }

"""What can be the matter with rights, with rows that are hidden, and with what is ours."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.troubles.declaration import ENDS, Trouble

NO_USAGE: Final = Trouble(
    "rights",
    f"{ENDS} While it runs: every method is unknown (404).",
    "the role {role} may not look into AutoGPT's schema {schema}",
    "GRANT USAGE ON SCHEMA {schema} TO {role};",
    "its owner",
)
NO_CREATE: Final = Trouble(
    "rights",
    f"{ENDS} Only where there is no schema autogpt_db yet.",
    "the role {role} may not make a schema in the database {database}; what is ours lives in the "
    "schema autogpt_db",
    "GRANT CREATE ON DATABASE {database} TO {role};",
    "the database's owner",
)
OURS_BELONG_TO_ANOTHER: Final = Trouble(
    "rights",
    ENDS,
    "the schema autogpt_db belongs to the role {owner}, and the service runs as {role}, which "
    "cannot keep what is in it",
    "GRANT {owner} TO {role};",
    "an administrator, or let DATABASE_URL name that role",
)
OUR_TABLES_BELONG_TO_ANOTHER: Final = Trouble(
    "rights",
    ENDS,
    "tables in the schema autogpt_db belong to {owners}, and the service runs as {role}, which "
    "cannot keep them",
    "{statements}",
    "an administrator",
)
NO_RIGHT: Final = Trouble(
    "rights",
    "Methods are unknown (404, or passed on to `api.fallback_url`) and named in the log's "
    "`methods_not_served`; where every run needs it, the start ends with 78.",
    "the role {role} lacks {right} on {name}",
    "GRANT {right} ON {schema}.{name} TO {role};",
    "the owner of AutoGPT's tables",
)
NO_EXECUTE: Final = Trouble(
    "rights",
    "As with any right that is missing; a job rests (`job_rests`).",
    "the role {role} lacks EXECUTE on {name}()",
    "GRANT EXECUTE ON FUNCTION {schema}.{name} TO {role};",
    "the owner of AutoGPT's tables",
)
NO_MAINTAIN: Final = Trouble(
    "rights",
    "The job `refresh_store_views` rests (`job_rests`): the marketplace's figures grow old.",
    "the role {role} lacks MAINTAIN on {name}, and does not own it",
    "GRANT MAINTAIN ON {schema}.{name} TO {role}; or, before PostgreSQL 17: "
    "ALTER MATERIALIZED VIEW {schema}.{name} OWNER TO {role};",
    "its owner",
)
ROW_SECURITY: Final = Trouble(
    "rights",
    "As with any right that is missing; without that, rows that are there would not be found.",
    "row security hides rows of {name}",
    "ALTER ROLE {role} BYPASSRLS; or, as the table's owner: "
    "ALTER TABLE {schema}.{name} DISABLE ROW LEVEL SECURITY;",
    "an administrator",
)
OURS_DIFFER: Final = Trouble(
    "own schema",
    "A start makes anew what can be made without loss, and warns of the rest (`ours_differs`), or "
    "ends with 78. While it runs: methods that need it are unknown, and named.",
    "something in the schema autogpt_db is missing, or is not as the migrations made it",
    "`autogpt-db migrate` makes anew what can be; with what it leaves stands the statement.",
)
OURS_CLOSED: Final = Trouble(
    "rights",
    "A start, or `autogpt-db migrate`, opens it again (`ours_mended`). While it runs: methods that "
    "need it are unknown, and named; jobs rest.",
    "the role {role} has lost {right} on {name}, which is the service's own",
    "GRANT {right} ON {name} TO {role};",
    "the service's role itself",
)

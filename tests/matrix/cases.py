"""The matrix: how each case breaks a database, and how a start and a running service take it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """How the service takes a case."""

    BORNE = "borne"
    """Every call answers as usual, and nothing has to be mended."""
    NARROWED = "narrowed"
    """READY; methods that lack something are no methods, and named with what mends it."""
    REFUSED = "refused"
    """A start ends with 78, and says what mends it."""
    AWAITED = "awaited"
    """A start isn't READY, and STATUS says for what it waits."""
    TROUBLED = "troubled"
    """A running service isn't ready, calls fail in order, and doctor says what mends it."""


class Case(NamedTuple):
    """One row of the matrix.

    Attributes:
        name: What is the matter.
        kind: What sort of thing it is; the small matrix has some of each.
        breaks: Statements of a superuser; `{role}` and `{database}` are the case's.
        direct: How a start, and then a running service, takes it.
        pooled: The same where only a transaction pooler is known.
        said: What must be among what an operator is told; "" where nothing has to be.
        theirs: What AutoGPT's own migrations do, where the remedy is to run them.
        meant: What an operator puts for "…" in a remedy.
        elsewhere: Whether the statements are sent from another database, without its sessions.
        renamed: The database's name afterwards.
    """

    name: str
    kind: str
    breaks: str
    direct: tuple[Verdict, Verdict]
    pooled: tuple[Verdict, Verdict]
    said: str = ""
    theirs: str = ""
    meant: str = ""
    elsewhere: bool = False
    renamed: str = "{database}"


B, N, R, A, T = Verdict
BORNE, REFUSED, READ_ONLY = (B, B), (R, T), (A, T)
DATABASE, ROLE = 'DATABASE "{database}"', "ROLE {role}"
BOTH = 'ROLE {role} IN DATABASE "{database}"'


def setting(assignment: str, of: str = DATABASE, *, said: str = "") -> Case:
    """Return the case of a setting: sessions of our own replace it, a pooler's cannot.

    Args:
        assignment: `name TO value`.
        of: What it is set for.
        said: What is told behind a pooler; "" where it does no harm there either.
    """
    whose = {DATABASE: "the database", ROLE: "the role", BOTH: "the role there"}[of]
    return Case(
        f"{assignment} for {whose}",
        "setting",
        f"ALTER {of} SET {assignment}",
        BORNE,
        REFUSED if said else BORNE,
        said,
    )


def right(name: str, breaks: str, verdict: tuple[Verdict, Verdict], said: str) -> Case:
    """Return the case of a right that is missing: a pooler changes nothing about it."""
    return Case(name, "right", breaks, verdict, verdict, said)


def missing(name: str, verdict: tuple[Verdict, Verdict], thing: str, new: str, said: str) -> Case:
    """Return the case of something of AutoGPT's that is not there, under that name at least."""
    kind, _, named = thing.partition(" ")
    place, _, last = named.rpartition(".")
    return Case(
        name,
        "missing",
        f"ALTER {thing} RENAME TO {new}",
        verdict,
        verdict,
        said,
        theirs=f"ALTER {kind} {place}.{new} RENAME TO {last}",
    )


CASES: tuple[Case, ...] = (
    # Settings ------------------------------------------------------------------------------------
    setting("client_encoding TO LATIN1"),
    setting("client_encoding TO SQL_ASCII", ROLE),
    setting("default_transaction_isolation TO serializable", said="default_transaction_isolation"),
    setting("default_transaction_isolation TO 'repeatable read'", ROLE,
            said="default_transaction_isolation is 'repeatable read'"),
    setting("default_transaction_deferrable TO on"),
    setting("DateStyle TO 'SQL, DMY'", said="DateStyle is 'SQL, DMY'"),
    setting("IntervalStyle TO sql_standard"),
    setting("TimeZone TO 'Asia/Kolkata'", said="TimeZone is 'Asia/Kolkata'"),
    setting("TimeZone TO 'America/New_York'", BOTH, said="TimeZone is 'America/New_York'"),
    setting("bytea_output TO escape", said="bytea_output is 'escape'"),
    setting("extra_float_digits TO '-15'", said="extra_float_digits is '-15'"),
    setting("standard_conforming_strings TO off", ROLE, said="standard_conforming_strings"),
    setting("row_security TO off", said="row_security is 'off'"),
    setting("array_nulls TO off"),
    setting("transform_null_equals TO on", said="transform_null_equals is 'on'"),
    setting("quote_all_identifiers TO on"),
    setting("statement_timeout TO 1", said="statement_timeout"),
    setting("statement_timeout TO 900", ROLE, said="statement_timeout is '900 ms'"),
    setting("lock_timeout TO 1", said="lock_timeout is '1 ms'"),
    setting("idle_in_transaction_session_timeout TO 1",
            said="idle_in_transaction_session_timeout"),
    setting("idle_session_timeout TO 300"),
    Case("transaction_timeout TO 1 for the database", "setting",
         'ALTER DATABASE "{database}" SET transaction_timeout TO 1',
         REFUSED, REFUSED, "transaction_timeout"),
    setting("jit_above_cost TO 0", ROLE),
    setting("search_path TO nowhere"),
    setting("search_path TO ''", ROLE),
    setting("default_toast_compression TO pglz"),
    setting("client_min_messages TO error", said="client_min_messages is 'error'"),
    setting("work_mem TO '64kB'", ROLE),
    setting("plan_cache_mode TO force_generic_plan"),
    setting("enable_seqscan TO off"),
    # No writes -----------------------------------------------------------------------------------
    Case("the database is read-only", "writes",
         'ALTER DATABASE "{database}" SET default_transaction_read_only TO on',
         READ_ONLY, READ_ONLY, "by the database's settings"),
    Case("the role is read-only", "writes",
         "ALTER ROLE {role} SET default_transaction_read_only TO on",
         READ_ONLY, READ_ONLY, "by the role's settings"),
    Case("the role is read-only there", "writes",
         'ALTER ROLE {role} IN DATABASE "{database}" SET default_transaction_read_only TO on',
         READ_ONLY, READ_ONLY, "by the role's settings for the database"),
    # Rights --------------------------------------------------------------------------------------
    right("no CREATE, and a schema of ours", 'REVOKE CREATE ON DATABASE "{database}" FROM {role}',
          BORNE, ""),
    right("no USAGE on AutoGPT's schema", "REVOKE USAGE ON SCHEMA platform FROM {role}",
          REFUSED, "may not look into"),
    right("our schema is another's", "ALTER SCHEMA autogpt_db OWNER TO postgres",
          REFUSED, 'belongs to the role "postgres"'),
    right("a table of ours is another's", "ALTER TABLE autogpt_db.job_run OWNER TO postgres",
          REFUSED, 'belong to "postgres"'),
    right("no UPDATE that a run needs",
          'REVOKE UPDATE ON platform."AgentNodeExecution" FROM {role}',
          REFUSED, 'UPDATE on "AgentNodeExecution"'),
    right("no INSERT that a run needs",
          'REVOKE INSERT ON platform."AgentNodeExecutionInputOutput" FROM {role}',
          REFUSED, 'INSERT on "AgentNodeExecutionInputOutput"'),
    right("no SELECT that a run needs", 'REVOKE SELECT ON platform."User" FROM {role}',
          REFUSED, 'SELECT on "User"'),
    right("no DELETE that one method needs",
          'REVOKE DELETE ON platform."OAuthAccessToken" FROM {role}',
          (N, N), 'DELETE on "OAuthAccessToken"'),
    right("no SELECT on the marketplace", 'REVOKE SELECT ON platform."StoreAgent" FROM {role}',
          (N, N), 'SELECT on "StoreAgent"'),
    Case("materialized views are another's", "right",
         "ALTER MATERIALIZED VIEW platform.mv_review_stats OWNER TO postgres",
         BORNE, BORNE, 'MAINTAIN on "mv_review_stats"'),
    Case("no EXECUTE on AutoGPT's function", "right",
         "REVOKE EXECUTE ON FUNCTION platform.refresh_store_materialized_views()"
         " FROM PUBLIC, {role}",
         BORNE, BORNE, "EXECUTE on refresh_store_materialized_views"),
    # Row security --------------------------------------------------------------------------------
    Case("row security hides users", "row security",
         'ALTER TABLE platform."User" ENABLE ROW LEVEL SECURITY',
         REFUSED, REFUSED, 'row security hides rows of "User"'),
    Case("a policy shows some graphs", "row security",
         'ALTER TABLE platform."AgentGraph" ENABLE ROW LEVEL SECURITY;'
         """CREATE POLICY narrow ON platform."AgentGraph" USING (id = 'g2')""",
         REFUSED, REFUSED, 'row security hides rows of "AgentGraph"'),
    Case("row security hides tokens", "row security",
         'ALTER TABLE platform."OAuthAccessToken" ENABLE ROW LEVEL SECURITY',
         (N, N), (N, N), 'row security hides rows of "OAuthAccessToken"'),
    # What AutoGPT's migrations make --------------------------------------------------------------
    missing("a table that a run needs", REFUSED,
            'TABLE platform."AgentNodeExecutionInputOutput"', '"Gone"',
            'table "AgentNodeExecutionInputOutput"'),
    missing("a table that one method needs", (N, N),
            'TABLE platform."OAuthAccessToken"', '"Gone"', 'table "OAuthAccessToken"'),
    missing("a view", (N, N), 'VIEW platform."StoreAgent"', '"Gone"', 'table "StoreAgent"'),
    Case("a column that a run needs", "missing",
         'ALTER TABLE platform."AgentNodeExecution" RENAME COLUMN "executionData" TO gone',
         REFUSED, REFUSED, 'column "AgentNodeExecution"."executionData"',
         theirs='ALTER TABLE platform."AgentNodeExecution" RENAME COLUMN gone TO "executionData"'),
    Case("a label that a run needs", "missing",
         """ALTER TYPE platform."AgentExecutionStatus" RENAME VALUE 'TERMINATED' TO 'GONE'""",
         REFUSED, REFUSED, 'label TERMINATED of type "AgentExecutionStatus"',
         theirs="""ALTER TYPE platform."AgentExecutionStatus" RENAME VALUE 'GONE' TO"""
         " 'TERMINATED'"),
    Case("a unique index that a run needs", "missing",
         'ALTER TABLE platform."AgentNodeExecutionKeyValueData"'
         ' DROP CONSTRAINT "AgentNodeExecutionKeyValueData_pkey"',
         REFUSED, REFUSED, 'unique index on "AgentNodeExecutionKeyValueData"',
         theirs='ALTER TABLE platform."AgentNodeExecutionKeyValueData"'
         ' ADD CONSTRAINT "AgentNodeExecutionKeyValueData_pkey" PRIMARY KEY ("userId", "key")'),
    # Who may come in -----------------------------------------------------------------------------
    Case("the role may not log in", "login", "ALTER ROLE {role} NOLOGIN",
         REFUSED, REFUSED, "not permitted to log in"),
    Case("the password is another", "login", "ALTER ROLE {role} PASSWORD 'another'",
         REFUSED, REFUSED, "password authentication failed", meant="matrix"),
    Case("the password has run out", "login", "ALTER ROLE {role} VALID UNTIL '2020-01-01'",
         REFUSED, REFUSED, "password authentication failed", meant="matrix"),
    Case("no CONNECT on the database", "login",
         'REVOKE CONNECT ON DATABASE "{database}" FROM {role}',
         REFUSED, REFUSED, "permission denied for database"),
    Case("the database is closed", "login",
         'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false',
         REFUSED, REFUSED, "not currently accepting connections", elsewhere=True),
    Case("the database is renamed", "login",
         'ALTER DATABASE "{database}" RENAME TO "{database}_new"',
         REFUSED, REFUSED, "does not exist", meant='"{database}_new"', elsewhere=True,
         renamed="{database}_new"),
)  # fmt: skip

KINDS = tuple(dict.fromkeys(case.kind for case in CASES))

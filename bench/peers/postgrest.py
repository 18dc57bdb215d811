"""PostgREST's side: one function per method, in the database, by the daemon's own statements.

plpgsql keeps their plans from one call to the next, which PostgREST's users do for speed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Into = Callable[..., str]

SCHEMA = "postgrest"

# AutoGPT's cleaning of JSON values: no control characters, no members that start with _sa.
CLEAN = r"""
CREATE FUNCTION postgrest_private.cleaned(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(key, postgrest_private.cleaned(item)), '{}')
              FROM jsonb_each(value) AS member (key, item)
             WHERE left(key, 3) <> '_sa'
        )
        WHEN 'array' THEN (
            SELECT coalesce(jsonb_agg(postgrest_private.cleaned(item)), '[]')
              FROM jsonb_array_elements(value) AS item
        )
        ELSE value
    END;
END $$;
CREATE FUNCTION postgrest_private.clean(value json) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    content text := value::text;
BEGIN
    IF content !~ '\\u00|\\[bf]|"_sa|\x7f' THEN
        RETURN value;
    END IF;
    RETURN postgrest_private.cleaned(regexp_replace(
        regexp_replace(content, '\\u00(0[0-8bcef]|1[0-9a-f]|7f)|\x7f', '', 'gi'),
        '(?<!\\)((\\\\)*)\\[bf]', '\1', 'g'
    )::jsonb);
END $$;
"""

_NAMED = re.compile(r"%\((\w+)\)s")

# What answers 400 in PostgREST.
_REFUSED = "RAISE SQLSTATE 'PT400' USING MESSAGE ="


def definitions(allowed: Mapping[str, str]) -> str:
    """Return the script that makes the functions.

    Args:
        allowed: Of each status, those that it may follow, as the text of an array.
    """
    functions = (
        _function(
            "get_node_execution",
            "node_exec_id text",
            lambda into: into(statements.NODE_EXECUTION),
        ),
        _function(
            "get_graph_execution",
            "user_id text, execution_id text, include_node_executions boolean DEFAULT false",
            lambda into: (
                f"IF include_node_executions THEN {into(statements.GRAPH_EXECUTION_WITH_NODES)}"
                f"ELSE {into(statements.GRAPH_EXECUTION)} END IF;"
            ),
        ),
        _function(
            "get_node",
            "node_id text",
            lambda into: (
                f"{into(statements.NODE)}"
                f"IF document IS NULL THEN {_REFUSED} 'There is no such node.'; END IF;"
            ),
        ),
        _function(
            "update_node_execution_status",
            "node_exec_id text, status text,"
            " execution_data json DEFAULT NULL, stats json DEFAULT NULL",
            lambda into: _update(into, allowed),
            volatile=True,
        ),
        _function(
            "upsert_execution_output",
            "node_exec_id text, output_name text, output_data json",
            lambda into: into(
                statements.ADD_OUTPUT,
                output_data="postgrest_private.clean(upsert_execution_output.output_data)",
            ),
            volatile=True,
        ),
        _function(
            "upsert_execution_input",
            "node_id text, graph_exec_id text, input_name text, input_data json,"
            " node_exec_id text DEFAULT NULL",
            _fill,
            volatile=True,
        ),
        _function(
            "get_execution_kv_data",
            "user_id text, key text",
            lambda into: into(statements.GET_VALUE),
        ),
        _function(
            "set_execution_kv_data",
            "user_id text, node_exec_id text, key text, data json",
            lambda into: into(
                statements.SET_VALUE,
                data="coalesce(postgrest_private.clean(set_execution_kv_data.data), 'null')",
            ),
            volatile=True,
        ),
    )
    schemas = f"CREATE SCHEMA {SCHEMA}; CREATE SCHEMA postgrest_private;"
    return "\n".join((schemas, CLEAN, *functions))


def _function(
    name: str, parameters: str, body: Callable[[Into], str], *, volatile: bool = False
) -> str:
    def into(statement: str, **expressions: str) -> str:
        """Return the plpgsql that puts the statement's document into `document`."""

        def expression(found: re.Match[str]) -> str:
            return expressions.get(found[1], f"{name}.{found[1]}")

        text = _NAMED.sub(expression, re.sub(r"--[^\n]*", "", statement))
        return f"{text.strip()} INTO document;\n"

    return f"""
CREATE FUNCTION {SCHEMA}.{name}({parameters}) RETURNS json
LANGUAGE plpgsql {"VOLATILE" if volatile else "STABLE"} AS $$
#variable_conflict use_column
DECLARE
    document json;
BEGIN
{body(into)}
    RETURN document;
END $$;
"""


def _update(into: Into, allowed: Mapping[str, str]) -> str:
    name = "update_node_execution_status"
    cases = " ".join(f"WHEN '{status}' THEN '{before}'" for status, before in allowed.items())
    changed = into(
        statements.UPDATE_STATUS,
        allowed=f"(CASE {name}.status {cases} END)",
        execution_data=f"nullif(postgrest_private.clean({name}.execution_data), '{{}}')",
        stats=f"nullif(postgrest_private.clean({name}.stats), '{{}}')",
    )
    return f"""
IF {name}.status = 'QUEUED' AND {name}.execution_data IS NULL OR {name}.status = 'INCOMPLETE' THEN
    {_REFUSED} 'The status cannot be set like that.';
END IF;
{changed}
IF document IS NULL THEN
    {into(statements.NODE_EXECUTION)}
    IF document IS NULL THEN {_REFUSED} 'There is no such node execution.'; END IF;
END IF;"""


def _fill(into: Into) -> str:
    name = "upsert_execution_input"
    values = {
        "input_data": f"coalesce(postgrest_private.clean({name}.input_data), 'null')",
        "received": f"coalesce({name}.input_data, 'null')",
    }
    return f"""
IF {name}.node_exec_id <> '' THEN
    {into(statements.FILL_ONE, **values)}
    IF document IS NULL THEN {_REFUSED} 'It does not wait for the input.'; END IF;
ELSE
    {into(statements.FILL_OLDEST_OR_NEW, **values)}
END IF;"""

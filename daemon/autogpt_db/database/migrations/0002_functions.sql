-- What plain SQL says badly, said once: the wire's moments, AutoGPT's loose conversions, and what
-- its models accept of a stored JSON value.
--
-- Every function is a pure one and names no table. Its name carries a version: a later migration
-- adds `…_v2` beside it and never replaces this one, so that an older program still running finds
-- what it was tested with. tests/integration/test_functions.py holds each against pydantic.
--
-- Functions with a RETURN body are inlined into the statement that calls them, and let the usual
-- row through with a look at its type; the odd row goes to a plpgsql function, which may raise.
-- What rests on something that PostgreSQL calls STABLE (to_char, pg_column_size, the functions that
-- build json) is STABLE, too: else it would not be inlined.

-- Moments -----------------------------------------------------------------------------------

-- The columns hold UTC without saying so, cut (not rounded) to milliseconds.
CREATE FUNCTION autogpt_db.now_v1() RETURNS timestamp
LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_trunc('milliseconds', now() AT TIME ZONE 'UTC');

-- The wire writes six digits of fraction, or none.
CREATE FUNCTION autogpt_db.iso_v1(moment timestamp) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN moment = date_trunc('second', moment) THEN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    ELSE to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
END;

-- Failing -----------------------------------------------------------------------------------

-- The program makes a ValidationError of AG400. The value is an argument so that the planner,
-- which calls pure functions of constants early, never raises for a row that is not there.
CREATE FUNCTION autogpt_db.refused_v1(value jsonb, what text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RAISE SQLSTATE 'AG400' USING MESSAGE = format(
        'A stored value is not %s: %s', what, left(value::text, 200)
    );
END;
$$;

-- Loose conversions -------------------------------------------------------------------------

-- Whether Python would take it for true. A large value always is one: its size is known without
-- reading it, and reading may mean decompressing.
CREATE FUNCTION autogpt_db.truthy_v1(value jsonb) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN value IS NOT NULL AND (
    pg_column_size(value) > 100
    OR value <> ALL (ARRAY['{}', '[]', 'null', '""', '0', 'false']::jsonb[])
);

-- The value that a text is JSON of; NULL when it is none.
CREATE FUNCTION autogpt_db.parsed_v1(content text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN content::jsonb;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
END;
$$;

CREATE FUNCTION autogpt_db.loose_object_v1(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    parsed jsonb;
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN value;
        WHEN 'array' THEN
            RETURN (
                SELECT coalesce(jsonb_object_agg(place - 1, item), '{}')
                  FROM jsonb_array_elements(value) WITH ORDINALITY AS element (item, place)
            );
        WHEN 'string' THEN
            parsed := coalesce(autogpt_db.parsed_v1(value #>> '{}'), value);
            IF jsonb_typeof(parsed) = 'object' THEN
                RETURN parsed;
            END IF;
            RETURN jsonb_build_object('value', parsed);
        ELSE
            RETURN jsonb_build_object('value', value);
    END CASE;
END;
$$;

-- A value "as object" (the contract's loose conversion).
CREATE FUNCTION autogpt_db.as_object_v1(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value IS NULL OR jsonb_typeof(value) = 'object' THEN value
    ELSE autogpt_db.loose_object_v1(value)
END;

-- An object or null as it is; anything else raises.
CREATE FUNCTION autogpt_db.object_or_null_v1(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value IS NULL OR jsonb_typeof(value) IN ('object', 'null') THEN value
    ELSE autogpt_db.refused_v1(value, 'an object')
END;

-- A text without the white space around it, Unicode's included.
CREATE FUNCTION autogpt_db.stripped_v1(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(
    content,
    U&'\0009\000A\000B\000C\000D \0085\00A0\1680\2000\2001\2002\2003\2004\2005'
    '\2006\2007\2008\2009\200A\2028\2029\202F\205F\3000'
);

-- The number that a value stands for where a float is asked for; NULL when it stands for none.
CREATE FUNCTION autogpt_db.lax_number_v1(value jsonb) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    content text;
    number numeric;
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'number' THEN
            number := value::numeric;
        WHEN 'boolean' THEN
            number := value::boolean::integer;
        WHEN 'string' THEN
            content := value #>> '{}';
            IF strpos(content, '_') = 0 THEN
                content := autogpt_db.stripped_v1(content);
            ELSIF content !~ '__|^_|_$' THEN
                content := replace(content, '_', '');
            END IF;
            IF length(content) < 1000 AND content
                ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?0*[0-9]{1,4})?$'
            THEN
                number := content::numeric;
            END IF;
        ELSE
            RETURN NULL;
    END CASE;
    -- Beyond a double there is only infinity, which JSON has no word for.
    RETURN CASE WHEN abs(number) < 1.797693134862315808e308 THEN number END;
END;
$$;

-- The same where an integer is asked for.
CREATE FUNCTION autogpt_db.lax_integer_v1(value jsonb) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    content text;
    number numeric;
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'number' THEN
            number := value::numeric;
            RETURN CASE
                WHEN number = trunc(number) AND abs(number) < 9223372036854775808
                THEN trunc(number)
            END;
        WHEN 'boolean' THEN
            RETURN value::boolean::integer;
        WHEN 'string' THEN
            content := autogpt_db.stripped_v1(value #>> '{}');
            IF length(content) < 1000 AND content ~ '^[+-]?[0-9]+(_[0-9]+)*(\.0+)?$' THEN
                RETURN split_part(replace(content, '_', ''), '.', 1)::numeric;
            END IF;
            RETURN NULL;
        ELSE
            RETURN NULL;
    END CASE;
END;
$$;

-- The same where a boolean is asked for.
CREATE FUNCTION autogpt_db.lax_boolean_v1(value jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'boolean' THEN
            RETURN value::boolean;
        WHEN 'number' THEN
            RETURN CASE value::numeric WHEN 0 THEN false WHEN 1 THEN true END;
        WHEN 'string' THEN
            RETURN CASE
                WHEN lower(value #>> '{}') IN ('1', 'true', 't', 'yes', 'y', 'on') THEN true
                WHEN lower(value #>> '{}') IN ('0', 'false', 'f', 'no', 'n', 'off') THEN false
            END;
        ELSE
            RETURN NULL;
    END CASE;
END;
$$;

-- Models ------------------------------------------------------------------------------------

-- An object whose members are lists of strings.
CREATE FUNCTION autogpt_db.lists_of_strings_v1(value jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF jsonb_typeof(value) <> 'object' THEN
        RETURN false;
    END IF;
    -- A CASE, because the planner may reorder what AND joins.
    RETURN NOT EXISTS (
        SELECT
          FROM jsonb_each(value) AS member
         WHERE CASE jsonb_typeof(member.value)
                   WHEN 'array' THEN jsonb_path_exists(
                       member.value, 'strict $[*] ? (@.type() != "string")'
                   )
                   ELSE true
               END
    );
END;
$$;

-- Whether a node execution's stats validate as a whole.
CREATE FUNCTION autogpt_db.node_stats_valid_v1(stats jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
BEGIN
    IF jsonb_typeof(stats) <> 'object' THEN
        RETURN false;
    END IF;
    FOREACH name IN ARRAY ARRAY['cleared_inputs', 'cleared_outputs'] LOOP
        IF stats -> name <> 'null' AND NOT autogpt_db.lists_of_strings_v1(stats -> name) THEN
            RETURN false;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY ARRAY['walltime', 'cputime'] LOOP
        IF stats ? name AND autogpt_db.lax_number_v1(stats -> name) IS NULL THEN
            RETURN false;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'input_size', 'output_size', 'llm_call_count', 'llm_retry_count',
        'input_token_count', 'output_token_count', 'extra_cost', 'extra_steps'
    ] LOOP
        IF stats ? name AND autogpt_db.lax_integer_v1(stats -> name) IS NULL THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN coalesce(jsonb_typeof(stats -> 'error'), 'null') IN ('string', 'null');
END;
$$;

CREATE FUNCTION autogpt_db.checked_cleared_v1(stats jsonb, name text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE
        WHEN stats -> name <> '{}' AND autogpt_db.node_stats_valid_v1(stats) THEN stats -> name
    END;
END;
$$;

CREATE FUNCTION autogpt_db.last_of_each_v1(lists jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        SELECT jsonb_object_agg(member.key, coalesce(member.value -> -1, '""'))
          FROM jsonb_each(lists) AS member
    );
END;
$$;

-- A node execution's input where its stats say that the stored one was cleared; else NULL.
CREATE FUNCTION autogpt_db.cleared_inputs_v1(stats jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(stats -> 'cleared_inputs')
    WHEN 'object'
    THEN autogpt_db.last_of_each_v1(autogpt_db.checked_cleared_v1(stats, 'cleared_inputs'))
END;

-- Its output likewise.
CREATE FUNCTION autogpt_db.cleared_outputs_v1(stats jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(stats -> 'cleared_outputs')
    WHEN 'object' THEN autogpt_db.checked_cleared_v1(stats, 'cleared_outputs')
END;

CREATE FUNCTION autogpt_db.checked_credential_inputs_v1(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    reference jsonb;
    result jsonb := '{}';
BEGIN
    PERFORM autogpt_db.object_or_null_v1(value);
    FOR name, reference IN SELECT * FROM jsonb_each(value) LOOP
        IF jsonb_typeof(reference -> 'id') = 'string'
            AND jsonb_typeof(reference -> 'provider') = 'string'
            AND reference ->> 'type' IN ('api_key', 'oauth2', 'user_password', 'host_scoped')
            AND coalesce(jsonb_typeof(reference -> 'title'), 'null') IN ('string', 'null')
        THEN
            result := result || jsonb_build_object(name, jsonb_build_object(
                'id', reference -> 'id',
                'title', reference -> 'title',
                'provider', reference -> 'provider',
                'type', reference -> 'type'
            ));
        ELSE
            PERFORM autogpt_db.refused_v1(reference, 'a reference to credentials');
        END IF;
    END LOOP;
    RETURN result;
END;
$$;

-- A graph execution's references to credentials; raises when one does not validate.
CREATE FUNCTION autogpt_db.credential_inputs_v1(value jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN autogpt_db.truthy_v1(value) THEN autogpt_db.checked_credential_inputs_v1(value)
END;

-- The odd row: members missing, or of another type that converts.
CREATE FUNCTION autogpt_db.odd_execution_stats_v1(stats jsonb) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    number numeric;
    result jsonb := '{
        "cost": 0, "node_count": 0, "node_error_count": 0, "walltime": 0, "cputime": 0,
        "nodes_walltime": 0, "nodes_cputime": 0, "correctness_score": null, "error": null,
        "activity_status": null
    }';
BEGIN
    FOR name IN SELECT jsonb_object_keys(stats) LOOP
        CASE
            WHEN name IN ('cost', 'node_count', 'node_error_count') THEN
                number := autogpt_db.lax_integer_v1(stats -> name);
            WHEN name IN ('walltime', 'cputime', 'nodes_walltime', 'nodes_cputime') THEN
                number := autogpt_db.lax_number_v1(stats -> name);
            WHEN name = 'correctness_score' AND stats -> name <> 'null' THEN
                number := autogpt_db.lax_number_v1(stats -> name);
            WHEN name IN ('error', 'activity_status') THEN
                IF jsonb_typeof(stats -> name) NOT IN ('string', 'null') THEN
                    RETURN NULL;
                END IF;
                result := jsonb_set(result, ARRAY[name], stats -> name);
                CONTINUE;
            ELSE
                CONTINUE;
        END CASE;
        IF number IS NULL THEN
            RETURN NULL;
        END IF;
        result := jsonb_set(result, ARRAY[name], to_jsonb(number));
    END LOOP;
    RETURN autogpt_db.execution_stats_v1(result);
END;
$$;

-- A graph execution's stored stats under the wire's names; NULL when they do not validate.
CREATE FUNCTION autogpt_db.execution_stats_v1(stats jsonb) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN stats IS NULL OR jsonb_typeof(stats) <> 'object' THEN NULL
    WHEN stats @@ '
        $.cost.type() == "number" && $.cost.floor() == $.cost
        && $.node_count.type() == "number" && $.node_count.floor() == $.node_count
        && $.node_error_count.type() == "number"
        && $.node_error_count.floor() == $.node_error_count
        && $.walltime.type() == "number"
        && $.cputime.type() == "number"
        && $.nodes_walltime.type() == "number"
        && $.nodes_cputime.type() == "number"
        && ($.error.type() == "null" || $.error.type() == "string")
        && ($.activity_status.type() == "null" || $.activity_status.type() == "string")
        && ($.correctness_score.type() == "null" || $.correctness_score.type() == "number")
    ' THEN json_build_object(
        'cost', trunc((stats -> 'cost')::numeric),
        'duration', stats -> 'walltime',
        'duration_cpu_only', stats -> 'cputime',
        'node_exec_time', stats -> 'nodes_walltime',
        'node_exec_time_cpu_only', stats -> 'nodes_cputime',
        'node_exec_count', trunc((stats -> 'node_count')::numeric),
        'node_error_count', trunc((stats -> 'node_error_count')::numeric),
        'error', stats -> 'error',
        'activity_status', stats -> 'activity_status',
        'correctness_score', stats -> 'correctness_score'
    )
    ELSE autogpt_db.odd_execution_stats_v1(stats)
END;

-- Of a library agent's settings: members missing or null get their defaults, and so do all when
-- one of them does not validate.
CREATE FUNCTION autogpt_db.graph_settings_v1(settings jsonb) RETURNS json
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    valid boolean;
    result jsonb := '{"human_in_the_loop_safe_mode": true, "sensitive_action_safe_mode": false}';
    defaults CONSTANT jsonb := result;
BEGIN
    FOR name IN SELECT jsonb_object_keys(defaults) LOOP
        IF settings -> name <> 'null' THEN
            valid := autogpt_db.lax_boolean_v1(settings -> name);
            IF valid IS NULL THEN
                RETURN defaults;
            END IF;
            result := jsonb_set(result, ARRAY[name], to_jsonb(valid));
        END IF;
    END LOOP;
    RETURN result;
END;
$$;

-- A user's automatic top-up; NULL when it does not validate.
CREATE FUNCTION autogpt_db.top_up_config_v1(config jsonb) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    amount CONSTANT numeric := autogpt_db.lax_integer_v1(config -> 'amount');
    threshold CONSTANT numeric := autogpt_db.lax_integer_v1(config -> 'threshold');
BEGIN
    RETURN CASE
        WHEN amount IS NOT NULL AND threshold IS NOT NULL
        THEN json_build_object('amount', amount, 'threshold', threshold)
    END;
END;
$$;

-- A user's metadata: an object, or the text of one; else an empty one.
CREATE FUNCTION autogpt_db.user_metadata_v1(metadata jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF jsonb_typeof(metadata) = 'string' THEN
        metadata := autogpt_db.parsed_v1(metadata #>> '{}');
    END IF;
    RETURN CASE WHEN jsonb_typeof(metadata) = 'object' THEN metadata ELSE '{}' END;
END;
$$;

-- What AutoGPT's later releases accept of stored values; the rules of 0002_functions.sql hold here,
-- too.

-- Node executions' stats ---------------------------------------------------------------------

-- Whether they validate as a whole. Releases differ in the integers that are looked at: `counts`.
CREATE FUNCTION autogpt_db.node_stats_valid_v2(stats jsonb, counts text[]) RETURNS boolean
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
    FOREACH name IN ARRAY counts LOOP
        IF stats ? name AND autogpt_db.lax_integer_v1(stats -> name) IS NULL THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN coalesce(jsonb_typeof(stats -> 'error'), 'null') IN ('string', 'null');
END;
$$;

CREATE FUNCTION autogpt_db.checked_cleared_v2(stats jsonb, name text, counts text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE
        WHEN stats -> name <> '{}' AND autogpt_db.node_stats_valid_v2(stats, counts)
        THEN stats -> name
    END;
END;
$$;

-- A node execution's input where its stats say that the stored one was cleared; else NULL.
CREATE FUNCTION autogpt_db.cleared_inputs_v2(stats jsonb, counts text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(stats -> 'cleared_inputs')
    WHEN 'object'
    THEN autogpt_db.last_of_each_v1(
        autogpt_db.checked_cleared_v2(stats, 'cleared_inputs', counts)
    )
END;

-- Its output likewise.
CREATE FUNCTION autogpt_db.cleared_outputs_v2(stats jsonb, counts text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(stats -> 'cleared_outputs')
    WHEN 'object' THEN autogpt_db.checked_cleared_v2(stats, 'cleared_outputs', counts)
END;

-- Gives notice, to the program alone, that a node execution has more values than are read; false,
-- so that it can stand where a row is left out.
CREATE FUNCTION autogpt_db.left_out_v1(node_exec_id text) RETURNS boolean
LANGUAGE plpgsql PARALLEL SAFE
AS $$
BEGIN
    RAISE NOTICE USING
        ERRCODE = 'AG001', MESSAGE = 'values are left out', DETAIL = node_exec_id;
    RETURN false;
END;
$$;

-- References to credentials ------------------------------------------------------------------

-- A provider's word where a faulty writer has stored the name of its member, `ProviderName.GITHUB`;
-- an unknown name stays as it is.
CREATE FUNCTION autogpt_db.provider_v1(provider text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN provider LIKE 'ProviderName.%' AND substr(provider, 14) = upper(substr(provider, 14))
        AND lower(substr(provider, 14)) = ANY (ARRAY[
            'aiml_api', 'anthropic', 'apollo', 'compass', 'discord', 'd_id', 'e2b', 'elevenlabs',
            'enrichlayer', 'fal', 'github', 'google', 'google_maps', 'groq', 'http', 'hubspot',
            'ideogram', 'jina', 'llama_api', 'mcp', 'medium', 'mem0', 'notion', 'nvidia', 'ollama',
            'open_router', 'openai', 'openweathermap', 'pinecone', 'reddit', 'replicate', 'revid',
            'screenshotone', 'slant3d', 'smartlead', 'smtp', 'todoist', 'twitter', 'unreal_speech',
            'v0', 'webshare_proxy', 'zerobounce'
        ])
    THEN lower(substr(provider, 14))
    ELSE provider
END;

CREATE FUNCTION autogpt_db.checked_credential_inputs_v2(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    reference jsonb;
    result jsonb := autogpt_db.checked_credential_inputs_v1(value);
BEGIN
    FOR name, reference IN SELECT * FROM jsonb_each(result) LOOP
        IF reference ->> 'provider' LIKE 'ProviderName.%' THEN
            result := jsonb_set(
                result,
                ARRAY[name, 'provider'],
                to_jsonb(autogpt_db.provider_v1(reference ->> 'provider'))
            );
        END IF;
    END LOOP;
    RETURN result;
END;
$$;

-- A graph execution's references to credentials; raises when one does not validate.
CREATE FUNCTION autogpt_db.credential_inputs_v2(value jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN autogpt_db.truthy_v1(value) THEN autogpt_db.checked_credential_inputs_v2(value)
END;

-- Graph executions' stats --------------------------------------------------------------------

-- As the first version, for releases that know dry runs.
CREATE FUNCTION autogpt_db.execution_stats_v2(stats jsonb) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN coalesce(jsonb_typeof(stats -> 'is_dry_run'), 'boolean') = 'boolean'
        OR autogpt_db.lax_boolean_v1(stats -> 'is_dry_run') IS NOT NULL
    THEN autogpt_db.execution_stats_v1(stats)
END;

-- Whether an execution is a dry run: not when its stats do not validate.
CREATE FUNCTION autogpt_db.dry_run_v1(stats jsonb) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN coalesce(stats -> 'is_dry_run', 'false') = 'false' THEN false
    WHEN autogpt_db.execution_stats_v2(stats) IS NULL THEN false
    ELSE autogpt_db.lax_boolean_v1(stats -> 'is_dry_run')
END;

-- Why an execution failed, as its stats say or, for those that failed, as the text of the error
-- tells; only a whole text that is known counts.
CREATE FUNCTION autogpt_db.failure_reason_v1(stats jsonb, status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(stats -> 'failure_reason') = 'string' THEN stats ->> 'failure_reason'
    WHEN status = 'FAILED' AND stats ->> 'error' ~ (
        '^(You have no credits left to run an agent\.'
        '|Insufficient balance of \$-?[0-9]+(\.[0-9]+)?,'
            ' where this will cost \$-?[0-9]+(\.[0-9]+)?'
        '|Insufficient balance to run [A-Za-z_][A-Za-z0-9_]*:'
            ' dynamic-cost blocks require a positive balance\.'
        '|Organization has -?[0-9]+ credits but needs [0-9]+)$'
    ) THEN 'insufficient_balance'
END;

-- As the second version, for releases that tell why an execution failed.
CREATE FUNCTION autogpt_db.execution_stats_v3(stats jsonb, status text) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN coalesce(stats -> 'failure_reason', 'null') IN (
        'null', '"insufficient_balance"', '"entitlement_required"'
    ) THEN (
        autogpt_db.execution_stats_v2(stats)::jsonb || jsonb_build_object(
            'failure_reason', autogpt_db.failure_reason_v1(stats, status)
        )
    )::json
END;

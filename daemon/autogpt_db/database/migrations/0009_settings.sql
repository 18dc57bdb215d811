-- A library agent's settings as they are since AutoGPT v0.6.57; the rules of 0002_functions.sql hold
-- here, too.

-- An object or not: members missing or null get their defaults. NULL when one does not validate.
CREATE FUNCTION autogpt_db.checked_settings_v1(settings jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    valid boolean;
    result jsonb := '{"human_in_the_loop_safe_mode": true, "sensitive_action_safe_mode": false}';
    session CONSTANT jsonb := coalesce(settings -> 'builder_chat_session_id', 'null');
BEGIN
    IF jsonb_typeof(session) NOT IN ('string', 'null') THEN
        RETURN NULL;
    END IF;
    FOR name IN SELECT jsonb_object_keys(result) LOOP
        IF settings -> name <> 'null' THEN
            valid := autogpt_db.lax_boolean_v1(settings -> name);
            IF valid IS NULL THEN
                RETURN NULL;
            END IF;
            result := jsonb_set(result, ARRAY[name], to_jsonb(valid));
        END IF;
    END LOOP;
    RETURN result || jsonb_build_object('builder_chat_session_id', session);
END;
$$;

-- The settings that a run goes by: all defaults when they do not validate.
CREATE FUNCTION autogpt_db.graph_settings_v2(settings jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
    autogpt_db.checked_settings_v1(settings),
    autogpt_db.checked_settings_v1('{}')
);

-- The settings that a library shows: an object or the text of one. NULL when they do not validate.
CREATE FUNCTION autogpt_db.library_settings_v2(settings jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF jsonb_typeof(settings) = 'string' THEN
        settings := autogpt_db.parsed_v1(settings #>> '{}');
    END IF;
    RETURN CASE
        WHEN jsonb_typeof(settings) = 'object' THEN autogpt_db.checked_settings_v1(settings)
    END;
END;
$$;

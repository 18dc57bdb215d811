-- More of what plain SQL says badly; the rules of 0002_functions.sql hold here, too.

-- A library agent's settings: an object or the text of one, members missing or null at their
-- defaults. NULL when it does not validate.
CREATE FUNCTION autogpt_db.library_settings_v1(settings jsonb) RETURNS json
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    name text;
    valid boolean;
    result jsonb := '{"human_in_the_loop_safe_mode": true, "sensitive_action_safe_mode": false}';
BEGIN
    IF jsonb_typeof(settings) = 'string' THEN
        settings := autogpt_db.parsed_v1(settings #>> '{}');
    END IF;
    IF settings IS NULL OR jsonb_typeof(settings) <> 'object' THEN
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
    RETURN result;
END;
$$;

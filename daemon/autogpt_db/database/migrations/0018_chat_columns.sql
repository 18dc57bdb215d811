-- The odd cases of what chats' columns hold. Statements take the usual ones by themselves and call
-- these for the rest: a call that isn't made costs next to nothing, whereas a subquery that isn't
-- needed is made ready each time, and the conditions of all odd cases with it.

-- A column's JSON that isn't as it should be: read once more where it is a text, and if it is what
-- was looked for then. Else what stands instead, with notice of it unless the column has null.
-- `odd` finds what must not be in it; NULL for nothing.
CREATE FUNCTION autogpt_db.reread_column_v1(
    value jsonb, kind text, odd jsonpath, instead jsonb, column_name text, row_id text
) RETURNS jsonb
LANGUAGE plpgsql PARALLEL SAFE
AS $$
DECLARE
    parsed jsonb;
BEGIN
    IF jsonb_typeof(value) = 'string' THEN
        parsed := autogpt_db.parsed_v1(value #>> '{}');
        IF jsonb_typeof(parsed) = kind
            AND NOT coalesce(jsonb_path_exists(parsed, odd), false)
        THEN
            RETURN parsed;
        END IF;
    END IF;
    IF value <> 'null' THEN
        PERFORM autogpt_db.defaulted_v1(column_name, row_id);
    END IF;
    RETURN instead;
END;
$$;

-- A session's metadata: each member of `defaults` in their order, and the default where it is
-- missing or of another kind. One without a default is a text.
CREATE FUNCTION autogpt_db.chat_metadata_v1(metadata jsonb, defaults json, row_id text) RETURNS json
LANGUAGE plpgsql PARALLEL SAFE
AS $$
DECLARE
    given jsonb := metadata;
BEGIN
    IF jsonb_typeof(given) <> 'object' THEN
        given := autogpt_db.reread_column_v1(
            given, 'object', NULL, '{}', 'session metadata', row_id
        );
    END IF;
    RETURN (
        SELECT json_object_agg(
                   member.name,
                   CASE jsonb_typeof(given -> member.name)
                       WHEN coalesce(nullif(json_typeof(member.instead), 'null'), 'string')
                       THEN given -> member.name
                       ELSE member.instead::jsonb
                   END
               )
          FROM json_each(defaults) AS member (name, instead)
    );
END;
$$;

-- Gives notice, to the program alone, that a column holds what no caller could take, and that its
-- default is shown instead; true, so that it can stand where that is chosen.
CREATE FUNCTION autogpt_db.defaulted_v1(column_name text, row_id text) RETURNS boolean
LANGUAGE plpgsql PARALLEL SAFE
AS $$
BEGIN
    RAISE NOTICE USING
        ERRCODE = 'AG002',
        MESSAGE = 'a default is shown',
        DETAIL = column_name || ' ' || row_id;
    RETURN true;
END;
$$;

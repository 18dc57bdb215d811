CREATE OR REPLACE FUNCTION platform.migrate_text_column_to_json(
    p_table text, p_col text, p_default json, p_set_nullable boolean
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE platform.%I ALTER COLUMN %I DROP DEFAULT', p_table, p_col);
    IF p_set_nullable THEN
        EXECUTE format('ALTER TABLE platform.%I ALTER COLUMN %I DROP NOT NULL', p_table, p_col);
    END IF;
    EXECUTE format(
        'ALTER TABLE platform.%I ALTER COLUMN %I TYPE jsonb USING %I::jsonb', p_table, p_col, p_col
    );
    IF p_default IS NOT NULL THEN
        EXECUTE format(
            'ALTER TABLE platform.%I ALTER COLUMN %I SET DEFAULT %L::jsonb',
            p_table, p_col, p_default::text
        );
    END IF;
END
$$;

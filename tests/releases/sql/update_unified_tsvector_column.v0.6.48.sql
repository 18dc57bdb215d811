CREATE OR REPLACE FUNCTION platform.update_unified_tsvector_column() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = platform, pg_temp AS $$
BEGIN
    NEW.search := to_tsvector('english', coalesce(NEW."searchableText", ''));
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION platform.add_user_and_profile_to_platform() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = platform AS $$
BEGIN
    INSERT INTO platform."User" (id, email, "updatedAt")
    VALUES (NEW.id, NEW.email, now());
    INSERT INTO platform."Profile"
        (id, "userId", name, username, description, links, "avatarUrl", "updatedAt")
    VALUES (
        NEW.id,
        NEW.id,
        split_part(NEW.email, '@', 1),
        platform.generate_username(),
        'I''m new here',
        '{}',
        '',
        now()
    );
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'The user % could not be added: %', NEW.id, SQLERRM;
END
$$;

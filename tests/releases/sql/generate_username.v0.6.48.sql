CREATE OR REPLACE FUNCTION platform.generate_username() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    adjectives CONSTANT text[] := ARRAY[
        'amber', 'brave', 'calm', 'clever', 'gentle', 'happy', 'lucky', 'quick', 'quiet', 'witty'
    ];
    animals CONSTANT text[] := ARRAY[
        'badger', 'crane', 'dolphin', 'falcon', 'fox', 'heron', 'lynx', 'otter', 'panda', 'raven'
    ];
    candidate text;
BEGIN
    FOR attempt IN 1..10 LOOP
        candidate := format(
            '%s-%s-%s',
            adjectives[1 + floor(random() * cardinality(adjectives))::integer],
            animals[1 + floor(random() * cardinality(animals))::integer],
            lpad(floor(random() * 100000)::integer::text, 5, '0')
        );
        IF NOT EXISTS (
            SELECT FROM platform."Profile" AS profile WHERE profile.username = candidate
        ) THEN
            RETURN candidate;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'No free username was found in ten tries';
END
$$;

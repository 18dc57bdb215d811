CREATE VIEW platform."Creator" AS
SELECT
    username,
    name,
    avatar_url,
    description,
    top_categories,
    links,
    is_featured,
    num_agents,
    agent_rating,
    agent_runs
FROM platform."StoreCreator";

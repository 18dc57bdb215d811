"""The statement that reads PostgreSQL's catalogue, for what AutoGPT's schema has and lets us do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

READ: LiteralString = """
WITH place AS MATERIALIZED (
    SELECT namespace.oid, has_schema_privilege(namespace.oid, 'USAGE') AS usable
      FROM pg_catalog.pg_namespace AS namespace
     WHERE namespace.oid = to_regnamespace(%(schema)s)
), relation AS MATERIALIZED (
    SELECT class.oid, class.relname AS name, class.relkind AS kind, class.relowner AS owner,
           concat(
               CASE WHEN has_table_privilege(class.oid, 'SELECT') THEN 'r' END,
               CASE WHEN has_table_privilege(class.oid, 'INSERT') THEN 'a' END,
               CASE WHEN has_table_privilege(class.oid, 'UPDATE') THEN 'w' END,
               CASE WHEN has_table_privilege(class.oid, 'DELETE') THEN 'd' END
           ) AS privileges
      FROM place
      JOIN pg_catalog.pg_class AS class
        ON class.relnamespace = place.oid AND class.relkind IN ('r', 'p', 'v', 'm')
), "column" AS MATERIALIZED (
    SELECT relation.name AS relation, relation.oid, relation.kind, relation.privileges,
           attribute.attname AS name, attribute.attnum AS number,
           attribute.attnotnull AND initial.adbin IS NULL AND attribute.attidentity = ''
               AS required,
           format_type(attribute.atttypid, NULL) AS type,
           coalesce(pg_get_expr(initial.adbin, initial.adrelid), '') AS initial
      FROM relation
      JOIN pg_catalog.pg_attribute AS attribute
        ON attribute.attrelid = relation.oid
       AND attribute.attnum > 0
       AND NOT attribute.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef AS initial
        ON initial.adrelid = attribute.attrelid
       AND initial.adnum = attribute.attnum
)
SELECT json_build_object(
           'columns', (
               SELECT coalesce(json_object_agg(listed.relation, listed.columns), '{}')
                 FROM (
                       SELECT relation,
                              json_object_agg(
                                  name, json_build_array(type, initial) ORDER BY number
                              ) AS columns
                         FROM "column"
                        GROUP BY relation
                        ORDER BY relation
                      ) AS listed
           ),
           'required', (
               SELECT coalesce(json_object_agg(listed.relation, listed.columns), '{}')
                 FROM (
                       SELECT relation, json_agg(name ORDER BY number) AS columns
                         FROM "column"
                        WHERE required AND kind IN ('r', 'p')
                        GROUP BY relation
                        ORDER BY relation
                      ) AS listed
           ),
           'labels', (
               SELECT coalesce(json_object_agg(enum.typname, enum.labels), '{}')
                 FROM (
                       SELECT type.typname,
                              json_agg(label.enumlabel ORDER BY label.enumsortorder) AS labels
                         FROM place
                         JOIN pg_catalog.pg_type AS type ON type.typnamespace = place.oid
                         JOIN pg_catalog.pg_enum AS label ON label.enumtypid = type.oid
                        GROUP BY type.typname
                        ORDER BY type.typname
                      ) AS enum
           ),
           'unique', (
               SELECT coalesce(json_object_agg(listed.relname, listed.index), '{}')
                 FROM (
                       SELECT class.relname,
                              json_build_array(
                                  relation.name,
                                  CASE WHEN index.indpred IS NULL AND index.indexprs IS NULL THEN (
                                      SELECT json_agg(attribute.attname)
                                        FROM pg_catalog.pg_attribute AS attribute
                                       WHERE attribute.attrelid = relation.oid
                                         AND attribute.attnum = ANY (
                                             (index.indkey::smallint[])[0:index.indnkeyatts - 1]
                                         )
                                  ) END
                              ) AS index
                         FROM relation
                         JOIN pg_catalog.pg_index AS index
                           ON index.indrelid = relation.oid
                          AND index.indisunique AND index.indisvalid
                         JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
                        ORDER BY class.relname
                      ) AS listed
           ),
           'functions', (
               SELECT coalesce(json_object_agg(listed.proname, listed.callable), '{}')
                 FROM (
                       SELECT function.proname,
                              bool_or(has_function_privilege(function.oid, 'EXECUTE')) AS callable
                         FROM place
                         JOIN pg_catalog.pg_proc AS function ON function.pronamespace = place.oid
                        WHERE function.probin IS NULL AND function.prokind = 'f'
                        GROUP BY function.proname
                        ORDER BY function.proname
                      ) AS listed
           ),
           'usable', (SELECT usable FROM place),
           'privileges', (
               SELECT coalesce(json_object_agg(name, privileges ORDER BY name), '{}')
                 FROM relation
           ),
           'column_privileges', (
               SELECT coalesce(json_object_agg(listed.relation, listed.privileges), '{}')
                 FROM (
                       SELECT granted.relation, json_object_agg(granted.name, granted.privileges)
                                                 AS privileges
                         FROM (
                               SELECT relation, number, name,
                                      concat(
                                          CASE WHEN has_column_privilege(oid, number, 'SELECT')
                                               THEN 'r' END,
                                          CASE WHEN has_column_privilege(oid, number, 'INSERT')
                                               THEN 'a' END,
                                          CASE WHEN has_column_privilege(oid, number, 'UPDATE')
                                               THEN 'w' END
                                      ) AS privileges
                                 FROM "column"
                                WHERE NOT privileges LIKE 'raw%%'
                              ) AS granted
                        WHERE granted.privileges <> ''
                        GROUP BY granted.relation
                        ORDER BY granted.relation
                      ) AS listed
           ),
           'hidden', (
               SELECT coalesce(json_agg(relation.name ORDER BY relation.name), '[]')
                 FROM relation
                WHERE relation.kind IN ('r', 'p')
                  AND row_security_active(relation.oid)
                  AND (
                      NOT EXISTS (
                          SELECT
                            FROM pg_catalog.pg_policy AS policy
                           WHERE policy.polrelid = relation.oid
                             AND policy.polpermissive
                             AND policy.polcmd = '*'
                             AND pg_get_expr(policy.polqual, policy.polrelid) = 'true'
                             AND coalesce(
                                 pg_get_expr(policy.polwithcheck, policy.polrelid), 'true'
                             ) = 'true'
                             AND EXISTS (
                                 SELECT
                                   FROM unnest(policy.polroles) AS role (oid)
                                  WHERE CASE WHEN role.oid = 0 THEN true
                                             ELSE pg_has_role(role.oid, 'USAGE') END
                             )
                      )
                      OR EXISTS (
                          SELECT
                            FROM pg_catalog.pg_policy AS policy
                           WHERE policy.polrelid = relation.oid AND NOT policy.polpermissive
                      )
                  )
           ),
           'views', (
               SELECT coalesce(json_object_agg(
                          relation.name,
                          CASE WHEN current_setting('server_version_num')::integer < 170000
                               THEN pg_has_role(relation.owner, 'USAGE')
                               ELSE pg_has_role(relation.owner, 'USAGE')
                                    OR has_table_privilege(relation.oid, 'MAINTAIN') END
                          ORDER BY relation.name
                      ), '{}')
                 FROM relation
                WHERE relation.kind = 'm'
           ),
           'vectors', (
               SELECT namespace.nspname
                 FROM "column"
                 JOIN pg_catalog.pg_attribute AS attribute
                   ON attribute.attrelid = "column".oid AND attribute.attnum = "column".number
                 JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
                 JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
                WHERE "column".relation = 'UnifiedContentEmbedding'
                  AND "column".name = 'embedding'
           ),
           'ours_usable', has_schema_privilege(to_regnamespace('autogpt_db'), 'USAGE'),
           'our_functions', (
               SELECT coalesce(json_object_agg(listed.proname, listed.callable), '{}')
                 FROM (
                       SELECT function.proname,
                              bool_or(has_function_privilege(function.oid, 'EXECUTE')) AS callable
                         FROM pg_catalog.pg_proc AS function
                        WHERE function.pronamespace = to_regnamespace('autogpt_db')
                        GROUP BY function.proname
                        ORDER BY function.proname
                      ) AS listed
           ),
           'our_tables', (
               SELECT coalesce(json_object_agg(
                          class.relname,
                          has_table_privilege(class.oid, 'SELECT')
                          AND has_table_privilege(class.oid, 'INSERT')
                          AND has_table_privilege(class.oid, 'UPDATE')
                          AND has_table_privilege(class.oid, 'DELETE')
                          ORDER BY class.relname
                      ), '{}')
                 FROM pg_catalog.pg_class AS class
                WHERE class.relnamespace = to_regnamespace('autogpt_db')
                  AND class.relkind IN ('r', 'p')
           ),
           'role', current_user
       )
"""
"""The catalogue as a JSON document; `%(schema)s` is the schema's name, quoted.

Sorted throughout: of two answers that differ in a byte the schema or our rights have changed.
"""

"""What PostgreSQL's catalogue says of AutoGPT's schema, read with one statement."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec decodes by the annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from typing import LiteralString

READ: LiteralString = """
SELECT json_build_object(
           'columns', (
               SELECT coalesce(json_object_agg(relation.relname, relation.columns), '{}')
                 FROM (
                       SELECT class.relname,
                              json_object_agg(
                                  attribute.attname,
                                  json_build_array(
                                      format_type(attribute.atttypid, NULL),
                                      coalesce(pg_get_expr(initial.adbin, initial.adrelid), '')
                                  )
                              ) AS columns
                         FROM pg_catalog.pg_class AS class
                         JOIN pg_catalog.pg_attribute AS attribute
                           ON attribute.attrelid = class.oid
                          AND attribute.attnum > 0
                          AND NOT attribute.attisdropped
                         LEFT JOIN pg_catalog.pg_attrdef AS initial
                           ON initial.adrelid = class.oid
                          AND initial.adnum = attribute.attnum
                        WHERE class.relnamespace = to_regnamespace(%(schema)s)
                          AND class.relkind IN ('r', 'p', 'v', 'm')
                        GROUP BY class.relname
                      ) AS relation
           ),
           'labels', (
               SELECT coalesce(json_object_agg(enum.typname, enum.labels), '{}')
                 FROM (
                       SELECT type.typname,
                              json_agg(label.enumlabel ORDER BY label.enumsortorder) AS labels
                         FROM pg_catalog.pg_type AS type
                         JOIN pg_catalog.pg_enum AS label ON label.enumtypid = type.oid
                        WHERE type.typnamespace = to_regnamespace(%(schema)s)
                        GROUP BY type.typname
                      ) AS enum
           ),
           'unique', (
               SELECT coalesce(json_agg(class.relname), '[]')
                 FROM pg_catalog.pg_class AS class
                 JOIN pg_catalog.pg_index AS index
                   ON index.indexrelid = class.oid AND index.indisunique AND index.indisvalid
                WHERE class.relnamespace = to_regnamespace(%(schema)s)
           )
       )
"""
"""The catalogue as a JSON document; `%(schema)s` is the schema's name, quoted."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables, views, enums and unique indexes of a schema.

    Attributes:
        columns: For each table or view, each column's type and default expression ("" without).
        labels: Each enum's labels, in order.
        unique: Names of primary keys and unique indexes.
    """

    columns: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()

    @classmethod
    def decode(cls, document: bytes) -> Catalogue:
        """Make one of what `READ` returned."""
        return msgspec.json.decode(document, type=cls)

    def has(self, relation: str, column: str | None = None) -> bool:
        """Tell whether there is such a table or view, with such a column."""
        found = self.columns.get(relation)
        return found is not None and (column is None or column in found)

    def type_of(self, relation: str, column: str) -> str:
        """Return a column's type as PostgreSQL writes it, "" where there is none."""
        return self.columns.get(relation, {}).get(column, ("", ""))[0]

    def default_of(self, relation: str, column: str) -> str:
        """Return a column's default expression, "" where there is none."""
        return self.columns.get(relation, {}).get(column, ("", ""))[1]

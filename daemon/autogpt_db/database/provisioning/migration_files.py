"""The migrations that come with the program: numbered files of SQL.

`0001_*` and `platform_*` are AutoGPT's own tables: the first for an empty database, the second for
what the first made. Every other file is ours and lives in schema `autogpt_db`.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from autogpt_db.database.quoting import quoted

_FILE_NAME = re.compile(r"(?:platform_)?(?P<number>\d{4})_(?P<name>\w+)\.sql")
# In quotes it is a column's name, or a word of a text.
_PLATFORM = re.compile(r"""(?<!["'])\bplatform\b(?!["'])""")
_VECTOR = "0001_vector"
EXTENSIONS = {
    _VECTOR: "vector",
    "platform_0008_vector": "vector",
    "platform_0008_trigrams": "pg_trgm",
}
"""Files that wait until an extension is to be had."""


class Migration(NamedTuple):
    """One file of SQL.

    Attributes:
        number: Its place; files of one number go by name.
        name: File name without ending.
        text: The SQL, with `platform` standing for AutoGPT's schema.
    """

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def theirs(self) -> bool:
        """Tell whether it makes or changes AutoGPT's own tables."""
        return self.number == 1 or self.upgrade

    @property
    def upgrade(self) -> bool:
        """Tell whether it brings tables that we made to those of a later AutoGPT release."""
        return self.name.startswith("platform_")

    def statements(self, schema_name: str) -> str:
        """Return the SQL with AutoGPT's schema under its name in this database."""
        if schema_name == "platform":
            return self.text
        return _PLATFORM.sub(lambda _: quoted(schema_name), self.text)


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every file of migrations/, in order."""
    found = []
    for entry in files("autogpt_db.database").joinpath("migrations").iterdir():
        match = _FILE_NAME.fullmatch(entry.name)
        if match:
            name = entry.name.removesuffix(".sql")
            found.append(Migration(int(match["number"]), name, entry.read_text("utf-8")))
    # The tables before what hangs on pgvector.
    return tuple(sorted(found, key=lambda one: (one.number, one.name == _VECTOR, one.name)))

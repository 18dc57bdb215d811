"""What statements need, as it was read off them when this version was made.

To read all methods' statements would be most of what a process does at its start. `needs.json`,
which `make reference` writes, has what comes of it for each known release, under a digest of the
statements' texts: what isn't as it was then isn't found, and read anew.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from autogpt_db.database.needs import Needs

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGEST = 12
"""Bytes: enough for some hundred texts of our own."""


def key_of(texts: Iterable[str]) -> str:
    """Return what stands for texts, in whatever order they are given."""
    joined = "\0".join(sorted(texts)).encode()
    return hashlib.blake2b(joined, digest_size=_DIGEST).hexdigest()


def remembered(key: str) -> Needs | None:
    """Return what the texts of a key need; None where that has to be read off them."""
    found = _written().get(key)
    return None if found is None else msgspec.json.decode(found, type=Needs)


@cache
def _written() -> dict[str, msgspec.Raw]:
    """Return the file's entries; few of them fit the database at hand, so none is decoded yet."""
    content = files("autogpt_db.statements").joinpath("needs.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, msgspec.Raw])

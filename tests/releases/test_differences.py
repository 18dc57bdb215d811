"""The generated way from each state to the next ends in that state's catalogue."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg

from releases.catalogues import STATES, catalogue
from releases.difference import statements
from releases.reading import comparable, differences, read

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_way_through_all_states(release_database: Callable[..., str]) -> None:
    with psycopg.connect(release_database(STATES[0]), autocommit=True) as connection:
        for before, state in pairwise(STATES):
            connection.execute(
                "SELECT set_config('search_path', 'platform, public, extensions', false)"
            )
            for statement in statements(catalogue(before), catalogue(state)):
                connection.execute(statement.encode())
            # What an old-dated migration added late stands after what younger ones added before.
            wanted, found = comparable(catalogue(state)), read(connection)
            assert differences(wanted, found, ordered=False) == [], state

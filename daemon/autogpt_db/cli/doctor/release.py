"""Which release of AutoGPT is the database of, and how much of that is served here?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.cli.doctor.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation


def release(situation: Situation) -> Iterator[Finding]:
    """Compare the database with AutoGPT's releases, and name the methods that lack something."""
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.operations.coverage import at_hand

    if situation.connection is None:
        return
    catalogue = read_catalogue(situation.connection, situation.target.schema)
    if not catalogue.columns:
        return
    found = at_hand(catalogue, situation.target.schema)
    fallback = situation.settings.api.fallback_url
    # Where AutoGPT's own migrations have run, its own processes call.
    if found.others and fallback is None and catalogue.has("_prisma_migrations"):
        remedy = "Set api.fallback_url to AutoGPT's own DatabaseManager; `autogpt-db methods "
        remedy += f"--release {found.release.name}` lists them." if found.release else ""
        yield Finding("warn", "release", f"{found.sentence}, the others answer 404", remedy)
    elif found.others and fallback is not None:
        yield Finding("ok", "release", f"{found.sentence}, the others are passed on")
    else:
        yield Finding("ok", "release", found.sentence)
    for method, missing in found.missed.items():
        text = f"{method} is not served: the database lacks {missing}"
        yield Finding("warn", "release", text)

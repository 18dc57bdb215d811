"""The way from one catalogue to another, as AutoGPT's own migrations could have gone it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from releases.catalogues import DIRECTORY
from releases.definition import (
    check,
    column,
    data_type,
    enum,
    expression,
    extensions,
    foreign_key,
    index,
    names,
    since,
    state_of,
    table,
    trigger,
    views,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from releases.definition import Catalogue

RENAMED_LABELS = {("SubscriptionTier", "FREE"): "BASIC"}
"""Labels that went on under another name."""


def statements(old: Catalogue, new: Catalogue) -> Iterator[str]:
    """Yield what makes `new` of `old`, rows included.

    Each is to be run by itself: a new label can be used in a later transaction only.
    """
    yield from _schemas(old, new)
    dropped = _views_to_drop(old, new)
    yield from (_drop_view(name, old["views"][name]) for name in dropped)
    for name, labels in old["enums"].items():
        if name in new["enums"]:
            yield from _labels(name, labels, new["enums"][name])
    yield from (
        enum(name, labels) for name, labels in new["enums"].items() if name not in old["enums"]
    )
    yield from _data("before", new)
    common = [name for name in old["tables"] if name in new["tables"]]
    for name in common:
        yield from _dropped_parts(name, old["tables"][name], new["tables"][name])
    for name in common:
        yield from _columns(name, old["tables"][name]["columns"], new["tables"][name]["columns"])
    for name, facts in new["tables"].items():
        if name not in old["tables"]:
            yield table(name, facts)
    yield from _data("after", new)
    yield from _functions(old, new)
    for name, facts in new["tables"].items():
        known = old["tables"].get(name, {})
        yield from _added_parts(name, known, facts)
    for name, facts in new["tables"].items():
        known = old["tables"].get(name, {}).get("foreign_keys", ())
        yield from (
            foreign_key(name, one) for one in facts.get("foreign_keys", ()) if one not in known
        )
    yield from (trigger(one) for one in new["triggers"] if one not in old["triggers"])
    yield from views(
        new, [name for name in new["views"] if name in dropped or name not in old["views"]]
    )
    yield from (
        f'DROP TYPE platform."{name}";' for name in old["enums"] if name not in new["enums"]
    )


def _schemas(old: Catalogue, new: Catalogue) -> Iterator[str]:
    for schema in new["schemas"]:
        if schema not in old["schemas"]:
            yield f"CREATE SCHEMA IF NOT EXISTS {schema};"
    yield from extensions(
        {name: place for name, place in new["extensions"].items() if name not in old["extensions"]}
    )


def _views_to_drop(old: Catalogue, new: Catalogue) -> list[str]:
    """Return the views that have to go, those that read others first."""
    former, latter = state_of(old), state_of(new)
    changed = {
        name
        for name in old["views"]
        if name not in new["views"] or since(name, former) != since(name, latter)
    }
    order: list[str] = []
    waiting = set(old["views"])
    while waiting:
        free = {
            name
            for name in waiting
            if not any(name in old["views"][other]["reads"] for other in waiting - {name})
        }
        order += sorted(free)
        waiting -= free
    # What reads a changed one goes, too.
    for name in reversed(order):
        if changed & set(old["views"][name]["reads"]):
            changed.add(name)
    return [name for name in order if name in changed]


def _drop_view(name: str, facts: dict[str, Any]) -> str:
    kind = "MATERIALIZED VIEW" if facts["materialized"] else "VIEW"
    return f'DROP {kind} platform."{name}";'


def _labels(name: str, old: list[str], new: list[str]) -> Iterator[str]:
    known = list(old)
    for place, label in enumerate(known):
        renamed = RENAMED_LABELS.get((name, label))
        if renamed in new and label not in new:
            yield f"ALTER TYPE platform.\"{name}\" RENAME VALUE '{label}' TO '{renamed}';"
            known[place] = renamed
    if not set(known) <= set(new):
        yield from _replaced(name, new)
        return
    for place, label in enumerate(new):
        if label not in known:
            where = f"AFTER '{new[place - 1]}'" if place else f"BEFORE '{known[0]}'"
            last = place and new[place - 1] == known[-1]
            yield (
                f"ALTER TYPE platform.\"{name}\" ADD VALUE '{label}'{'' if last else f' {where}'};"
            )
            known.insert(place, label)


def _replaced(name: str, labels: list[str]) -> Iterator[str]:
    # Its columns are truncated tables': there is nothing to carry over.
    assert name == "NotificationType", name
    yield (
        'TRUNCATE platform."NotificationEvent", platform."UserNotificationBatch";\n'
        f'ALTER TYPE platform."{name}" RENAME TO "{name}_old";\n'
        f"{enum(name, labels)}\n"
        'ALTER TABLE platform."NotificationEvent"\n'
        f'    ALTER COLUMN "type" TYPE platform."{name}" USING NULL;\n'
        'ALTER TABLE platform."UserNotificationBatch"\n'
        f'    ALTER COLUMN "type" TYPE platform."{name}" USING NULL;\n'
        f'DROP TYPE platform."{name}_old";'
    )


def _dropped_parts(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for kind in ("foreign_keys", "checks", "unique"):
        for one in old.get(kind, ()):
            if one not in new.get(kind, ()):
                yield f'ALTER TABLE platform."{name}" DROP CONSTRAINT "{one[0]}";'
    for one in old.get("indexes", ()):
        if one not in new.get("indexes", ()):
            yield f'DROP INDEX platform."{one[0]}";'


def _added_parts(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if old:
        for one in new.get("checks", ()):
            if one not in old.get("checks", ()):
                yield f'ALTER TABLE platform."{name}"\n    ADD {check(one)};'
        for constraint, of in new.get("unique", ()):
            if [constraint, of] not in old.get("unique", ()):
                yield (
                    f'ALTER TABLE platform."{name}"\n'
                    f'    ADD CONSTRAINT "{constraint}" UNIQUE ({names(of)});'
                )
    for one in new.get("indexes", ()):
        if one not in old.get("indexes", ()):
            yield index(name, one)


def _columns(name: str, old: list[list[str]], new: list[list[str]]) -> Iterator[str]:
    former = {facts[0]: facts for facts in old}
    latter = {facts[0] for facts in new}
    actions = [f'DROP COLUMN "{one}"' for one in former if one not in latter]
    for facts in new:
        known = former.get(facts[0])
        if known is None:
            actions.append(f"ADD COLUMN {column(facts)}")
        elif known != facts:
            actions += _altered(known, facts)
    if actions:
        yield f'ALTER TABLE platform."{name}"\n    ' + ",\n    ".join(actions) + ";"


def _altered(old: list[str], new: list[str]) -> Iterator[str]:
    name, kind, null, *default = new
    where = f'ALTER COLUMN "{name}"'
    if old[1] != kind:
        if old[3:]:
            yield f"{where} DROP DEFAULT"
        yield f'{where} TYPE {data_type(kind)} USING "{name}"::{data_type(kind)}'
    if old[2] != null:
        yield f"{where} {'DROP' if null else 'SET'} NOT NULL"
    if old[1] != kind or old[3:] != default:
        yield (
            f"{where} SET DEFAULT {expression(default[0])}" if default else f"{where} DROP DEFAULT"
        )


def _functions(old: Catalogue, new: Catalogue) -> Iterator[str]:
    former, latter = state_of(old), state_of(new)
    known = {one["name"] for one in old["functions"]}
    wanted = {one["name"] for one in new["functions"]}
    yield from (f"DROP FUNCTION platform.{name};" for name in sorted(known - wanted))
    for name in sorted(wanted):
        if name not in known or since(name, former) != since(name, latter):
            yield written(name, new)


def _data(when: str, new: Catalogue) -> Iterator[str]:
    """Yield the changes of rows that a state brings, before or after its columns change."""
    path = DIRECTORY / "sql" / f"{when}-{state_of(new)}.sql"
    if path.exists():
        yield path.read_text("utf-8")

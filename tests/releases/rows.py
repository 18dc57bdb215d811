"""Rows for tests, in whatever columns a release's tables have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service import Service


def insert(service: Service, table: str, **columns: Any) -> None:
    """Insert a row; what isn't named gets the table's default, and `updatedAt` a moment."""
    required = service.value(
        """SELECT count(*) FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass(%(table)s) AND attname = 'updatedAt' AND attnotnull""",
        table=f'platform."{table}"',
    )
    if required:
        columns.setdefault("updatedAt", "2026-01-01")
    given = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in columns.items()
    }
    service.rows(
        f"""INSERT INTO "{table}" ({", ".join(f'"{name}"' for name in given)})
            VALUES ({", ".join(f"%({name})s" for name in given)})""",
        **given,
    )


def user(service: Service, *ids: str) -> None:
    """Insert users."""
    for each in ids:
        insert(service, "User", id=each, email=f"{each}@example.com")


def graph(service: Service, key: str, version: int = 1, owner: str = "alice", **more: Any) -> None:
    """Insert a graph."""
    insert(service, "AgentGraph", id=key, version=version, userId=owner, **more)


def listing(service: Service, key: str, owner: str, graph_id: str, **more: Any) -> None:
    """Insert a listing of a graph, with a profile for its owner and without a version."""
    if not service.value('SELECT count(*) FROM "Profile" WHERE "userId" = %(it)s', it=owner):
        insert(
            service, "Profile", id=f"profile of {owner}", userId=owner, name=owner.title(),
            username=owner, description="", links=[],
        )  # fmt: skip
    known = service.value(
        """SELECT count(*) FROM pg_catalog.pg_attribute
            WHERE attrelid = 'platform."StoreListing"'::regclass
              AND attname = 'agentGraphVersion' AND NOT attisdropped"""
    )
    if known:
        more.setdefault("agentGraphVersion", 1)
    insert(
        service, "StoreListing", id=key, owningUserId=owner, agentGraphId=graph_id,
        **{"slug": key} | more,
    )  # fmt: skip


def listed(service: Service, key: str, of: str, graph_id: str, **more: Any) -> None:
    """Insert an approved version of a listing."""
    insert(
        service, "StoreListingVersion", id=key, storeListingId=of, agentGraphId=graph_id,
        **{
            "agentGraphVersion": 1, "name": key, "subHeading": "", "description": "",
            "imageUrls": [], "categories": [], "submissionStatus": "APPROVED",
        } | more,
    )  # fmt: skip


def node(
    service: Service, key: str, block: str, graph_id: str, version: int, **constant: Any
) -> None:
    """Insert a node, and its block unless it is there."""
    service.rows(
        """INSERT INTO "AgentBlock" (id, name, "inputSchema", "outputSchema")
           VALUES (%(block)s, %(block)s, '{}', '{}') ON CONFLICT DO NOTHING""",
        block=block,
    )
    insert(
        service, "AgentNode", id=key, agentBlockId=block, agentGraphId=graph_id,
        agentGraphVersion=version, constantInput=constant,
    )  # fmt: skip

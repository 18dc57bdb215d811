"""Write what AutoGPT's releases have into the package: tables, methods, optional arguments.

    python tools/releases.py CATALOGS MODELS daemon/autogpt_db/database/releases.json

CATALOGS is a folder with the catalogue of each state of AutoGPT's schema, MODELS the description
of v0.6.68's methods. What came later is written out below, of the methods that v0.6.68 has already:
nobody has described it by machine. A test holds it against the calls that v0.7.2 was sent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STATES = (
    "v0.6.48", "v0.6.50", "v0.6.51", "v0.6.53", "v0.6.54", "v0.6.55", "v0.6.57", "v0.6.58",
    "v0.6.59", "master-2026-05-20", "master-2026-06-09", "master-2026-06-17", "v0.6.68",
    "v0.6.70", "v0.7.0", "v0.7.1", "v0.7.2",
)  # fmt: skip
LATER_METHODS = {
    "0.6.69": "get_bot_install is_install_revoked revoke_bot_install update_chat_message_tool_calls"
    " upsert_bot_install",
    "0.7.0": "get_auth_user_flag_fields get_expert list_experts update_chat_message_stamps",
    "0.7.1": "append_expert_run_message append_plain_session_message create_briefing"
    " enforce_expert_run_budget get_briefing_for_date get_latest_briefings"
    " get_library_agent_id_by_graph_id get_library_agent_refs_by_graph_ids"
    " get_pending_reviews_for_user get_user_subscription_tier mark_briefing_delivered"
    " resolve_default_tenancy update_briefing_content",
    "0.7.2": "expert_row_exists resolve_attributable_expert resolve_private_expert_tenancy"
    " update_soul_fields update_soul_fields_if_current",
}
LATER_ARGUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "0.7.0": {
        "create_chat_session": {"expert_id": None},
        "get_user_chat_sessions": {"expert_id": None},
        "get_user_session_count": {"expert_id": None},
    },
    "0.7.1": {
        "create_graph_execution": {"expert_id": None},
        "create_or_add_to_user_notification_batch": {"organization_id": None, "team_id": None},
        "create_preset": {"expert_id": None},
    },
    "0.7.2": {
        "append_expert_run_message": {"metadata": None},
        "get_available_graph": {"include_subgraphs": False},
        "get_expert": {"include_archived": False},
        "get_user_chat_sessions": {"autopilot_only": False, "pinned_first": True},
        "get_user_session_count": {"autopilot_only": False},
        "list_presets": {"expert_id": None, "filter_by_expert": False},
        "setup_triggered_preset": {"expert_id": None},
        "update_chat_session": {
            "organization_id": None,
            "team_id": None,
            "update_tenancy": False,
        },
        "update_graph_execution_stats": {
            "update_tenancy": False,
            "organization_id": None,
            "team_id": None,
        },
    },
}


Fact = tuple[object, ...]
"""What tells a fact from all others of its kind."""


def facts(catalogue: dict[str, Any]) -> dict[str, dict[Fact, None]]:
    """Return what a state has, each fact by a key that says all of it."""
    columns: dict[Fact, None] = {}
    unique: dict[Fact, None] = {}
    for table, content in catalogue["tables"].items():
        for name, kind, null, *initial in content["columns"]:
            default = initial[0] if initial else ""
            required = null == "" and not default
            columns[table, name, kind.partition("(")[0], default, required] = None
        name, keys = content["primary_key"]
        unique[name, table, tuple(sorted(keys))] = None
        for name, keys in content.get("unique", ()):
            unique[name, table, tuple(sorted(keys))] = None
        for name, method, keys, *extra in content.get("indexes", ()):
            if method.startswith("unique "):
                whole = not extra or "where" not in extra[0]
                plain = whole and not any(key.startswith("=") for key in keys)
                unique[name, table, tuple(sorted(keys)) if plain else None] = None
    for view, content in catalogue["views"].items():
        for name, kind in content["columns"]:
            columns[view, name, kind.partition("(")[0], "", False] = None
        for index in content.get("indexes", ()):
            name, method, keys, *_ = index
            if method.startswith("unique "):
                unique[name, view, tuple(sorted(keys))] = None
    labels: dict[Fact, None] = {
        (name, label): None for name, all_ in catalogue["enums"].items() for label in all_
    }
    functions: dict[Fact, None] = {(function["name"],): None for function in catalogue["functions"]}
    views: dict[Fact, None] = {
        (name,): None for name, view in catalogue["views"].items() if view["materialized"]
    }
    return {
        "columns": columns,
        "labels": labels,
        "unique": unique,
        "functions": functions,
        "views": views,
    }


def spans(states: list[dict[str, dict[Fact, None]]]) -> dict[str, list[list[Any]]]:
    """Return every fact with the first state that has it and the first that has it no more."""
    found: dict[str, list[list[Any]]] = {}
    for kind in states[0]:
        rows = found[kind] = []
        for key in sorted({key for state in states for key in state[kind]}, key=repr):
            present = [place for place, state in enumerate(states) if key in state[kind]]
            first = present[0]
            if present != list(range(first, first + len(present))):
                raise ValueError(f"{kind} {key} comes and goes: {present}")
            rows.append([*key, first, first + len(present)])
    return found


def methods(models: dict[str, Any]) -> dict[str, list[Any]]:
    """Return each method's first release, and the first that has it no more (null: none)."""
    found: dict[str, list[Any]] = {
        name: [release_of(method["since"]), None] for name, method in models["methods"].items()
    }
    for name, method in models["removed_methods"].items():
        assert method["until"].startswith("0.6.59"), name
        found[name] = [release_of(method["since"]), "0.6.60"]
    for release, names in LATER_METHODS.items():
        found |= {name: [release, None] for name in names.split()}
    return dict(sorted(found.items()))


def release_of(since: str) -> str:
    """Return the release in words like `0.6.60-0.6.61 (master 2026-05-20)`."""
    return since.partition("-")[0].partition(" ")[0]


def arguments(models: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Return each method's optional arguments: the first release that has it, and its default."""
    found: dict[str, dict[str, list[Any]]] = {}
    for method, content in sorted(models["methods"].items()):
        for name, parameter in content["params"].items():
            if not parameter["required"]:
                since = release_of(parameter.get("since") or content["since"])
                found.setdefault(method, {})[name] = [since, parameter.get("default")]
    for release, methods_ in LATER_ARGUMENTS.items():
        for method, added in methods_.items():
            for name, default in added.items():
                found.setdefault(method, {})[name] = [release, default]
    return found


def main(catalogs: Path, models: Path, target: Path) -> None:
    """Write the file, one fact on a line."""
    states = [facts(json.loads((catalogs / f"{name}.json").read_text())) for name in STATES]
    described = json.loads(models.read_text())
    content: dict[str, Any] = {
        "states": list(STATES),
        **spans(states),
        "methods": methods(described),
        "arguments": arguments(described),
    }
    lines = []
    for name, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f'"{name}": [\n{rows}\n]')
        else:
            lines.append(f'"{name}": {json.dumps(value, separators=(",", ":"))}')
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))

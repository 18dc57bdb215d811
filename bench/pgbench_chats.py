"""pgbench's scripts of the copilot's works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import statements
from bench.scripting import BEST_OF, Script, statement, text
from bench.works_chats import (
    READ,
    SAVES,
    TURNING,
    ChatTurn,
    GetChatMessages50,
    GetChatMessages1000,
    cost,
)

if TYPE_CHECKING:
    from bench.data import Size


def scripts(size: Size) -> dict[str, Script]:
    """Return the script of each work."""
    pages = {
        work.name: Script(
            rf"\set c random({TURNING}, {TURNING + READ - 1})" f"\n{_page(work.limit)}", 1, {}
        )
        for work in (GetChatMessages50, GetChatMessages1000)
    }
    return {ChatTurn.name: _turn_script(size), **pages}


_CHAT = "bench.id('chat' || :c::text)"


def _page(limit: int) -> str:
    rest = dict.fromkeys(
        ("before_sequence", "after_sequence", "user_id", "organization_id"), "NULL"
    )
    return statement(
        statements.PAGE_OF_MESSAGES,
        session_id=_CHAT,
        limit=str(limit),
        most_bytes=str(2**30),
        **rest,
    )


def _turn_script(size: Size) -> Script:
    user_id = f"bench.id('u' || (:c::bigint % {size.users}))"
    entry = cost("", 0)
    logged = dict.fromkeys(
        ("graph_exec_id", "node_exec_id", "graph_id", "node_id", "block_id", "credential_id"),
        "NULL",
    )

    def counted(status: str) -> str:
        return statement(statements.COUNT_CHATS, user_id=user_id, status=f":{status}")

    def moved(before: str, after: str) -> str:
        return statement(
            statements.MOVE_CHAT,
            session_id=_CHAT,
            user_id=user_id,
            status=f":{after}",
            expect_status=f":{before}",
        )

    def saved(number: int) -> str:
        update = statement(
            statements.UPDATE_CHAT,
            session_id=_CHAT,
            credentials=":nothing",
            successful_agent_runs=":runs",
            successful_agent_schedules=":nothing",
            total_prompt_tokens="1200",
            total_completion_tokens="600",
            title="NULL",
            organization_id="NULL",
            team_id="NULL",
            update_tenancy="false",
        )
        add = statement(
            statements.ADD_MESSAGES,
            session_id=_CHAT,
            messages=f":save{number}",
            start_sequence=":next",
        )
        following = statement(
            statements.NEXT_SEQUENCE.rstrip() + " AS next", session_id=_CHAT
        ).replace(";\n", "\n\\gset\n")
        return following + update + add

    parts = (
        rf"\set c random(0, {TURNING // max(BEST_OF) - 1}) * {max(BEST_OF)} + :client_id",
        counted("queued"),
        counted("running"),
        moved("idle", "running"),
        saved(0),
        saved(1),
        statement(
            statements.LOG_COST,
            **logged,
            user_id=user_id,
            block_name=":block_name",
            provider=":provider",
            model=":model",
            tracking_type=":tracking_type",
            entry=":cost",
        ),
        saved(2),
        moved("running", "idle"),
        statement(statements.LIST_CHATS, status=":queued", user_id=user_id),
        statement(statements.SET_DURATION, session_id=_CHAT, duration_ms="1234"),
        statement(statements.PUSH_SUBSCRIPTIONS, user_id=user_id),
    )
    variables = {name: name for name in ("idle", "queued", "running")}
    variables |= {
        name: entry[name] for name in ("block_name", "provider", "model", "tracking_type")
    }
    variables |= {"cost": text(entry), "nothing": "{}", "runs": text({"graph": 3})}
    for number, messages in enumerate(SAVES):
        variables[f"save{number}"] = text(messages)
    return Script("\n".join(parts), len(ChatTurn(size).sessions(0)[0]), variables)

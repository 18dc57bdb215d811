"""Where our answers to recorded calls, or what these leave, differ: on purpose, or not yet mended.

What differs on purpose is decided in docs/reference/compatibility.md, and each entry here says what
we answer instead. What is open must only become less: a call that is answered as recorded has to
leave the list.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple


class Instead(NamedTuple):
    """What is answered on purpose in place of what was recorded.

    Attributes:
        reason: Why.
        status: The status, where that differs.
        error: The error's type, where there is one.
        unordered: Whether only the order of lists differs.
        added: Members, anywhere in the reply, that the recorded one lacks; all else is equal.
    """

    reason: str
    status: int = 200
    error: str | None = None
    unordered: bool = False
    added: frozenset[str] = frozenset()


OWNER = Instead(
    "clients up to v0.6.50 require the owner, later ones ignore it",
    added=frozenset({"owner_user_id"}),
)

WEBHOOK = Instead(
    "clients require what is secret of a webhook, and get it empty",
    added=frozenset({"secret", "provider_webhook_id"}),
)
WHOLE_AGENT = Instead("an agent that changes its version is answered in full, as any other change")
TIED = Instead("rows of one moment, and those without it, have no order", unordered=True)
LITERAL = Instead("every character of what a name contains or a path begins with is literal")
OLD_NAMES = Instead(
    "clients up to v0.6.50 require the graph under its old names, later ones ignore them",
    added=frozenset({"agentGraphId", "agentGraphVersions"}),
)

DATA_ERROR = Instead("the class breaks AutoGPT's own client", status=400, error="ValueError")
STORED_MEMBERS = Instead(
    "members of credentials that no release of ours knows are shown as they are stored",
    added=frozenset({"revoke_url"}),
)

WORDS_ALONE = Instead("without an embedding service only words are found, and scores are numbers")

INSTEAD: dict[str, dict[int, Instead]] = {
    "v0.6.68": {
        5: TIED,
        **dict.fromkeys((60, 61, 62, 63, 64, 65, 67), OWNER),
        **dict.fromkeys((256, 262, 264, 265, 268, 270, 272, 277, 278, 280), OWNER),
        275: WHOLE_AGENT,
        283: WEBHOOK,
        73: OLD_NAMES,
        98: LITERAL,
        111: STORED_MEMBERS,
        **dict.fromkeys((222, 224, 225, 226, 227), WORDS_ALONE),
    },
    "v0.7.2": {
        109: DATA_ERROR,
        **dict.fromkeys((221, 256, 257, 264, 269), OWNER),
        **dict.fromkeys((277, 280), WEBHOOK),
    },
}
"""By state and the call's number in calls.json."""

OPEN: dict[str, frozenset[int]] = {
    "v0.6.68": frozenset(),
    "v0.7.2": frozenset(),
}
"""Calls of methods served here that are not yet answered as recorded."""

FAULTS: dict[str, frozenset[int]] = {
    "v0.6.68": frozenset(),
    "v0.7.2": frozenset({42}),  # an expert's owner without an organization is a 503 of AutoGPT's
}
"""Calls that are answered with 500 or more on purpose, and of which no answer was recorded."""


class Otherwise(NamedTuple):
    """A row that is not as recorded when all calls have been made.

    Attributes:
        table: Where.
        reason: Why.
        where: Members by which the row is known.
        members: What of it differs, where both have it.
        only: Who has it, `recorded` or `ours`, where the other doesn't.
    """

    table: str
    reason: str
    where: dict[str, Any]
    members: frozenset[str] = frozenset()
    only: Literal["recorded", "ours"] | None = None


OTHERWISE: dict[str, tuple[Otherwise, ...]] = {
    "v0.6.68": (
        Otherwise(
            "AgentNodeExecution",
            "stats are kept beside the error of a node that ends with its graph's execution",
            {"id": "y3"},
            frozenset({"stats"}),
        ),
        Otherwise(
            "CreditTransaction",
            "without a payment provider's key no top-up is entered",
            {"userId": "bob", "type": "TOP_UP"},
            only="recorded",
        ),
        Otherwise(
            "LibraryAgent",
            "settings of an agent that is added again stay",
            {"userId": "gina", "agentGraphId": "g3"},
            frozenset({"settings"}),
        ),
    ),
}
"""By state; everything else in the tables that we write is as recorded."""

UNTOUCHED: dict[str, frozenset[str]] = {
    "v0.6.68": frozenset(),
}
"""Tables that only methods write which aren't served: there we change nothing."""

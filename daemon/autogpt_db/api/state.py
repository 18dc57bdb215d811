"""What all connections of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autogpt_db.api.replies import ReplyHeads

if TYPE_CHECKING:
    from autogpt_db.api.flow import Flow
    from autogpt_db.api.memory import Memory
    from autogpt_db.api.running import Running
    from autogpt_db.api.unread import UnreadReplies
    from autogpt_db.settings.api import ApiSettings


@dataclass
class State:
    """What all connections of a process share.

    Attributes:
        limits: The settings' bounds.
        memory: What requests bring.
        unread: What replies wait for their clients to read them.
        running: The calls under way.
        draining: True once the process was asked to stop.
        connections: Those that are open.
        reply_heads: What every reply begins with.
    """

    limits: ApiSettings
    memory: Memory
    unread: UnreadReplies
    running: Running
    draining: bool = False
    connections: set[Flow] = field(default_factory=set)
    reply_heads: ReplyHeads = field(default_factory=ReplyHeads)

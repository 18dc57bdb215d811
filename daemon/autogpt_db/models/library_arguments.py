"""What agents, their settings and presets are put into a library with."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.execution_arguments import CredentialsMetaInput
from autogpt_db.models.marks import Default, Moment


class GraphVersion(TypedDict):
    """One version of a graph."""

    id: str
    version: NotRequired[Annotated[int, Default(1)]]


class LibraryGraph(GraphVersion):
    """A GraphModel, in what a library needs of it."""

    name: str
    description: str
    user_id: str
    created_at: Moment
    sub_graphs: NotRequired[Annotated[list[GraphVersion], Default(make=list)]]


class GraphSettingsChanges(TypedDict):
    """Settings of a graph in the library; what doesn't come stays, and a null is the default."""

    human_in_the_loop_safe_mode: NotRequired[bool | None]
    sensitive_action_safe_mode: NotRequired[bool | None]
    builder_chat_session_id: NotRequired[str | None]


class LibraryAgentPresetCreatable(TypedDict):
    """What a graph is run with time and again."""

    graph_id: str
    graph_version: int
    inputs: dict[str, Any]
    credentials: dict[str, CredentialsMetaInput]
    name: str
    description: str
    is_active: NotRequired[Annotated[bool, Default(True)]]

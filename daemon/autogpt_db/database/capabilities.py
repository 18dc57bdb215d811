"""What AutoGPT's schema can do in this database: a release adds tables and columns, and takes some.

Never a version number: a database is asked what it has, and a statement is put together for it.
Which release brought what, and what follows from it, is said per capability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.catalogue import Catalogue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What statements and replies depend on.

    Attributes:
        chats: Chats are kept (v0.6.48; autogpt-db 0.1.0 made no tables for them).
        folders: Library agents lie in folders (v0.6.49).
        suggested_blocks: The blocks that are run most are counted in a view (v0.6.49).
        store2: The store's view shows one row for each listing's active version, under new column
            names; library access follows the listing (v0.6.51).
        chat_metadata: Chat sessions know what kind they are, messages how long their turn took
            (v0.6.54).
        tier: Users have a subscription tier (v0.6.54).
        cost_log: What blocks cost the platform is logged (v0.6.54).
        cost_cache: That log knows cached tokens (v0.6.55).
        linking: Accounts of chat platforms are linked (v0.6.57).
        shared_files: Files of shared executions are shown with them (v0.6.57).
        push: Browsers subscribe to pushed messages (v0.6.58).
        no_refill: The monthly allowance is gone: who is new has no tier (v0.6.59).
        chat_status: Chat sessions have a status (v0.6.60 or .61).
        hidden: Library agents can be hidden (v0.6.60 or .61).
        pinned_chats: Chat sessions can be pinned (v0.6.67).
        share: Chat sessions can be shared (v0.6.62 or .63).
        bots: What happens to bots on chat platforms is recorded (v0.6.64 to .66).
        search_types: Files and chats can be searched (v0.6.64 to .66).
        workspaces: Users keep files in workspaces (v0.6.48, but not what autogpt-db 0.1 made).
        file_folders: Files of workspaces lie in folders (v0.6.67).
        orgs: Organizations and teams own executions, graphs and library agents (v0.6.67).
        last_run: Library agents know their last run, and names of their own (v0.6.70).
        experts: Experts run graphs (v0.7.0; their column of executions: `expert_runs`).
        stamps: Chat messages know the model that wrote them (v0.7.0).
        expert_runs: Executions and presets belong to an expert (v0.7.1).
        pods: Experts form pods; executions say why they failed (v0.7.2).
        onboarding_text: Onboarding steps are text; up to v0.7.0 they are a type (v0.7.1).
        notify_columns: Users have a column for each kind of notification (until v0.7.2).
        live_events: What statements change is recorded: as `events.enabled` says, and no database.
    """

    chats: bool = False
    folders: bool = False
    suggested_blocks: bool = False
    store2: bool = False
    chat_metadata: bool = False
    tier: bool = False
    cost_log: bool = False
    cost_cache: bool = False
    linking: bool = False
    shared_files: bool = False
    push: bool = False
    no_refill: bool = False
    chat_status: bool = False
    hidden: bool = False
    pinned_chats: bool = False
    share: bool = False
    bots: bool = False
    search_types: bool = False
    workspaces: bool = False
    file_folders: bool = False
    orgs: bool = False
    last_run: bool = False
    experts: bool = False
    stamps: bool = False
    expert_runs: bool = False
    pods: bool = False
    onboarding_text: bool = False
    notify_columns: bool = True
    live_events: bool = False

    @classmethod
    def of(cls, catalogue: Catalogue) -> Capabilities:
        """Read them off a catalogue."""
        has = catalogue.has
        return cls(
            chats=has("ChatSession", "updatedAt"),
            folders=has("LibraryAgent", "folderId"),
            suggested_blocks=has("mv_suggested_blocks"),
            store2=has("StoreAgent", "listing_version_id")
            or not has("StoreListing", "agentGraphVersion"),
            chat_metadata=has("ChatSession", "metadata"),
            tier=has("User", "subscriptionTier"),
            cost_log=has("PlatformCostLog"),
            cost_cache=has("PlatformCostLog", "cacheReadTokens"),
            linking=has("PlatformLink"),
            shared_files=has("SharedExecutionFile"),
            push=has("PushSubscription"),
            no_refill="NO_TIER" in catalogue.default_of("User", "subscriptionTier"),
            chat_status=has("ChatSession", "chatStatus"),
            hidden=has("LibraryAgent", "isHidden"),
            pinned_chats=has("ChatSession", "isPinned"),
            share=has("ChatSession", "isShared"),
            bots=has("BotEvent"),
            search_types="WORKSPACE_FILE" in catalogue.labels.get("ContentType", ()),
            workspaces=has("UserWorkspaceFile"),
            file_folders=has("UserWorkspaceFile", "folderId"),
            orgs=has("OrgMember") and has("AgentGraphExecution", "teamId"),
            last_run=has("LibraryAgent", "lastRunAt"),
            experts=has("Expert"),
            stamps=has("ChatMessage", "model"),
            expert_runs=has("AgentGraphExecution", "expertId"),
            pods=has("Expert", "podId"),
            onboarding_text=catalogue.type_of("UserOnboarding", "completedSteps") == "text[]",
            notify_columns=has("User", "notifyOnAgentRun"),
        )


class ForSchema(Generic[T]):
    """Something that is put together for what a database has: a statement, mostly.

    Calling it with the capabilities of the database at hand (`database.capabilities`) returns it;
    each form is made once.

    Args:
        build: Makes it, from literals alone.
    """

    def __init__(self, build: Callable[[Capabilities], T]) -> None:
        self._build = build
        self._built: dict[Capabilities, T] = {}

    def __call__(self, capabilities: Capabilities) -> T:
        """Return the form that fits."""
        found = self._built.get(capabilities)
        if found is None:
            found = self._built[capabilities] = self._build(capabilities)
        return found

"""What sample calls are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Role:
    """Something that a call is about.

    Attributes:
        meaning: What it is.
        example: The one among the rows that recorded calls start from; pages show it. Of a method
            that only later releases call, the one among those of the latest release.
    """

    meaning: str
    example: Any


USER = Role("a user with executions, a library, credits and notifications", "alice")
USER_WITHOUT_TEAM = Role("a user who has no organization yet", "erin")
KNOWN_USER = Role("a user whose e-mail address is a valid one", "bob")

GRAPH = Role("a graph of the user's", "g1")
GRAPH_VERSION = Role("a version of the graph", 2)
NODE = Role("a node of the graph", "n-std")
STARTING_NODE = Role("a node that starts the graph", "n-in")
ENDING_NODE = Role("a node that a value can be given to", "n-out")

EXECUTION = Role("an execution of the graph", "e1")
QUEUED_EXECUTION = Role("an execution that waits to be started", "e3")
NODE_EXECUTION = Role("a node execution that may still run", "x1")
ENDED_NODE_EXECUTION = Role("a node execution with outputs", "x3")
REVIEWED_EXECUTION = Role("a graph execution with reviews", "e1")
REVIEWED_NODE_EXECUTION = Role("a node execution with a review", "review")
APPROVED_NODE_EXECUTION = Role("a node execution that has been approved", "r1")
NEW_NODE_EXECUTION = Role("a node execution that nobody has been asked about", "new")
KEY = Role("a key that the user's nodes keep a value under", "k")
BLOCK = Role("a block of a node execution", "363ae599-353e-4804-937e-b2ee3cef3da4")

NOTIFICATION = Role("a notification of the user's batch", "event")
LISTING = Role("a listed version of a graph that the user doesn't have", "slv1")
LIBRARY_AGENT = Role("an agent of the user's library", "la1")
PRESET = Role("a preset of the user's", "pr1")
WEBHOOK = Role("a webhook of the user's", "w1")
OFFERED_GRAPH = Role("a graph that the marketplace offers", "g3")
FOLDER = Role("a folder of the user's library", "f1")
SPARE_FOLDER = Role("a folder that no other sample call is about", "f3")
OTHER_FOLDER = Role("another folder of the user's library", "f6")
CREATOR = Role("who offers an agent in the marketplace", "bobp")
AGENT = Role("the agent's name in its address", "cool-agent")
SEARCHED = Role("a word of a listing", "cool")
LISTED_GRAPH = Role("a graph that the marketplace offers", "g3")

USER_WITHOUT_WORKSPACE = Role("a user who has kept no file yet", "carol")
WORKSPACE = Role("the user's workspace", "ws-a")
FILE = Role("a file of the workspace", "wf1")
FILE_PATH = Role("the file's path", "/documents/report.pdf")
NEW_FILE = Role("an id that no file has", "new-file")
CREDENTIAL = Role("a credential of the user's", "ic1")
ORGANIZATION = Role("an organization with a balance of its own", "org-1")
TEAM = Role("a team of the organization", "team-1")
PERSONAL_ORGANIZATION = Role("the user's own organization", "org-a")
ENDPOINT = Role("where a browser of the user's takes messages", "https://fcm.googleapis.com/a1")
DESCRIBED_BLOCK = Role("a block that has a description", "e189baac-8c20-45a1-94a7-55177ea42565")
EXPERT = Role("an expert of the user's", "x1")
OWNER_WITHOUT_TEAM = Role("a user with an expert and without an organization", "dave")
EXPERT_WITHOUT_TEAM = Role("the expert of such a user", "xd1")
BRIEFING = Role("a briefing of the user's", "ub2")
BRIEFING_DATE = Role("the briefing's day", "2026-01-10")

LINKED_SERVER = Role("a server of a chat platform that is somebody's", "srv1")
LINKED_ACCOUNT = Role("an account on a chat platform that is somebody's", "du1")
SERVER_LINK = Role("the link of a server of the user's", "pl1")
ACCOUNT_LINK = Role("the link of an account of the user's", "pu1")
SERVER_TOKEN = Role("a token by which a server can be linked", "tok-live-srv")
ACCOUNT_TOKEN = Role("a token by which an account can be linked", "tok-live-usr")
PENDING_TOKEN = Role("another token by which a server could be linked", "tok-owned-srv")
BOT_SERVER = Role("a server that a bot is in", "s1")
INSTALLED_TEAM = Role("a workspace that a bot is installed in", "T1")
CHAT_SESSION = Role("a chat session of the user's", "cs1")
SHARED_CHAT_SESSION = Role("a chat session that the user has shared, with executions", "cs5")
NEW_CHAT_SESSION = Role("an id that no chat session has", "new-session")
NEW_CHAT_MESSAGE = Role("an id that no chat message has", "new-message")

BEGIN = Role("the first moment of a time range with executions", "2026-01-01T00:00:00Z")
END = Role("its last moment", "2026-01-31T00:00:00Z")

"""Every option, declared once: name, type, bounds, default and help.

The file, the environment, the command line, `etc/autogpt-db.toml` and
`docs/reference/settings.md` all derive from these classes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct


class Secret(str):
    """A string that prints as `***`; `reveal()` gives the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, specification: str) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the secret itself."""
        return str.__str__(self)


def option(description: str, *, ge: float | None = None, le: float | None = None) -> Meta:
    """Describe one option; `ge` and `le` bound a number."""
    return Meta(description=description, ge=ge, le=le)


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where PostgreSQL is and how its connections are used."""

    url: Annotated[
        Secret | None,
        option(
            "PostgreSQL to use, as AutoGPT's DATABASE_URL (Prisma's parameters are understood). "
            "Unset: a private PostgreSQL is started under state_directory."
        ),
    ] = None
    direct_url: Annotated[
        Secret | None,
        option(
            "PostgreSQL reached without a pooler, for migrations and the workers' queue. "
            "Unset: the same as url."
        ),
    ] = None
    pool_size: Annotated[
        int,
        option("Connections that each API process keeps open.", ge=1, le=200),
    ] = 8
    connection_limit: Annotated[
        Annotated[int, Meta(ge=2, le=2000)] | None,
        option(
            "Upper bound on the connections of the whole daemon, all processes together; "
            "pool_size is lowered to fit. Unset: the URL's connection_limit, else pool_size "
            "alone decides."
        ),
    ] = None
    pool_timeout: Annotated[
        float,
        option(
            "Seconds a request waits for a connection before it gets 503; 0: as long as its "
            "deadline allows.",
            ge=0,
            le=3600,
        ),
    ] = 10.0
    pool_max_waiting: Annotated[
        int,
        option(
            "Requests that may wait for a connection in each API process; one more gets 503 "
            "at once.",
            ge=1,
            le=10000,
        ),
    ] = 200
    connect_timeout: Annotated[
        int,
        option("Seconds to wait for one connection attempt.", ge=1, le=600),
    ] = 5
    statement_timeout: Annotated[
        float,
        option(
            "Seconds one statement may run in PostgreSQL. Behind a transaction pooler set it on "
            "the role instead.",
            ge=0.1,
            le=3600,
        ),
    ] = 55.0
    startup_timeout: Annotated[
        float,
        option(
            "Seconds to wait at start until PostgreSQL answers; then exit code 69.", ge=1, le=86400
        ),
    ] = 60.0


class EmbeddedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The private PostgreSQL that runs when database.url is unset."""

    binaries: Annotated[
        Path | None,
        option(
            "bin/ directory of the PostgreSQL to run. Unset: a system PostgreSQL whose major "
            "version matches existing data, else the packaged one."
        ),
    ] = None
    user: Annotated[
        str | None,
        option(
            "Account that PostgreSQL runs under when the daemon is root. "
            "Unset: the first that exists of autogpt-db, postgres, nobody."
        ),
    ] = None
    max_connections: Annotated[int, option("PostgreSQL's max_connections.", ge=10, le=2000)] = 100
    shared_buffers: Annotated[
        int, option("PostgreSQL's shared_buffers, in MiB.", ge=1, le=1048576)
    ] = 128


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The RPC server that AutoGPT's processes call."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("TCP port to listen on.", ge=0, le=65535)] = 8005
    trusted_network: Annotated[
        bool,
        option(
            "Say true when everybody who can reach the address may read and write everything: "
            "AutoGPT's clients send no credentials. Needed, or token, to listen beyond loopback."
        ),
    ] = False
    token: Annotated[
        Secret | None,
        option("Bearer token that every request must carry. Unset: none is asked for."),
    ] = None
    processes: Annotated[int, option("API processes.", ge=1, le=64)] = 2
    request_deadline: Annotated[
        float, option("Seconds within which every request is answered.", ge=0.1, le=3600)
    ] = 60.0
    body_limit: Annotated[int, option("Largest request body, in bytes.", ge=1024, le=2**31)] = (
        32 * 1024 * 1024
    )
    header_timeout: Annotated[
        float, option("Seconds a client may take to send a request's head.", ge=0.1, le=600)
    ] = 10.0
    body_timeout: Annotated[
        float, option("Seconds a client may take to send a request's body.", ge=0.1, le=3600)
    ] = 30.0
    keep_alive: Annotated[
        float,
        option(
            "Seconds an idle connection stays open; AutoGPT's clients drop theirs after 30.",
            ge=1,
            le=3600,
        ),
    ] = 65.0
    fallback_url: Annotated[
        str | None,
        option(
            "URL of AutoGPT's own DatabaseManager, which gets the calls of methods that this "
            "service lacks. Unset: they are answered 404."
        ),
    ] = None
    fallback_timeout: Annotated[
        float,
        option(
            "Seconds within which a call that is passed on is answered whole; AutoGPT's clients "
            "wait for 300.",
            ge=0.1,
            le=3600,
        ),
    ] = 300.0
    fallback_concurrency: Annotated[
        int,
        option(
            "Calls that each API process passes on at once; one more gets 503 at once.",
            ge=1,
            le=1000,
        ),
    ] = 64
    drain_timeout: Annotated[
        float,
        option("Seconds that running requests get to finish when a process stops.", ge=0, le=3600),
    ] = 30.0
    short_road: Annotated[
        bool,
        option(
            "Answer plain calls without ASGI, which costs less; replies are the same. Turn it off "
            "to see whether a fault lies there."
        ),
    ] = True


class LimitsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one call may bring and get; beyond that it is refused with 400."""

    text_length: Annotated[
        int,
        option(
            "Characters of one text argument: an id, a name, a key, a search term.",
            ge=256,
            le=2**24,
        ),
    ] = 65_536
    items: Annotated[
        int, option("Items of one list argument: ids, starting nodes.", ge=10, le=10**6)
    ] = 10_000
    page_size: Annotated[int, option("Largest page_size.", ge=10, le=10**5)] = 1_000
    batch_size: Annotated[int, option("Largest batch_size.", ge=1, le=10**5)] = 1_000
    rows: Annotated[
        int, option("Largest limit, and rows of a list without one.", ge=10, le=10**7)
    ] = 100_000
    result_bytes: Annotated[
        int,
        option(
            "Bytes of one reply. While it is sent, a process holds up to three times as much.",
            ge=65_536,
            le=2**29,
        ),
    ] = 128 * 1024 * 1024


class IdempotencySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Writes that carry an `Idempotency-Key`."""

    keep: Annotated[
        float,
        option(
            "Seconds for which the reply to a key is kept and a repeat gets it.", ge=60, le=2592000
        ),
    ] = 86400.0
    reply_limit: Annotated[
        int,
        option(
            "Largest reply that is kept, in bytes; a call whose reply is larger is undone and "
            "refused.",
            ge=1024,
            le=2**28,
        ),
    ] = 8 * 2**20
    max_waiting: Annotated[
        int,
        option(
            "Calls that may wait in each API process for another one with the same key; one more "
            "gets 503 at once.",
            ge=1,
            le=10000,
        ),
    ] = 200


class CreditsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The users' credits."""

    enabled: Annotated[
        bool,
        option(
            "Keep accounts. False: everybody has 100 credits, spending costs nothing and writes "
            "nothing."
        ),
    ] = False
    refill: Annotated[
        int,
        option(
            "Credits (US cents) that a balance is filled up to in each month.", ge=0, le=2**31 - 1
        ),
    ] = 1500
    monthly_refill: Annotated[
        bool,
        option(
            "Fill up every balance when it is first asked for in a month. False stands for "
            "AutoGPT's flag enable-platform-payment, on for everybody."
        ),
    ] = True
    stripe_api_key: Annotated[
        Secret | None,
        option(
            "Stripe's secret key, which turns automatic top-ups on (needs autogpt-db[stripe]): a "
            "user's card is charged when their balance falls below their threshold. Unset: logged "
            "only."
        ),
    ] = None
    stripe_base_url: Annotated[
        str | None, option("Where Stripe's API is. Unset: Stripe's own address.")
    ] = None
    stripe_timeout: Annotated[
        float, option("Seconds to wait for one answer of Stripe's.", ge=0.1, le=600)
    ] = 20.0


class EmbeddingsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The marketplace's search by meaning."""

    openai_api_key: Annotated[
        Secret | None,
        option(
            "OpenAI's key, which turns searching by meaning on (needs autogpt-db[openai]). Unset: "
            "searches go by words."
        ),
    ] = None
    openai_base_url: Annotated[
        str | None, option("Where the embeddings come from. Unset: OpenAI's own address.")
    ] = None
    timeout: Annotated[float, option("Seconds to wait for embeddings.", ge=0.1, le=600)] = 10.0


class IntegrationsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The users' credentials for other services."""

    encryption_key: Annotated[
        Secret | None,
        option(
            "Key that the stored credentials are encrypted with: 32 bytes in url-safe base64, the "
            "same as in AutoGPT's other services. Unset: they can be neither read nor written."
        ),
    ] = None
    previous_encryption_key: Annotated[
        Secret | None,
        option(
            "The key before this one, while `autogpt-db rotate-key` is under way: what it wrote is "
            "still read. Unset: encryption_key alone counts."
        ),
    ] = None


class RedisSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AutoGPT's bus for events. Nothing here needs it."""

    host: Annotated[
        str | None,
        option("Host of AutoGPT's Redis. Unset: no events are published, and nobody misses them."),
    ] = None
    port: Annotated[int, option("Its TCP port.", ge=1, le=65535)] = 6379
    password: Annotated[Secret | None, option("Its password. Unset: none.")] = None
    notification_channel: Annotated[
        str, option("First part of the channels that users' notifications go to.")
    ] = "notification_event"


class WorkerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The background jobs."""

    processes: Annotated[int, option("Worker processes.", ge=0, le=16)] = 1
    concurrency: Annotated[int, option("Jobs that run at once in each.", ge=1, le=64)] = 2
    pool_size: Annotated[
        int, option("Connections that each worker process may open.", ge=2, le=64)
    ] = 3
    stop_timeout: Annotated[
        float,
        option(
            "Seconds that running jobs get to finish when a process stops; then they go back to "
            "the queue, and another worker starts them again.",
            ge=0,
            le=3600,
        ),
    ] = 15.0
    oauth_cleanup_schedule: Annotated[
        str,
        option(
            "When expired OAuth tokens are deleted: a cron line, in UTC, or never (then only on "
            "demand)."
        ),
    ] = "17 */6 * * *"
    idempotency_cleanup_schedule: Annotated[
        str, option("When replies older than idempotency.keep are deleted: a cron line, in UTC.")
    ] = "*/10 * * * *"


class LoggingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], option("Least level that is logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "console", "json", "journal"],
        option("auto: journal under systemd, colours on a terminal, JSON lines when piped."),
    ] = "auto"
    requests: Annotated[
        Literal["all", "failed", "none"],
        option("Which requests get a line of their own; failed counts slow ones in."),
    ] = "all"
    request_lines: Annotated[
        int,
        option(
            "Requests that get a line of their own in a second, per API process; of more, the sums "
            "are logged. What failed or was slow always has its own.",
            ge=0,
            le=100_000,
        ),
    ] = 50
    slow_request: Annotated[
        float, option("Seconds after which a request is logged as slow, a warning.", ge=0, le=3600)
    ] = 1.0


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What GET /metrics says, for Prometheus."""

    needs_token: Annotated[
        bool,
        option("Whether a scrape must carry api.token, where that is set, as every call must."),
    ] = True
    database_interval: Annotated[
        float,
        option("Seconds that PostgreSQL's own figures are good for.", ge=1, le=3600),
    ] = 10.0


PROGRAMS_DIRECTORY = Path("/etc/autogpt-db/programs.d")


class SupervisionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the tree of processes is kept alive."""

    heartbeat_timeout: Annotated[
        float,
        option("Seconds without a child's heartbeat after which it is replaced.", ge=2, le=600),
    ] = 4.0
    ready_timeout: Annotated[
        float,
        option(
            "Seconds a started child may take until it reports ready; then it is replaced.",
            ge=1,
            le=3600,
        ),
    ] = 30.0
    backoff_max: Annotated[
        float, option("Longest pause between a failing child's restarts, in seconds.", ge=1, le=600)
    ] = 30.0
    programs_directory: Annotated[
        Path | None,
        option(
            "Directory of *.conf files with [program:x] sections in Supervisor's language: "
            "programs that run beside the service, started after it and stopped before it. "
            "Unset: /etc/autogpt-db/programs.d."
        ),
    ] = None


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration, validated and complete."""

    state_directory: Annotated[
        Path | None,
        option(
            "Where the private PostgreSQL and the lock live. Unset: $STATE_DIRECTORY, else "
            "/var/lib/autogpt-db as root, $XDG_STATE_HOME/autogpt-db otherwise."
        ),
    ] = None
    runtime_directory: Annotated[
        Path | None,
        option(
            "Where sockets and the effective configuration live. Unset: $RUNTIME_DIRECTORY, else "
            "/run/autogpt-db as root, $XDG_RUNTIME_DIR/autogpt-db or state_directory/run otherwise."
        ),
    ] = None
    database: DatabaseSettings = DatabaseSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    api: ApiSettings = ApiSettings()
    limits: LimitsSettings = LimitsSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    credits: CreditsSettings = CreditsSettings()
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    integrations: IntegrationsSettings = IntegrationsSettings()
    redis: RedisSettings = RedisSettings()
    worker: WorkerSettings = WorkerSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    supervision: SupervisionSettings = SupervisionSettings()

    @property
    def paths(self) -> Paths:
        """Return the directories in effect."""
        state = self.state_directory or _state_directory()
        return Paths(state, self.runtime_directory or _runtime_directory(state))

    @property
    def api_pool_size(self) -> int:
        """Return the connections of each API process, within `database.connection_limit`."""
        limit = self.database.connection_limit
        if limit is None:
            return self.database.pool_size
        left = limit - self.worker.processes * self.worker.pool_size
        return max(1, min(self.database.pool_size, left // self.api.processes))


class Paths(NamedTuple):
    """The directories this daemon writes to.

    Attributes:
        state: Data that must outlive a reboot.
        runtime: Sockets and the effective configuration; its content goes with the daemon.
    """

    state: Path
    runtime: Path


def _state_directory() -> Path:
    # systemd may name several, separated by colons; the first is ours.
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/autogpt-db")
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "autogpt-db"


def _runtime_directory(state: Path) -> Path:
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if state != _state_directory():
        # A state directory of one's own gets a runtime directory of its own: two daemons on
        # one machine must not share sockets.
        return state / "run"
    if os.geteuid() == 0:
        return Path("/run/autogpt-db")
    home = os.environ.get("XDG_RUNTIME_DIR")
    return Path(home) / "autogpt-db" if home else state / "run"

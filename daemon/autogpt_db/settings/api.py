"""Options of the RPC server."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from autogpt_db.settings.declaration import Secret, option


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
    memory_limit: Annotated[
        int,
        option(
            "Bytes of request bodies that each API process holds at once: of those that are being "
            "read, and of those whose calls are under way. One more gets 503. While a call is sent "
            "to PostgreSQL, a process holds up to four times its body beside that. As many bytes "
            "of replies wait until their clients read them; beyond that who reads less than "
            "1 MiB a second is cut, and beyond four times that whoever reads slowest.",
            ge=1024 * 1024,
            le=2**36,
        ),
    ] = 256 * 1024 * 1024
    helper_memory: Annotated[
        int,
        option(
            "Bytes of memory that reading one large body may take, in a process of its own; each "
            "API process has four of them at most, two for bodies above 1 MiB. A body that takes "
            "more gets 413.",
            ge=64 * 1024 * 1024,
            le=2**38,
        ),
    ] = 2 * 2**30
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
            "Without effect: all calls take one road. It is read so that a file written for 0.1 "
            "still is."
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

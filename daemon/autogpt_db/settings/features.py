"""Options of what the methods need beside PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from autogpt_db.settings.declaration import Secret, option


class CreditsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The users' credits."""

    enabled: Annotated[
        bool,
        option(
            "Keep accounts. False: everybody has 100 credits, spending costs nothing and writes "
            "nothing."
        ),
    ] = False
    organizations_enabled: Annotated[
        bool,
        option(
            "Where enabled is false: charge organizations that are nobody's own all the same, as "
            "AutoGPT does. False: they have 100 credits and pay nothing, as everybody."
        ),
    ] = True
    refill: Annotated[
        int,
        option(
            "Credits (US cents) that a balance is filled up to in each month.", ge=0, le=2**31 - 1
        ),
    ] = 1500
    monthly_refill: Annotated[
        Literal["auto", "on", "off"],
        option(
            "Fill up every balance when it is first asked for in a month. auto: as the database's "
            "AutoGPT release has it, which is on up to v0.6.58, and on in tables that autogpt-db "
            "0.1 made. off stands for AutoGPT's flag enable-platform-payment, on for everybody. "
            "true and false mean on and off."
        ),
    ] = "auto"
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


class ExpertsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AutoGPT's experts."""

    weekly_budget: Annotated[
        int,
        option(
            "Credits (US cents) that an expert without a budget of its own may spend in a week, by "
            "what AutoGPT's executors count in its Redis (redis.host). 0 or less: as many as it "
            "likes.",
            ge=-(2**31),
            le=2**31 - 1,
        ),
    ] = 500


class LibrarySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Users' libraries."""

    scheduler_url: Annotated[
        str | None,
        option(
            "Where AutoGPT's scheduler is, such as http://scheduler_server:8003: it is asked which "
            "agents are scheduled, and for when. Unset: none is shown as scheduled."
        ),
    ] = None
    scheduler_timeout: Annotated[
        float,
        option(
            "Seconds to wait for its answer. One that comes later counts as none, and then nobody "
            "asks for a while.",
            ge=0.05,
            le=30,
        ),
    ] = 1.0


class LinkingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers and accounts of chat platforms, linked with AutoGPT's accounts."""

    base_url: Annotated[
        str,
        option(
            "Page of AutoGPT's front end on which links are confirmed: people are sent to it with "
            "a token behind it. That of a front end of your own ends with /link, too."
        ),
    ] = "https://platform.agpt.co/link"


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
    private_texts: Annotated[
        bool,
        option(
            "Send the provider what is users' own, too, as AutoGPT does: names of their agents and "
            "files, titles of their chats. False: only what the marketplace offers."
        ),
    ] = True


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
    platform_base_url: Annotated[
        str,
        option(
            "Where AutoGPT's REST server is reached from outside, without a slash at the end: the "
            "addresses of webhooks begin with it."
        ),
    ] = "http://localhost:8000"


class RedisSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AutoGPT's bus for events, and where it counts what experts spend."""

    host: Annotated[
        str | None,
        option(
            "Host of AutoGPT's Redis, or of any node of its Redis Cluster: which of the two it is, "
            "it is asked. Unset: no events are published, which nobody misses, and experts have "
            "spent nothing, so that no budget stops them."
        ),
    ] = None
    port: Annotated[int, option("Its TCP port.", ge=1, le=65535)] = 6379
    password: Annotated[Secret | None, option("Its password. Unset: none.")] = None
    use_announced_address: Annotated[
        bool,
        option(
            "Reach a Cluster's other nodes at the addresses that they announce. False: at this "
            "host, with each node's own port."
        ),
    ] = False
    connect_timeout: Annotated[
        float, option("Seconds for one attempt to connect.", ge=0.1, le=600)
    ] = 2.0
    socket_timeout: Annotated[
        float, option("Seconds to wait for one reply of its.", ge=0.1, le=600)
    ] = 2.0
    notification_channel: Annotated[
        str, option("First part of the channels that users' notifications go to.")
    ] = "notification_event"

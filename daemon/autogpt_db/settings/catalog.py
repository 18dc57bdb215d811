"""The options as a list: what sources, printing and documentation iterate over."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from autogpt_db.errors import ConfigurationError
from autogpt_db.settings.declaration import Secret
from autogpt_db.settings.model import Settings

# AutoGPT's own names for our options, so that its environment can be handed over as it is.
AUTOGPT_NAMES = {
    "DATABASE_URL": "database.url",
    "DIRECT_URL": "database.direct_url",
    "DATABASE_API_PORT": "api.port",
    "DB_CONNECTION_LIMIT": "database.connection_limit",
    "DB_POOL_TIMEOUT": "database.pool_timeout",
    "DB_CONNECT_TIMEOUT": "database.connect_timeout",
    "LOG_LEVEL": "logging.level",
    "ENABLE_CREDIT": "credits.enabled",
    "NUM_USER_CREDITS_REFILL": "credits.refill",
    "STRIPE_API_KEY": "credits.stripe_api_key",
    "EXPERT_WEEKLY_CREDIT_BUDGET_DEFAULT": "experts.weekly_budget",
    "ENCRYPTION_KEY": "integrations.encryption_key",
    "PLATFORM_BASE_URL": "integrations.platform_base_url",
    "PLATFORM_LINK_BASE_URL": "linking.base_url",
    "OPENAI_INTERNAL_API_KEY": "embeddings.openai_api_key",
    "REDIS_HOST": "redis.host",
    "REDIS_PORT": "redis.port",
    "REDIS_CLUSTER_HOST": "redis.host",  # of two names for one option the later wins
    "REDIS_CLUSTER_PORT": "redis.port",
    "REDIS_PASSWORD": "redis.password",
    "REDIS_USE_ANNOUNCED_ADDRESS": "redis.use_announced_address",
    "REDIS_SOCKET_CONNECT_TIMEOUT": "redis.connect_timeout",
    "REDIS_SOCKET_TIMEOUT": "redis.socket_timeout",
    "NOTIFICATION_EVENT_BUS_NAME": "redis.notification_channel",
}
# Counts only together with api.trusted_network (closed by default).
AUTOGPT_HOST_NAME = "PYRO_HOST"


class Option(NamedTuple):
    """One option.

    Attributes:
        path: `section.name`, or `name` at the top level.
        type: Its annotation, bounds included.
        default: Its default value.
        help: What it means, for people.
    """

    path: str
    type: Any
    default: Any
    help: str

    @property
    def environment_name(self) -> str:
        """Return the variable that sets it."""
        return "AUTOGPT_DB_" + self.path.upper().replace(".", "_")

    @property
    def secret(self) -> bool:
        """Tell whether its value must never be shown."""
        return Secret in get_args(_bare(self.type)) or _bare(self.type) is Secret

    @property
    def type_name(self) -> str:
        """Name the type for people: `whole number, 1 to 200`."""
        bare = _bare(self.type)
        kinds = [_bare(kind) for kind in (get_args(bare) or (bare,)) if kind is not NoneType]
        if get_origin(bare) is Literal:
            return "one of " + ", ".join(str(kind) for kind in kinds)
        words = {
            Secret: "text, secret", Path: "path", str: "text",
            int: "whole number", float: "number", bool: "true or false",
        }  # fmt: skip
        text = words[kinds[0]]
        bounds = next((b for b in map(_bounds, (self.type, *get_args(bare))) if b and b.le), None)
        return text if bounds is None else f"{text}, {bounds.ge} to {bounds.le}"


@cache
def options() -> dict[str, Option]:
    """Return every option by its path, in the order of declaration."""
    found: dict[str, Option] = {}
    _collect(Settings, "", found)
    return found


def convert(option: Option, value: Any, *, text: bool) -> Any:
    """Return `value` as the option's type.

    Args:
        option: The option that is set.
        value: From TOML, or text from the environment or the command line.
        text: True for text, which is read as a number or a truth value where the option is one.

    Raises:
        ConfigurationError: The value does not fit; the message never holds a secret.
    """
    if {"on", "off"} <= set(get_args(_bare(option.type))):
        # A truth value until it got a third one.
        words = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
        value = words.get(str(value).strip().lower(), value)
    if text and isinstance(value, str) and _bare(option.type) is bool:
        value = {"yes": True, "on": True, "no": False, "off": False}.get(
            value.strip().lower(), value.strip().lower()
        )
    try:
        return msgspec.convert(value, option.type, strict=not text, dec_hook=decode_value)
    except msgspec.ValidationError as error:
        shown = "" if option.secret else f" (got {value!r})"
        raise ConfigurationError(
            f"{option.path}: {str(error)[:1].lower()}{str(error)[1:]}{shown}; "
            f"expected {option.type_name}."
        ) from None


def decode_value(kind: type, value: Any) -> Any:
    """Make the types that msgspec does not know: `Secret` and `Path`."""
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"Expected `str`, got `{type(value).__name__}`")
    if kind is Path and not Path(value).is_absolute():
        raise msgspec.ValidationError("Expected an absolute path")
    return kind(value)


def _collect(struct: type[msgspec.Struct], prefix: str, found: dict[str, Option]) -> None:
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        annotation = hints[field.name]
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            _collect(annotation, f"{prefix}{field.name}.", found)
            continue
        meta = _bounds(annotation)
        path = prefix + field.name
        told = meta.description if meta is not None else None
        assert told, f"{path}: declare it as Annotated[its type, option(what it is for)]"
        plain = field.default is not msgspec.NODEFAULT
        assert plain, f"{path}: give it a default, a plain value or a tuple"
        found[path] = Option(path, annotation, field.default, told)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _bounds(annotation: Any) -> msgspec.Meta | None:
    if get_origin(annotation) is Annotated:
        return next((m for m in get_args(annotation)[1:] if isinstance(m, msgspec.Meta)), None)
    return None

"""What is linked: a server of a chat platform, or somebody's own account there.

Both are linked in the same way, in tables of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.errors import FieldNotFoundError
from autogpt_db.operations import Platform

if TYPE_CHECKING:
    from typing import LiteralString


class Target(NamedTuple):
    """A kind of what is linked.

    Attributes:
        link_type: A label of platform."PlatformLinkType".
        table: Where its links are.
        column: Which of their columns, and of the tokens', says what is linked.
        owned: Is true of the link to `%(target)s` on `%(platform)s`, as `link`.
        noun: What people call it.
    """

    link_type: LiteralString
    table: LiteralString
    column: LiteralString
    owned: LiteralString
    noun: str


def _target(
    link_type: LiteralString, table: LiteralString, column: LiteralString, noun: str
) -> Target:
    owned: LiteralString = f"""link."platform" = %(platform)s::text::platform."PlatformType"
   AND link."{column}" = %(target)s"""
    return Target(link_type, table, column, owned, noun)


SERVER = _target("SERVER", 'platform."PlatformLink"', "platformServerId", "server")
USER = _target("USER", 'platform."PlatformUserLink"', "platformUserId", "platform user")


def check_platform(platform: str) -> None:
    """Refuse what names no platform, where the method takes any text for one.

    Raises:
        FieldNotFoundError: There is no such platform.
    """
    if platform not in Platform.__members__:
        raise FieldNotFoundError(
            f"platform is {platform[:100]!r}; it must be one of: {', '.join(Platform)}."
        )

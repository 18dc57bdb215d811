"""Sample calls of the methods for accounts of chat platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {"cleanup_expired_platform_link_tokens": [{}]}

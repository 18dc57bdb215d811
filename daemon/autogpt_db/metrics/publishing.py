"""What a process says of itself once a second, beside what it counts as it goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 1.0
"""Seconds between two publications."""


async def publish_forever(publish: Callable[[], None]) -> NoReturn:
    """Call `publish` every second until cancelled."""
    while True:
        publish()
        await asyncio.sleep(INTERVAL)

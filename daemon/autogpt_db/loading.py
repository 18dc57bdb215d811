"""Loading the program's own code."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def loading() -> Iterator[None]:
    """Load what stays for as long as the process lives, and look for no garbage in it.

    Modules are some 100,000 objects that refer to each other. The collector would look through all
    of them again and again while they become more, then now and then between calls, and once more
    at the end: a quarter of what a start and an end take, and nothing is ever found.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

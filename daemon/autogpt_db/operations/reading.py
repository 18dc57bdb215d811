"""What a helper process does of a call: its body read, checked and cleaned."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from autogpt_db.operations.discovery import served_operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.settings import LimitsSettings
    from autogpt_db.signatures.registry import Operation

_operations = cache(served_operations)


def read_body(
    name: str, body: bytes, limits: LimitsSettings, digest: bool
) -> tuple[dict[str, Any], bytes]:
    """Return a call's arguments, and the digest of its body.

    Args:
        name: The method.
        body: The request's.
        limits: Bound the arguments.
        digest: Whether the digest is wanted; else it is empty.

    Raises:
        CallError: They don't fit.
    """
    operations: Mapping[str, Operation] = _operations()
    operation = operations[name]
    arguments = operation.decode(body, limits)
    operation.check(arguments, limits)
    return arguments, hashlib.sha256(body).digest() if digest else b""

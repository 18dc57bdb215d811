"""Types that stand for themselves."""

from __future__ import annotations

from typing import Any

JsonValue = Any
"""Any JSON value."""

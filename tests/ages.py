"""What tests say of one age of AutoGPT's tables alone."""

from __future__ import annotations

import pytest

from releases.building import TABLES

OLD = TABLES == "v0.6.48"
"""Whether the tables that tests start from are those of v0.6.48."""

AS_OF_V0_6_48 = pytest.mark.skipif(
    not OLD, reason="AutoGPT v0.6.48's rules; tests/releases holds the later ones"
)

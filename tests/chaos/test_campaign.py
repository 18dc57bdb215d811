"""A fault campaign: whatever breaks, what was acknowledged is stored, once, and nobody is lost.

`make test-chaos SEED=… MINUTES=…` plays all of it; with the other tests some kinds of faults come
once each, for a minute at most.
"""

from __future__ import annotations

import os
import random
from itertools import islice

import pytest

from chaos.campaign import Campaign, order
from chaos.fault import EVERYWHERE
from chaos.faults import load
from pgbouncer import PGBOUNCER

MINUTES = float(os.environ.get("AUTOGPT_DB_TEST_MINUTES", "0"))
SEED = int(os.environ.get("AUTOGPT_DB_TEST_SEED") or random.randrange(10**6))
SHORT_SEED = 1


@pytest.mark.parametrize("stage", sorted(EVERYWHERE))
def test_a_seed_alone_decides_the_order_of_faults(stage: str) -> None:
    def names(seed: str) -> list[str]:
        return [fault.name for fault in islice(order(load(), stage, seed), 100)]

    assert names("1") == names("1")
    assert names("1") != names("2")
    assert set(names("1")) == {fault.name for fault in load() if stage in fault.stages}


@pytest.mark.timeout(180)
@pytest.mark.skipif(MINUTES > 0, reason="the full form runs instead")
def test_a_short_campaign_breaks_no_promise() -> None:
    campaign = Campaign(SHORT_SEED, minutes=1, stages={"single": 1.0}, short=True)
    report = campaign.run()
    print("\n" + "\n".join(report.lines()))
    assert report.broken == []


@pytest.mark.timeout(MINUTES * 60 * 2 + 600)
@pytest.mark.skipif(MINUTES == 0, reason="make test-chaos")
def test_a_campaign_breaks_no_promise() -> None:
    print(f"\nSEED={SEED} MINUTES={MINUTES:g}")
    stages = {"single": 0.6, "pair": 0.25, "pooled": 0.15}
    if PGBOUNCER is None:
        print("\nPgBouncer isn't installed (apt install pgbouncer): its faults are left out.")
        del stages["pooled"]
    report = Campaign(SEED, minutes=MINUTES, stages=stages).run()
    print("\n" + "\n".join(report.lines()))
    assert report.broken == []

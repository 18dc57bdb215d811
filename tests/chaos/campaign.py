"""A campaign: faults in an order that a seed gives, clients beside them, and the reckoning."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from chaos.checker import check
from chaos.clients import Clients
from chaos.fault import Fault, Scene
from chaos.faults import load
from chaos.history import OK, REFUSED, UNKNOWN, History
from chaos.proxy import KINDS
from chaos.stages import STAGES, Stage
from chaos.wholeness import memory, unwhole
from chaos.work import Work
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 24
SHORT_RATE = 300.0
"""Steps of the clients' work in a second, in the short form."""
RECOVERED = 50
"""Calls that must succeed after a fault before the next one comes."""
RECOVERY_SECONDS = 30.0
WITH_CUTS = 0.3
"""Share of faults during which client connections are cut, too."""
CALM = "calm"


@dataclass
class Report:
    """What a campaign did and saw.

    Attributes:
        seed: What it was drawn from.
        seconds: How long it ran.
        injected: How many times each fault was done.
        calls: How many calls ended how, by the fault under way.
        slowest: Seconds from each fault's end until calls succeeded again, at most.
        answers: How many replies had each status.
        words: What refusals said.
        broken: Every broken promise, in words.
    """

    seed: int
    seconds: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    calls: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    answers: Counter[int] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def total_calls(self) -> int:
        """Return the number of all calls."""
        return sum(counts.total() for counts in self.calls.values())

    def take(self, history: History) -> None:
        """Add what a stage's clients remember."""
        for span, counts in history.calls.items():
            self.calls[span] += counts
        self.answers += history.answers
        self.words += history.words
        self.broken += history.violations

    def lines(self) -> Iterator[str]:
        """Yield it for people; the table is the one of docs/reference/reliability.md."""
        yield (
            f"seed {self.seed}: {self.seconds:.0f} s, {self.total_calls:,} calls, "
            f"{self.injected.total():,} faults, {len(self.broken)} promises broken"
        )
        yield ""
        yield f"| {'fault':<45} | injected | calls ok | refused | unknown | recovered within |"
        yield f"|{'-' * 47}|---------:|---------:|--------:|--------:|-----------------:|"
        for name in sorted(
            set(self.injected) | set(self.calls), key=lambda one: (one == CALM, one)
        ):
            counts = self.calls[name]
            recovery = f"{self.slowest[name]:.1f} s" if name in self.slowest else ""
            yield (
                f"| {name:<45} | {self.injected[name]:>8,} | {counts[OK]:>8,} "
                f"| {counts[REFUSED]:>7,} | {counts[UNKNOWN]:>7,} | {recovery:>16} |"
            )
        yield ""
        yield f"statuses: {dict(sorted(self.answers.items()))}"
        for words, count in self.words.most_common(25):
            yield f"  {count:>7,} times {words}"
        for words in self.broken[:60]:
            yield f"BROKEN: {words}"


class Campaign:
    """Plays faults until the time is over.

    Args:
        seed: What everything is drawn from.
        minutes: For how long, all stages together.
        stages: Where, with each one's share of the time.
        short: Play only those faults that are in the short form, each of them once, and leave other
            tests something of the machine meanwhile.
    """

    def __init__(
        self, seed: int, *, minutes: float, stages: dict[str, float], short: bool = False
    ) -> None:
        self.report = Report(seed)
        self._minutes = minutes
        self._stages = stages
        self._faults = [fault for fault in load() if fault.short or not short]
        self._most = len(self._faults) if short else None
        self._rate = SHORT_RATE if short else math.inf

    def run(self) -> Report:
        """Play every stage; return what was done and seen."""
        started = time.monotonic()
        whole = sum(self._stages.values())
        for name, share in self._stages.items():
            with STAGES[name](f"{self.report.seed}-{name}") as stage:
                self._play(stage, self._minutes * 60 * share / whole)
        self.report.seconds = time.monotonic() - started
        return self.report

    def _play(self, stage: Stage, seconds: float) -> None:
        history = History()
        seed = f"{self.report.seed}-{stage.name}"
        ports = (stage.daemon.port, stage.front.port)
        with Clients(ports, history, seed, count=CLIENTS, work=Work, rate=self._rate) as clients:
            wait_for(
                lambda: not clients.working or history.acknowledged() > 40 * CLIENTS,
                seconds=60,
                what="warm clients",
            )
            before = memory(stage.daemon)
            until = time.monotonic() + seconds
            faults = islice(order(self._faults, stage.name, seed), self._most)
            for number, fault in enumerate(faults):
                if time.monotonic() > until or not clients.working:
                    break
                scene = Scene(stage, history, random.Random(f"{seed}-{number}"))
                try:
                    self._inject(fault, scene)
                except AssertionError as error:  # what was broken doesn't come back
                    print(f"{stage.name}: {fault.name}: {error}", flush=True)
                    history.broken(str(error))
                    break
        self.report.take(history)
        # Whatever was logged with a traceback is a case that nobody has thought of.
        self.report.broken += [
            f"logged: {json.dumps(record)}"
            for record in stage.daemon.events()
            if "exception" in record
        ][:20]
        self.report.broken += check(history, stage.looking_url)
        self.report.broken += unwhole(stage, before)

    def _inject(self, fault: Fault, scene: Scene) -> None:
        history, stage = scene.history, scene.stage
        history.span = fault.name
        cuts = scene.random.random() < WITH_CUTS
        met = stage.front.met.total()
        if cuts:
            stage.front.begin(KINDS, reach=8_000)
        count = fault.inject(scene)
        if cuts:
            stage.front.stop()
            self.report.injected["client connections, beside another fault"] += (
                stage.front.met.total() - met
            )
        self.report.injected[fault.name] += count
        ended = time.monotonic()
        good = history.acknowledged()
        wait_for(
            lambda: history.acknowledged() >= good + RECOVERED,
            seconds=RECOVERY_SECONDS,
            what=f"{RECOVERED} calls after: {fault.name}",
        )
        took = time.monotonic() - ended
        print(f"{stage.name}: {fault.name}: {count}, recovered in {took:.1f} s", flush=True)
        self.report.slowest[fault.name] = max(self.report.slowest[fault.name], took)
        history.span = CALM
        scene.last(0.0, 0.3)


def order(faults: list[Fault], stage: str, seed: str) -> Iterator[Fault]:
    """Yield a stage's faults without end, in an order that the seed alone decides."""
    fitting = [fault for fault in faults if stage in fault.stages]
    one = random.Random(seed)
    while True:
        # Each kind comes once before they are drawn by weight.
        yield from one.sample(fitting, len(fitting))
        yield from one.choices(fitting, [fault.weight for fault in fitting], k=20)

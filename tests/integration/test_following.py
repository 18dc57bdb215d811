"""Following live events: what each reader gets, who is dropped, and that nothing is missed."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.errors import DatabaseUnavailableError, InvalidValueError
from autogpt_db.live_events import following, pacing
from autogpt_db.live_events.following import Following
from autogpt_db.live_events.readers import WAITING
from autogpt_db.live_events.reading import Position, Selection
from autogpt_db.live_events.trimming import trim
from autogpt_db.metrics.families import LIVE_EVENT_WRITES
from autogpt_db.metrics.reading import make_directory
from autogpt_db.metrics.store import Store
from autogpt_db.metrics.watching import Watched
from autogpt_db.settings import EventsSettings
from service import Service
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

ON = EventsSettings(enabled=True)
_MESSAGE = re.compile(r"id: (\S+)\nevent: (\S+)\ndata: (.+)|event: (\S+)\ndata: (.+)|id: (\S+)")


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with Service(database_url, events=ON) as running:
        yield running


class Follower:
    """Takes what it is sent, as a browser does.

    Attributes:
        id: The last id that it got.
        balances: Those of the events that it got.
        told: What else it was told.
    """

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self.id = ""
        self.balances: list[int] = []
        self.told: list[str] = []

    async def take(self) -> bool:
        """Take one part of the stream; return False at its end."""
        async with asyncio.timeout(PATIENCE):
            part = await anext(self._stream, None)
        if part is None:
            return False
        for message in part.decode().removesuffix("\n\n").split("\n\n"):
            found = _MESSAGE.fullmatch(message)
            assert found is not None, message
            self.id = found[1] or found[6] or self.id
            if found[2]:
                self.balances.append(json.loads(found[3])["balance"])
            elif found[4]:
                self.told.append(found[4])
        return True

    async def until(self, count: int) -> list[int]:
        """Take parts until there are so many balances."""
        while len(self.balances) < count:
            assert await self.take(), "the stream has ended"
        return self.balances


class Followed:
    """Following, on a service's pool."""

    def __init__(self, service: Service, writes: Watched | None = None) -> None:
        self.service = service
        self.counts: list[int] = []
        self.dropped = 0
        self.looks = 0
        self.following = Following(
            self._read, counted=self.counts.append, let_go=self._count_dropped, writes=writes
        )

    def _count_dropped(self) -> None:
        self.dropped += 1

    async def _read(self, selection: Selection, after: Position | None, limit: int) -> Any:
        self.looks += 1
        return await following.read(self.service.pool.call("events", reads=True), selection, after,
                                    limit)  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.following.follow_forever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def reader(self, after: str = "", **wanted: str) -> AsyncIterator[Follower]:
        self.following.enter()
        try:
            now = await self.following.ready()
            position = Position.of(after, "id") if after else now
            stream = self.following.stream(Selection(**wanted), position)
            try:
                yield Follower(stream)
            finally:
                await stream.aclose()
        finally:
            self.following.leave()

    def add(self, *balances: int, user: str = "alice", filler: str = "") -> None:
        self.service.rows(
            """INSERT INTO autogpt_db.live_event (user_id, node_id, balance)
               SELECT %(user)s, NULLIF(%(filler)s, ''), unnest(%(balances)s::integer[])""",
            user=user,
            balances=list(balances),
            filler=filler,
        )


@pytest.fixture
def followed(service: Service) -> Followed:
    return Followed(service)


def test_who_comes_after_somebody_has_left_too_soon_begins_where_the_log_is_then(
    followed: Followed,
) -> None:
    """A first look that nobody waits for any more is no beginning for whoever comes hours later."""
    following = followed.following
    read, look = following._read, following._look
    looking, released, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def held(selection: Selection, after: Position | None, limit: int) -> Any:
        page = await read(selection, after, limit)
        looking.set()
        await released.wait()
        return page

    async def looked() -> bool:
        more = await look()
        ended.set()
        return more

    async def main() -> None:
        following._read = held
        following._look = looked  # type: ignore[method-assign]
        async with asyncio.timeout(PATIENCE), followed.running():
            following.enter()
            await looking.wait()
            following.leave()
            released.set()
            await ended.wait()
            followed.add(1, 2)
            async with followed.reader() as late:
                followed.add(3)
                assert await late.until(1) == [3]

    followed.service.run(main())


def test_each_reader_gets_what_it_has_chosen(followed: Followed) -> None:
    async def main() -> None:
        async with (
            followed.running(),
            followed.reader() as everything,
            followed.reader(user_id="alice") as alice,
            followed.reader(user_id="bob") as bob,
            followed.reader(user_id="bob") as twin,
            followed.reader(user_id="bob", graph_id="g") as nobody,
        ):
            for one in (everything, alice, bob, twin, nobody):
                await one.take()  # it has joined
            followed.add(1, 2)
            followed.add(3, user="bob")
            assert await everything.until(3) == [1, 2, 3]
            assert await alice.until(2) == [1, 2]
            assert await bob.until(1) == await twin.until(1) == [3]
            assert nobody.balances == []
        assert followed.following.streams == 0
        assert not followed.following._readers

    followed.service.run(main())


def test_of_many_readers_a_few_are_served_at_a_time_and_all_get_everything(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "TOGETHER", 2)

    async def main() -> None:
        async with followed.running(), AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(followed.reader()) for _ in range(7)]
            for one in readers:
                await one.take()
            for number in (1, 2, 3):
                followed.add(number)
                for one in readers:
                    assert await one.until(number) == list(range(1, number + 1))

    followed.service.run(main())


def test_who_comes_back_has_missed_nothing_and_gets_nothing_twice(followed: Followed) -> None:
    async def main() -> None:
        async with followed.running():
            async with followed.reader() as first:
                await first.take()
                followed.add(1, 2, 3)
                await first.until(3)
                last = first.id
            followed.add(*range(4, 4 + 3 * following.AT_ONCE))
            many = 3 * following.AT_ONCE
            async with followed.reader() as other, followed.reader(last) as again:
                await other.take()
                followed.add(-1)
                assert await again.until(many + 1) == [*range(4, 4 + many), -1]
                assert await other.until(1) == [-1]
                followed.add(-2)
                assert (await again.until(many + 2))[-1] == -2
                assert again.told == []

    followed.service.run(main())


def test_a_late_commit_reaches_readers_old_and_new(followed: Followed) -> None:
    async def main() -> None:
        with psycopg.connect(followed.service.url) as late:
            async with followed.running(), followed.reader() as reader:
                await reader.take()
                late.execute(
                    "INSERT INTO autogpt_db.live_event (user_id, balance) VALUES ('alice', 1)"
                )
                followed.add(2)
                looks = followed.looks
                while followed.looks < looks + 3:
                    await asyncio.sleep(0.05)
                assert reader.balances == []
                async with followed.reader(reader.id) as second:
                    late.commit()
                    assert await reader.until(2) == await second.until(2) == [1, 2]

    followed.service.run(main())


def test_who_does_not_keep_up_is_dropped_and_told_and_holds_up_nobody(followed: Followed) -> None:
    filler = "x" * 1000

    async def main() -> None:
        async with followed.running(), followed.reader() as slow, followed.reader() as quick:
            await slow.take()
            await quick.take()
            followed.add(1)
            await slow.until(1)
            sent = 2 * WAITING // len(filler)
            for start in range(2, 2 + sent, 50):
                followed.add(*range(start, start + 50), filler=filler)
                await quick.until(start + 48)
            (held,) = [one for one in followed.following._readers[Selection()] if one.lost]
            assert held.take() == b"", "nothing is kept for it"
            assert slow.balances == [1]
            while await slow.take():
                pass
            assert slow.told == ["dropped"]
            assert followed.dropped == 1
            async with followed.reader(slow.id) as again:
                missed = await again.until(len(quick.balances) - 1)
                assert missed == quick.balances[1:], "and has missed nothing"

    followed.service.run(main())


def test_who_comes_back_too_late_is_told_and_gets_what_there_is(followed: Followed) -> None:
    async def main() -> None:
        async with followed.running():
            async with followed.reader() as first:
                await first.take()
                followed.add(1)
                await first.until(1)
            followed.add(2)
            followed.service.rows("UPDATE autogpt_db.live_event SET at = at - interval '1 day'")
            await trim(followed.service.pool.call("trim", reads=False), ON)
            followed.add(3)
            async with followed.reader(first.id) as again:
                assert await again.until(1) == [3]
                assert again.told == ["gap"]
            foreign = "00000000" + again.id[8:]
            async with followed.reader(foreign) as other:
                assert await other.until(1) == [3], "all that there is"
                assert other.told == ["gap"]

    followed.service.run(main())


def test_without_a_reader_nobody_is_asked_anything(followed: Followed) -> None:
    async def main() -> None:
        async with followed.running():
            async with followed.reader() as one:
                await one.take()
            looks = followed.looks
            async with followed.running():
                await asyncio.sleep(3 * pacing.PACE)
            assert followed.looks <= looks + 1, "one may have been under way"

    followed.service.run(main())


class Glanced(Watched):
    """Counts how often somebody has glanced at whether anything was written."""

    glances = 0

    def total(self) -> float:
        self.glances += 1
        return super().total()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    make_directory(tmp_path)
    own = Store(tmp_path, "api_00")
    own.add(LIVE_EVENT_WRITES, 0)
    yield own
    own.close()


def test_while_nobody_writes_nobody_looks_and_who_writes_is_heard(
    service: Service, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "SLOW_PACE", 3600.0)
    writes = Glanced(tmp_path, LIVE_EVENT_WRITES)
    followed = Followed(service, writes)

    async def quiet() -> None:
        """Wait until nothing but glances has happened for a while."""
        looks, until = followed.looks, writes.glances + 20
        while writes.glances < until:
            if followed.looks != looks:
                looks, until = followed.looks, writes.glances + 20
            await asyncio.sleep(pacing.TICK)

    async def main() -> None:
        async with followed.running(), followed.reader() as one:
            await one.take()
            await quiet()
            followed.add(1)
            looks = followed.looks
            store.add(LIVE_EVENT_WRITES, 1)
            assert await one.until(1) == [1]
            assert followed.looks > looks
            await quiet()

    service.run(main())
    writes.close()


def test_what_another_host_has_written_is_found_slowly_and_then_quickly(
    service: Service, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "SLOW_PACE", 2 * pacing.PACE)
    monkeypatch.setattr(pacing, "ELSEWHERE", 600.0)
    writes = Watched(tmp_path, LIVE_EVENT_WRITES)
    followed = Followed(service, writes)

    async def main() -> None:
        async with followed.running(), followed.reader() as one:
            await one.take()
            followed.add(1)
            assert await one.until(1) == [1]
            monkeypatch.setattr(pacing, "SLOW_PACE", 3600.0)
            followed.add(2)
            assert await one.until(2) == [1, 2], "nobody here has told of that, either"

    service.run(main())
    writes.close()
    assert store.shared


def test_a_look_that_met_a_transaction_under_way_is_followed_by_another(
    service: Service, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "SLOW_PACE", 3600.0)
    writes = Watched(tmp_path, LIVE_EVENT_WRITES)
    followed = Followed(service, writes)

    async def main() -> None:
        with psycopg.connect(service.url) as late:
            async with followed.running(), followed.reader() as reader:
                await reader.take()
                late.execute("SELECT pg_current_xact_id()")
                followed.add(1)
                looks = followed.looks
                store.add(LIVE_EVENT_WRITES, 1)
                while followed.looks == looks:
                    await asyncio.sleep(pacing.TICK)
                assert reader.balances == []
                late.commit()
                assert await reader.until(1) == [1]

    service.run(main())
    writes.close()


def test_who_writes_says_so_once_it_is_committed(service: Service) -> None:
    told: list[int] = []
    insert = "INSERT INTO autogpt_db.live_event (user_id, balance) VALUES ('alice', 1)"

    def tell() -> None:
        with psycopg.connect(service.url) as other:
            row = other.execute("SELECT count(*) FROM autogpt_db.live_event").fetchone()
        assert row is not None
        told.append(row[0])

    async def main() -> None:
        service.pool.on_written(tell)
        writing = service.pool.call("write", reads=False)
        await writing.execute(insert)
        async with writing.transaction() as inside:
            await inside.execute(insert)
            await inside.execute(insert)
            assert told == [1]
        await service.pool.call("read", reads=True).row("SELECT 1")
        with pytest.raises(InvalidValueError):
            await writing.execute("SELECT 'x'::integer")

    service.run(main())
    assert told == [1, 3]


def test_a_reader_is_told_how_far_it_has_come(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEEP_UP", 0.05)

    async def main() -> None:
        async with followed.running(), followed.reader(user_id="bob") as bob:
            await bob.take()
            begun = bob.id
            followed.add(1)
            while bob.id == begun:
                await bob.take()
            assert bob.balances == []
            assert Position.of(bob.id, "id") > Position.of(begun, "id")

    followed.service.run(main())


def test_without_a_database_a_reader_hears_so(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0.05)

    async def main() -> None:
        async with followed.reader():
            raise AssertionError

    with pytest.raises(DatabaseUnavailableError, match="cannot be read now"):
        followed.service.run(main())

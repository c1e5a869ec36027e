"""A mailbox that is watched, without a server: what is read, tried again, given up, and in which order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.errors import StoreUnavailable
from gateway.mailbox.imap import BoxLost, Head
from gateway.mailbox.settings import BoxSettings
from gateway.mailbox.watching import AGAIN_S, MOST_TRIES, Watcher
from gateway.policy.mailproof import MailSource
from gateway.policy.rights import Authority
from gateway.store.embedded import Cluster
from tests.mailbox.mails import alert, mail, signed
from tests.mailbox.stand import Stand, box_settings, running, stand
from tests.support.scene import a_scene
from tests.support.waiting import until


@dataclass(slots=True)
class FakeBox:
    """A mailbox in memory: mails by UID, those marked seen, those whose fetch ends the connection."""

    mails: dict[int, bytes] = field(default_factory=dict)
    validity: int = 77
    seen: list[int] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    fetched: list[int] = field(default_factory=list)
    looks: int = 0
    lost_after: int = 10**9

    async def select(self) -> int:
        self.looks += 1
        return self.validity

    async def uids_behind(self, uid: int) -> list[int]:
        return sorted(number for number in self.mails if number > uid)

    async def heads(self, uids: list[int]) -> list[Head]:
        return [Head(uid, len(self.mails[uid]), self.mails[uid].partition(b"\r\n\r\n")[0] + b"\r\n") for uid in uids]

    async def mail(self, uid: int, most_bytes: int) -> bytes | None:
        if uid in self.poison:
            raise BoxLost("crashed")
        self.fetched.append(uid)
        return None if uid in self.gone else self.mails[uid]

    async def mark_seen(self, uids: list[int]) -> bool:
        self.seen += uids
        return True

    async def wait(self, seconds: float) -> None:
        if self.looks >= self.lost_after:
            raise BoxLost("closed")
        import asyncio

        await asyncio.sleep(0.01)

    @asynccontextmanager
    async def opened(self, _settings: BoxSettings) -> AsyncIterator["FakeBox"]:
        yield self


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def ground(pg: Cluster) -> AsyncIterator[Stand]:
    async with a_scene(pg) as scene:
        found = stand(scene, await scene.entity())
        await found.source()
        yield found


def watcher(ground: Stand, box: FakeBox, **more: object) -> Watcher[MailSource]:
    ground.monotonic = Clock()
    return ground.watcher(box_settings(), box.opened, **more)


def proven(identifier: str) -> bytes:
    return signed(mail(alert(identifier)))


async def test_a_look_settles_every_mail_and_the_next_one_none(ground: Stand) -> None:
    box = FakeBox({3: proven("a"), 5: mail(alert("b")), 9: mail(alert("c"), sender="x@y.example")})
    watch = watcher(ground, box)
    await watch.look(box)
    assert await ground.verdicts() == [("taken", ""), ("refused", "no-proof"), ("refused", "unknown-sender")]
    assert (box.seen, box.fetched) == ([3, 5, 9], [3, 5])  # the mail of nobody known was not even fetched
    await watch.look(box)
    assert box.fetched == [3, 5]
    [place] = await ground.scene.rows("SELECT done_to, tries FROM mail_place")
    assert (place["done_to"], place["tries"]) == (9, 0)


async def test_a_mail_whose_proof_must_wait_lets_the_others_pass(ground: Stand) -> None:
    box = FakeBox({1: proven("a"), 2: mail(alert("b"))})
    watch = watcher(ground, box)
    ground.zone.down = True
    await watch.look(box)
    assert await ground.verdicts() == [("refused", "no-proof")]
    assert box.seen == [2]
    ground.zone.down = False
    await watch.look(box)
    assert box.fetched == [1, 2]  # too soon to try again
    ground.monotonic.now += AGAIN_S  # type: ignore[attr-defined]
    await watch.look(box)
    assert await ground.accepted() == ["a"]
    [place] = await ground.scene.rows("SELECT done_to FROM mail_place")
    assert place["done_to"] == 2


async def test_patience_with_a_proof_ends(ground: Stand) -> None:
    box = FakeBox({1: proven("a")})
    watch = watcher(ground, box, patience_s=100.0)
    ground.zone.down = True
    for _ in range(2):
        await watch.look(box)
        assert await ground.mails() == []
        ground.monotonic.now += 60  # type: ignore[attr-defined]
    await watch.look(box)
    assert await ground.verdicts() == [("refused", "proof-unavailable")]


async def test_a_mail_that_ends_the_connection_each_time_is_given_up(ground: Stand) -> None:
    box = FakeBox({1: proven("a"), 2: proven("b")}, poison={1})
    watch = watcher(ground, box)
    for _ in range(MOST_TRIES):
        with pytest.raises(BoxLost):
            await watch.look(box)
    await watch.look(box)
    assert await ground.verdicts() == [("refused", "broken"), ("taken", "")]


async def test_a_fault_of_our_own_costs_one_mail(ground: Stand) -> None:
    accept = ground.scene.intake.accept

    async def stumbling(raw: bytes, authority: Authority, source: str) -> object:
        if b"bad" in raw:
            raise ZeroDivisionError
        return await accept(raw, authority, source)

    ground.taker._accept = stumbling  # type: ignore[assignment]
    box = FakeBox({1: proven("bad"), 2: proven("good")})
    await watcher(ground, box).look(box)
    assert await ground.verdicts() == [("refused", "broken"), ("taken", "")]


async def test_without_the_store_nothing_is_marked_seen_and_nothing_lost(ground: Stand) -> None:
    accept, calls = ground.scene.intake.accept, []

    async def down_once(raw: bytes, authority: Authority, source: str) -> object:
        calls.append(raw)
        if len(calls) == 1:
            raise StoreUnavailable("no")
        return await accept(raw, authority, source)

    ground.taker._accept = down_once  # type: ignore[assignment]
    box = FakeBox({1: proven("a")})
    watch = watcher(ground, box)
    with pytest.raises(StoreUnavailable):
        await watch.look(box)
    assert (box.seen, await ground.mails()) == ([], [])
    await watch.look(box)
    assert (box.seen, await ground.accepted()) == ([1], ["a"])


async def test_a_verdict_without_its_flag_gets_the_flag_later(ground: Stand) -> None:
    box = FakeBox({1: proven("a"), 2: proven("b")})
    watch = watcher(ground, box)
    ground.zone.down = True
    await watch.look(box)  # both wait, so that done_to stays
    ground.zone.down = False
    async with ground.scene.connected() as connection:
        await connection.execute(
            "INSERT INTO mail (mailbox, uid_validity, uid, sha256, bytes, verdict) "
            "VALUES ('alerts', 77, 2, $1, 1, 'refused')",
            b"x" * 32,
        )
    await watch.look(box)
    assert box.seen == [2]


async def test_a_mail_that_vanished_and_a_new_numbering(ground: Stand) -> None:
    box = FakeBox({1: proven("a"), 2: proven("b")}, gone={2})
    watch = watcher(ground, box)
    await watch.look(box)
    assert await ground.verdicts() == [("taken", "")]
    box.validity, box.gone = 78, set()
    await watch.look(box)
    assert await ground.verdicts() == [("taken", ""), ("repeated", ""), ("taken", "")]
    assert await ground.accepted() == ["a", "b"]


async def test_it_comes_back_after_every_loss_and_rests_while_another_node_leads(ground: Stand) -> None:
    box = FakeBox({1: proven("a")}, lost_after=1)
    leading = [True]
    watch = ground.watcher(box_settings(backoff_max_s=0.1), box.opened, leads=lambda: leading[0])
    async with running(watch):
        await until(lambda: box.looks >= 3)
        leading[0] = False
        await until(lambda: not watch.up)
    assert await ground.accepted() == ["a"]

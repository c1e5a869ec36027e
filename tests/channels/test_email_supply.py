"""What is taken from the lane leaves as a mail, is refused, or comes again: nothing is lost between lane and link."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.channels.email_domains import Domains, DomainSettings
from gateway.channels.email_signing import Unsigned
from gateway.channels.email_supply import Supply
from gateway.channels.email_writer import Writer
from gateway.model import Delivery, Mode, Transport
from gateway.smtp.events import Result
from tests.channels.email_help import Queue, deliveries, email_settings, people
from tests.support.waiting import until

SLOW = DomainSettings(names=("slow.example",), max_per_s=20.0)


class Desk:
    """A supply over a queue, and what it said."""

    def __init__(self, items: list[Delivery], *known: DomainSettings, signer: Any = None) -> None:
        self.queue = Queue(items)
        self.refused: list[tuple[str, str]] = []
        self.later: list[tuple[Delivery, float]] = []
        self.woken = 0
        self.supply = Supply(
            work=self.queue,
            writer=Writer(email_settings().identity()),
            transport=Transport.SIMULATED,
            domains=Domains(known, None, asyncio.get_running_loop().time()),
            signer=signer,
            refuse=self.refuse,
            later=lambda delivery, wait_s: self.later.append((delivery, wait_s)),
            wake=self.wake,
        )

    def refuse(self, delivery: Delivery, result: Result, detail: str) -> None:
        self.refused.append((delivery.address, detail))

    def wake(self) -> None:
        self.woken += 1


async def test_no_more_than_asked_for_is_taken() -> None:
    desk = Desk(deliveries(people(10)))
    envelopes, moved = desk.supply.take(4, 0)
    assert [envelope.recipients for envelope in envelopes] == [(name.encode(),) for name in people(4)]
    assert (moved, desk.queue.taken) == (4, 4)


async def test_a_slow_domain_leaves_its_place_to_the_others() -> None:
    slow = [f"u{number}@slow.example" for number in range(50)]
    desk = Desk(deliveries([*slow, *people(10)]), SLOW)
    envelopes, moved = desk.supply.take(10, 0)
    names = [envelope.recipients[0].decode() for envelope in envelopes]
    assert [name for name in names if not name.endswith("@slow.example")] == people(8)[: len(names) - 2]
    assert moved == desk.queue.taken
    assert moved == len(envelopes) + desk.supply.held + len(desk.later)


async def test_who_waited_for_a_domain_goes_by_itself() -> None:
    desk = Desk(deliveries([f"u{number}@slow.example" for number in range(4)]), SLOW)
    gone = len(desk.supply.take(10, 0)[0])
    while gone < 4:
        before = desk.woken
        await until(lambda before=before: desk.woken > before)
        gone += len(desk.supply.take(10, 0)[0])
    assert (desk.supply.held, desk.later) == (0, [])


async def test_what_waits_comes_again_when_it_is_taken_back() -> None:
    desk = Desk(deliveries([f"u{number}@slow.example" for number in range(6)]), SLOW)
    went = len(desk.supply.take(10, 0)[0])
    desk.supply.take_back(lambda _: True)
    assert len(desk.later) == 6 - went
    assert {wait_s for _, wait_s in desk.later} == {0.0}


async def test_an_address_that_is_none_and_a_mode_that_may_not_leave_are_refused_here() -> None:
    desk = Desk([*deliveries(["nobody"]), *deliveries(["live@example.net"], mode=Mode.LIVE)])
    assert desk.supply.take(5, 0) == ([], 2)
    assert [name for name, _ in desk.refused] == ["nobody", "live@example.net"]


class Pen:
    """A signer that waits until it is let go, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.batches: list[int] = []
        self.error = error

    async def sign(self, mails: Sequence[Unsigned], now_s: int) -> list[bytes]:
        self.batches.append(len(mails))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [b"DKIM-Signature: x\r\n" for _ in mails]

    def close(self) -> None:
        """Nothing runs."""


async def test_mails_are_signed_in_bounded_batches_before_they_go() -> None:
    pen = Pen()
    desk = Desk(deliveries(people(1000)), signer=pen)
    for _ in range(10):
        assert desk.supply.take(50, 0)[0] == []
        await asyncio.sleep(0)
    assert (sum(pen.batches), desk.supply.held) == (400, 400)
    pen.go.set()
    await until(lambda: desk.woken >= 4)
    envelopes, _ = desk.supply.take(50, 0)
    assert len(envelopes) == 50
    assert {envelope.content[0].partition(b"\r\n")[0] for envelope in envelopes} == {b"DKIM-Signature: x"}


async def test_what_is_being_signed_can_be_taken_back() -> None:
    pen = Pen()
    desk = Desk(deliveries(people(10)), signer=pen)
    desk.supply.take(10, 0)
    desk.supply.take_back(lambda one: one.seq <= 4)
    pen.go.set()
    await until(lambda: desk.woken == 1)
    desk.supply.take_back(lambda one: one.seq <= 6)
    assert [one.seq for one, _ in desk.later] == [1, 2, 3, 4, 5, 6]
    assert [one.ticket.seq for one in desk.supply.take(10, 0)[0]] == [7, 8, 9, 10]
    assert desk.supply.held == 0


async def test_a_fault_of_signing_keeps_nobody_from_being_told() -> None:
    pen = Pen(ValueError("a fault"))
    pen.go.set()
    desk = Desk(deliveries(people(3)), signer=pen)
    desk.supply.take(10, 0)
    await until(lambda: desk.woken == 1)
    envelopes, _ = desk.supply.take(10, 0)
    assert [envelope.content[0][:4] for envelope in envelopes] == [b"To: "] * 3

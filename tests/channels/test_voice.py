"""The voice channel with an imagined driver: what may leave, lines, permits, withdrawal, and how it stops."""

import asyncio
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from gateway.channels.base import Channel
from gateway.channels.voice import AHEAD, HELD_READY_S, Attempt, LocalGate, VoiceChannel, VoiceMeters
from gateway.channels.voice_driver import Call, Leave, Placed, Report, VoiceDriver
from gateway.channels.voice_outcomes import CallEnd
from gateway.channels.voice_rest import RestDriver
from gateway.model import Delivery, Lease, Mode, OutcomeKind, Receipt, ReceiptKind, Transport
from gateway.policy.breaker import Breaker, BreakerRules
from gateway.policy.pacing import CeilingPacer
from gateway.simulators.voice import VoiceSimulator
from tests.channels.voice_line import Queue, Tracking, delivery, running, trunk, voice
from tests.support.clock import run_ahead
from tests.support.waiting import until

Answer = Callable[[Call], Awaitable[Placed]]


async def accept(call: Call) -> Placed:
    return Placed(OutcomeKind.ACCEPTED, f"id{call.to}", 201)


async def never(_: Call) -> Placed:
    await asyncio.Event().wait()
    raise AssertionError


class FakeDriver:
    """Asks to leave, then answers as it was told."""

    provider = "fake"

    def __init__(self, answer: Answer = accept) -> None:
        self.answer = answer
        self.left: list[Call] = []
        self.hung_up: list[str] = []
        self.machines: list[str] = []
        self.forgotten: list[str] = []
        self.followed: list[tuple[str, float]] = []
        self.is_open = False
        self.report: Report | None = None
        self.watching = asyncio.Event()

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def place(self, call: Call, leave: Leave) -> Placed:
        if not await leave():
            return Placed(OutcomeKind.UNSENT)
        self.left.append(call)
        return await self.answer(call)

    async def watch(self, report: Report) -> None:
        self.report = report
        self.watching.set()
        await asyncio.Event().wait()

    def follow(self, call_id: str, text: str, needed_s: float) -> None:
        self.followed.append((call_id, needed_s))

    def forget(self, call_id: str) -> None:
        self.forgotten.append(call_id)

    def up(self) -> dict[str, bool]:
        return {"voice fake": True}

    async def to_machine(self, call_id: str) -> None:
        self.machines.append(call_id)

    async def hang_up(self, call_id: str) -> bool:
        self.hung_up.append(call_id)
        return True


class OpenGate:
    """A permit for everybody, or one for each `allow`."""

    def __init__(self, permits: int | None = None) -> None:
        self._permits = asyncio.Semaphore(permits) if permits is not None else None
        self.asked = 0

    def allow(self, permits: int = 1) -> None:
        assert self._permits is not None
        for _ in range(permits):
            self._permits.release()

    async def permit(self, to: str = "", wanted: Callable[[], bool] = lambda: True) -> float | None:
        self.asked += 1
        if self._permits is not None:
            await self._permits.acquire()
        return 0.0


class ClosedGate:
    async def permit(self, to: str = "", wanted: Callable[[], bool] = lambda: True) -> float | None:
        return None


def channel(driver: VoiceDriver, gate: object = None, **changes: object) -> VoiceChannel:
    """A channel on simulated transports; `lines` and `drain_s` are settings."""
    settings = {key: changes.pop(key) for key in ("max_concurrent_calls", "drain_s") if key in changes}
    return VoiceChannel(
        transport=Transport.SIMULATED,
        settings=voice(**settings),
        driver=driver,
        gate=gate or OpenGate(),  # type: ignore[arg-type]
        **changes,  # type: ignore[arg-type]
    )


async def test_a_delivery_is_called_and_its_end_becomes_a_receipt() -> None:
    driver, tracking = FakeDriver(), Tracking()
    voice_channel: Channel = channel(driver)
    assert voice_channel.able()
    async with running(voice_channel, Queue([delivery()]), tracking):  # type: ignore[arg-type]
        await tracking.until(outcomes=1)
        assert driver.report is not None
        await driver.report(CallEnd("id+3222345670", "busy", sip_code=486))
    (outcome,) = tracking.outcomes
    assert (outcome.kind, outcome.message_ids, outcome.provider) == (OutcomeKind.ACCEPTED, ("id+3222345670",), "fake")
    assert tracking.receipts == [Receipt("fake", "id+3222345670", ReceiptKind.RETRY, 486, "busy")]
    assert not driver.is_open


@pytest.mark.parametrize(
    ("refused", "detail"),
    [
        (delivery(mode=Mode.LIVE), "mode"),
        (delivery(mode=Mode.LIVE, transport=Transport.LIVE), "mode"),
        (delivery(mode=Mode.TEST, transport=Transport.LIVE), "mode"),
        (delivery(expires_in_s=-1), "expired"),
        (delivery("3222345670"), "invalid number"),
        (delivery("+32 2 234 56 70"), "invalid number"),
        (delivery("+3222345670\r\nX: y"), "invalid number"),
    ],
)
async def test_what_may_not_leave_is_failed_with_its_reason_and_costs_no_permit(refused: Delivery, detail: str) -> None:
    driver, gate, tracking = FakeDriver(), OpenGate(), Tracking()
    async with running(channel(driver, gate), Queue([refused]), tracking):
        await tracking.until(outcomes=1)
    assert [(outcome.kind, outcome.detail) for outcome in tracking.outcomes] == [(OutcomeKind.FAILED, detail)]
    assert (driver.left, gate.asked) == ([], 0)


async def test_a_text_that_expires_while_it_waits_for_its_permit_is_not_started() -> None:
    driver, gate, tracking = FakeDriver(), OpenGate(0), Tracking()
    late = delivery()
    early = late.text.expires_at.replace(year=2000)
    times = iter([early, early, late.text.expires_at])  # when it is taken, before its permit, after it
    async with running(channel(driver, gate, utcnow=lambda: next(times)), Queue([late]), tracking):
        await until(lambda: gate.asked)
        gate.allow()
        await tracking.until(outcomes=1)
    assert (tracking.outcomes[0].kind, tracking.outcomes[0].detail) == (OutcomeKind.FAILED, "expired")
    assert driver.left == []


async def test_a_node_whose_lease_is_past_writes_nothing() -> None:
    def past(_: Lease) -> bool:
        return False

    driver, tracking = FakeDriver(), Tracking()
    async with running(channel(driver, fence=past), Queue([delivery()]), tracking):
        await tracking.until(outcomes=1)
    assert (tracking.outcomes[0].kind, tracking.outcomes[0].detail) == (OutcomeKind.UNSENT, "lease")
    assert driver.left == []


async def test_a_closed_gate_sends_the_delivery_back() -> None:
    driver, tracking = FakeDriver(), Tracking()
    async with running(channel(driver, ClosedGate()), Queue([delivery()]), tracking):
        await tracking.until(outcomes=1)
    assert (tracking.outcomes[0].kind, tracking.outcomes[0].detail) == (OutcomeKind.UNSENT, "gate closed")


async def test_no_more_calls_than_lines_and_a_line_is_free_when_its_call_ended() -> None:
    driver, tracking = FakeDriver(), Tracking()
    work = Queue([delivery(f"+322234567{n}", seq=n) for n in range(5)])
    line = channel(driver, max_concurrent_calls=2)
    async with running(line, work, tracking):
        await tracking.until(outcomes=2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (len(driver.left), line.in_flight, len(work.taken)) == (2, 2, 2)
        line.settled("id+3222345670")
        await tracking.until(outcomes=3)
        assert line.in_flight == 2
    assert driver.forgotten == ["id+3222345670"]


async def test_a_machine_is_spoken_to_over_the_trunk_that_has_the_call() -> None:
    driver, tracking = FakeDriver(), Tracking()
    line = channel(driver)
    async with running(line, Queue([delivery()]), tracking):
        await tracking.until(outcomes=1)
        for call_id in ("of another trunk", "id+3222345670"):
            await line.to_machine(call_id)
        assert driver.machines == ["id+3222345670"]


async def test_an_end_that_is_heard_of_before_the_answer_to_the_start_frees_the_line_too() -> None:
    answered = asyncio.Event()

    async def slowly(call: Call) -> Placed:
        await answered.wait()
        return await accept(call)

    driver, tracking = FakeDriver(slowly), Tracking()
    line = channel(driver)
    async with running(line, Queue([delivery()]), tracking):
        await until(lambda: driver.left)
        line.settled("id+3222345670")
        answered.set()
        await tracking.until(outcomes=1)
        await until(lambda: line.in_flight == 0)


async def test_a_call_of_an_earlier_process_is_watched_withdrawn_and_takes_no_line() -> None:
    driver, tracking = FakeDriver(), Tracking()
    line = channel(driver, max_concurrent_calls=1)
    for _ in range(2):
        line.adopt("old", 7, "x" * 120)
    async with running(line, Queue([delivery(campaign=8)]), tracking):
        await tracking.until(outcomes=1)
        assert (driver.followed, line.in_flight) == ([("old", 10.0)], 2)
        await line.withdraw(7)
        assert driver.hung_up == ["old"]
        assert driver.report is not None
        await driver.report(CallEnd("old", "canceled"))
        assert line.in_flight == 1
        line.settled("id+3222345670")
        assert line.in_flight == 0


async def test_only_a_few_deliveries_are_taken_ahead_of_their_permits() -> None:
    driver, gate, tracking = FakeDriver(), OpenGate(0), Tracking()
    work = Queue([delivery(f"+32223456{n:02d}", seq=n) for n in range(20)])
    async with running(channel(driver, gate), work, tracking):
        await until(lambda: gate.asked == AHEAD)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(work.taken) == AHEAD
        gate.allow(2)
        await tracking.until(outcomes=2)
        await until(lambda: len(work.taken) == AHEAD + 2)
    assert tracking.kinds() == [OutcomeKind.ACCEPTED] * 2 + [OutcomeKind.UNSENT] * AHEAD


async def test_withdrawing_drops_what_waits_and_hangs_up_what_is_open() -> None:
    driver, gate, tracking = FakeDriver(), OpenGate(1), Tracking()
    work = Queue([delivery(seq=0), delivery("+3222345671", seq=1), delivery("+3222345672", seq=2, campaign=8)])
    line = channel(driver, gate)
    async with running(line, work, tracking):
        await tracking.until(outcomes=1)
        await until(lambda: gate.asked == 3)
        await line.withdraw(7)
        await tracking.until(outcomes=2)
        gate.allow()
        await tracking.until(outcomes=3)
    assert [(o.delivery.address[-1], o.kind, o.detail) for o in tracking.outcomes] == [
        ("0", OutcomeKind.ACCEPTED, ""),
        ("1", OutcomeKind.UNSENT, "withdrawn"),
        ("2", OutcomeKind.ACCEPTED, ""),
    ]
    assert driver.hung_up == ["id+3222345670"]


async def test_a_call_withdrawn_while_its_start_is_answered_is_hung_up_then() -> None:
    answered = asyncio.Event()

    async def slowly(call: Call) -> Placed:
        await answered.wait()
        return await accept(call)

    driver, tracking = FakeDriver(slowly), Tracking()
    line = channel(driver)
    async with running(line, Queue([delivery()]), tracking):
        await until(lambda: driver.left)
        await line.withdraw(7)
        assert driver.hung_up == []
        answered.set()
        await until(lambda: driver.hung_up == ["id+3222345670"])
    assert tracking.kinds() == [OutcomeKind.ACCEPTED]


async def test_a_stopping_channel_waits_for_answers_and_gives_back_what_has_not_left() -> None:
    answered = asyncio.Event()

    async def slowly(call: Call) -> Placed:
        await answered.wait()
        return await accept(call)

    driver, gate, tracking = FakeDriver(slowly), OpenGate(1), Tracking()
    work = Queue([delivery(seq=0), delivery("+3222345671", seq=1)])
    task = asyncio.create_task(channel(driver, gate).run(work, tracking.emit))
    await until(lambda: driver.left and gate.asked == 2)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {o.delivery.seq: o.kind for o in tracking.outcomes} == {0: OutcomeKind.ACCEPTED, 1: OutcomeKind.UNSENT}


async def test_a_call_that_is_never_answered_for_is_unknown_in_the_end() -> None:
    driver, tracking = FakeDriver(never), Tracking()
    async with running(channel(driver, drain_s=0.0), Queue([delivery()]), tracking):
        await until(lambda: driver.left)
    assert tracking.kinds() == [OutcomeKind.UNKNOWN]


async def test_a_trunk_that_refuses_for_speed_rests_as_long_as_it_asked_for() -> None:
    now = [0.0]

    async def throttle(_: Call) -> Placed:
        return Placed(OutcomeKind.RETRY, code=429, retry_after_s=0.05, trunk=True)

    driver, gate, tracking = FakeDriver(throttle), OpenGate(1), Tracking()
    work = Queue([delivery()])
    async with running(channel(driver, gate, clock=lambda: now[0]), work, tracking):
        await tracking.until(outcomes=1)
        work.put(delivery("+3222345671"))
        gate.allow()
        await asyncio.sleep(0.06)
        assert len(driver.left) == 1
        now[0] = 0.06
        await tracking.until(outcomes=2)
    assert (tracking.outcomes[0].retry_after_s, tracking.outcomes[0].code) == (0.05, 429)


@pytest.mark.parametrize(("kind", "code", "detail", "trunk"), [
    (OutcomeKind.RETRY, 486, "busy", False), (OutcomeKind.RETRY, 503, "congestion", True),
    (OutcomeKind.FAILED, 403, "rejected", False), (OutcomeKind.FAILED, 402, "failed", False),
    (OutcomeKind.FAILED, 488, "not acceptable", False), (OutcomeKind.FAILED, 400, "refused", False),
])  # fmt: skip
async def test_a_wave_of_refusals_opens_the_breaker_and_costs_nobody_an_attempt_any_more(
    kind: OutcomeKind, code: int, detail: str, trunk: bool
) -> None:
    waves = [True]

    async def answer(call: Call) -> Placed:
        if waves[0]:
            return Placed(kind, code=code, detail=detail, retry_after_s=0.001, trunk=trunk)
        return await accept(call)

    driver, tracking = FakeDriver(answer), Tracking()
    rules = BreakerRules(calls=5, share=0.8, first_s=0.02, max_s=0.05, probes=2)
    work = Queue([delivery(seq=n) for n in range(8)])
    async with running(channel(driver, breaker=Breaker(rules)), work, tracking):
        await tracking.until(outcomes=8)
        waves[0] = False
        work.put(*[delivery(seq=n) for n in range(8, 12)])
        await tracking.until(outcomes=12)
    kinds = tracking.kinds()
    assert kinds[:4] == [kind] * 4  # until there is a wave, busy is busy
    assert kinds[4:] == [OutcomeKind.UNSENT] * 4 + [OutcomeKind.ACCEPTED] * 4


async def test_a_call_that_is_ready_is_let_go_when_its_trunk_rests_for_long() -> None:
    ready = list[str]()
    congested = asyncio.Event()

    class Careful(FakeDriver):
        async def place(self, call: Call, leave: Leave) -> Placed:
            ready.append(call.to[-1])
            if call.to[-1] == "1":
                await congested.wait()
            return await super().place(call, leave)

    async def answer(call: Call) -> Placed:
        if call.to[-1] == "0":
            await until(lambda: "1" in ready)
            congested.set()
            return Placed(OutcomeKind.RETRY, code=429, retry_after_s=HELD_READY_S + 1, trunk=True)
        return await accept(call)

    driver, tracking = Careful(answer), Tracking()
    work = Queue([delivery("+3222345670"), delivery("+3222345671", seq=2)])
    async with running(channel(driver, clock=lambda: 0.0), work, tracking):
        await tracking.until(outcomes=2)
        assert {(o.delivery.seq, o.kind, o.detail) for o in tracking.outcomes} == {
            (1, OutcomeKind.RETRY, ""), (2, OutcomeKind.UNSENT, "trunk rests"),
        }  # fmt: skip
        work.put(delivery("+3222345672", seq=3))
        await until(lambda: len(work.taken) == 3)
        assert ready == ["0", "1"]  # the third is not made ready before the trunk has rested


async def test_busy_people_among_others_are_their_own_attempts() -> None:
    async def answer(call: Call) -> Placed:
        return Placed(OutcomeKind.RETRY, code=486, detail="busy") if int(call.to[-1]) % 2 else await accept(call)

    driver, tracking = FakeDriver(answer), Tracking()
    line = channel(driver, breaker=Breaker(BreakerRules(calls=4)), max_concurrent_calls=100)
    work = Queue([delivery(f"+3222345{n:03}", seq=n) for n in range(40)])
    async with running(line, work, tracking):
        for n in range(40):
            await tracking.until(outcomes=n + 1)
            if n % 2 == 0:
                line.settled(f"id+3222345{n:03}")
    assert tracking.kinds().count(OutcomeKind.RETRY) == 20


async def test_a_wave_of_numbers_that_do_not_exist_is_no_fault_of_the_trunk() -> None:
    async def answer(_: Call) -> Placed:
        return Placed(OutcomeKind.FAILED, code=404, detail="invalid number")

    driver, tracking = FakeDriver(answer), Tracking()
    work = Queue([delivery(seq=n) for n in range(20)])
    async with running(channel(driver, breaker=Breaker(BreakerRules(calls=5))), work, tracking):
        await tracking.until(outcomes=20)
    assert tracking.kinds() == [OutcomeKind.FAILED] * 20


async def test_a_trunk_has_no_more_lines_than_its_own() -> None:
    driver, tracking = FakeDriver(), Tracking()
    work = Queue([delivery(f"+3222345{n:03}", seq=n) for n in range(9)])
    async with running(channel(driver, lines=2), work, tracking):
        await tracking.until(outcomes=2)
        await asyncio.sleep(0.02)
        assert len(driver.left) == 2


async def test_a_gate_is_told_who_is_called() -> None:
    asked: list[str] = []

    class Listening:
        async def permit(self, to: str = "", wanted: Callable[[], bool] = lambda: True) -> float | None:
            asked.append(to)
            return 0.0

    tracking = Tracking()
    async with running(channel(FakeDriver(), Listening()), Queue([delivery("+3222345678")]), tracking):
        await tracking.until(outcomes=1)
    assert asked == ["+3222345678"]


async def test_the_meters_hear_of_every_start_and_of_the_calls_in_flight() -> None:
    started: list[str] = []
    in_flight: list[int] = []
    driver, tracking = FakeDriver(), Tracking()
    line = channel(driver, meters=VoiceMeters(started=started.append, in_flight=in_flight.append))
    async with running(line, Queue([delivery(), delivery("+3222345671", seq=2)]), tracking):
        await tracking.until(outcomes=2)
        for number in "01":
            line.settled(f"id+322234567{number}")
    assert started == ["fake", "fake"]
    assert (max(in_flight), in_flight[-1]) == (2, 0)


async def test_a_fault_of_the_program_stops_the_channel_and_loses_no_delivery() -> None:
    async def bug(_: Call) -> Placed:
        raise KeyError("bug")

    driver, tracking = FakeDriver(bug), Tracking()
    with pytest.raises(ExceptionGroup):
        await channel(driver).run(Queue([delivery()]), tracking.emit)
    assert tracking.kinds() == [OutcomeKind.UNKNOWN]
    assert not driver.is_open


@pytest.mark.parametrize("seed", range(40))
async def test_every_delivery_taken_gets_exactly_one_outcome_whatever_happens(seed: int) -> None:
    random = Random(seed)

    async def answer(call: Call) -> Placed:
        for _ in range(random.randrange(12)):
            await asyncio.sleep(0)
        kind = random.choice(list(OutcomeKind))
        return Placed(kind, f"id{call.to}" if kind is OutcomeKind.ACCEPTED else "", 200)

    class SlowTracking(Tracking):
        async def emit(self, batch: object) -> None:
            for _ in range(random.randrange(8)):
                await asyncio.sleep(0)
            await super().emit(batch)  # type: ignore[arg-type]

    driver, gate, tracking = FakeDriver(answer), OpenGate(0), SlowTracking()
    work = Queue([delivery(f"+32223456{n:02d}", seq=n, campaign=n % 3) for n in range(30)])
    line = channel(driver, gate, drain_s=0.0, max_concurrent_calls=random.choice([2, 5, 50]))
    task = asyncio.create_task(line.run(work, tracking.emit))
    for _ in range(random.randrange(10, 120)):
        await asyncio.sleep(0)
        match random.randrange(6):
            case 0 | 1 | 2:
                gate.allow()
            case 3 if random.random() < 0.2:
                await line.withdraw(random.randrange(3))
            case 4 if driver.left:
                line.settled(f"id{random.choice(driver.left).to}")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    answered = {outcome.delivery.seq: outcome for outcome in tracking.outcomes}
    assert set(answered) == {taken.seq for taken in work.taken}
    assert all(
        outcomes[0] == outcomes[-1]
        for seq in answered
        if (outcomes := [outcome for outcome in tracking.outcomes if outcome.delivery.seq == seq])
    )
    left = {call.to for call in driver.left}
    assert all(
        (outcome.delivery.address in left) or outcome.kind is OutcomeKind.UNSENT for outcome in tracking.outcomes
    )


async def test_a_lone_node_s_gate_gives_permits_in_order_on_the_grid() -> None:
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    gate = LocalGate(CeilingPacer(600), lambda: now[0], sleep)
    permits = [await gate.permit() for _ in range(50)]
    gaps = {round(b - a, 4) for a, b in itertools.pairwise(permits) if a is not None and b is not None}
    assert gaps == {0.1003}


class SlowDriver(FakeDriver):
    """Makes ready slowly, and answers slowly; remembers when each call left."""

    def __init__(self, ready_s: float, answer_s: float) -> None:
        super().__init__(self._slowly)
        self.ready_s, self.answer_s = ready_s, answer_s
        self.starts: list[float] = []
        self._dice = Random(5)

    async def place(self, call: Call, leave: Leave) -> Placed:
        await asyncio.sleep(self.ready_s * self._dice.random())
        return await super().place(call, leave)

    async def _slowly(self, call: Call) -> Placed:
        self.starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.answer_s * self._dice.expovariate(1.0))
        return await accept(call)


@pytest.mark.parametrize(("ready_s", "answer_s"), [(0.0, 0.0), (0.2, 0.41), (0.3, 2.0)])
def test_a_backlog_gets_597_to_600_starts_in_every_minute_though_provider_and_campaigns_come_and_go(
    ready_s: float, answer_s: float
) -> None:
    """Calls are made ready and answered slowly; in the middle one campaign expires and another is withdrawn."""
    driver, tracking, began = SlowDriver(ready_s, answer_s), Tracking(), datetime.now(UTC)

    async def calling() -> None:
        loop = asyncio.get_running_loop()
        gate = LocalGate(CeilingPacer(), loop.time)
        clocks = {"clock": loop.time, "utcnow": lambda: began + timedelta(seconds=loop.time())}
        line = channel(driver, gate, max_concurrent_calls=5_000, drain_s=0, **clocks)
        mixed = [delivery(f"+3222{n:06d}", seq=n, campaign=n // 8 % 3, expires_in_s=(9e4, 75.75, 9e4)[n // 8 % 3])
                 for n in range(4_000)]  # fmt: skip
        async with running(line, Queue(mixed), tracking):
            await asyncio.sleep(110)
            await line.withdraw(2)
            await asyncio.sleep(70)

    run_ahead(calling())
    starts = [at for at in driver.starts if at <= 180.0]
    begins = [at for at in starts if at + 60.0 <= 180.0] + [120.0]
    assert max(bisect_right(starts, at + 60.0) - i for i, at in enumerate(starts)) <= 600
    assert min(bisect_right(starts, at + 60.0) - bisect_left(starts, at) for at in begins) >= 597
    assert {outcome.detail for outcome in tracking.outcomes} >= {"expired", "withdrawn"}


@pytest.mark.long
async def test_600_starts_a_minute_are_never_exceeded_and_597_reached_by_two_campaigns_on_two_channels() -> None:
    gate, tracking = LocalGate(CeilingPacer()), Tracking()
    async with VoiceSimulator(time_scale=60.0) as simulator:
        settings, line = voice(), trunk(simulator.url)
        lines = [
            VoiceChannel(transport=Transport.SIMULATED, settings=settings, driver=RestDriver(line, settings), gate=gate)
            for _ in range(2)
        ]
        works = [
            Queue([delivery(f"+32223{campaign}{n:04d}", seq=n, campaign=campaign) for n in range(600)])
            for campaign in (1, 2)
        ]
        async with running(lines[0], works[0], tracking), running(lines[1], works[1], tracking):
            await asyncio.sleep(75)
        starts = simulator.starts()
    fullest = max(bisect_right(starts, at + 60) - i for i, at in enumerate(starts))
    minutes = [bisect_right(starts, starts[0] + at + 60) - bisect_right(starts, starts[0] + at) for at in (1, 7, 13)]
    assert fullest <= 600
    assert min(minutes) >= 597


def test_an_attempt_is_unsent_until_it_leaves() -> None:
    assert Attempt(delivery=delivery()).refusal[0] is OutcomeKind.UNSENT

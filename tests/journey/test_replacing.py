"""Update and Cancel that come while an alert is being sent: what stops, and who is told."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.support.line import CENTRE, Line, cap, now, people, reference, whole_line
from tests.support.waiting import awake, stretched, until, watching_stalls

RATE = 150
IN_FLIGHT = RATE // 2 + 200  # marked ahead, and two windows
ELSEWHERE = (CENTRE[0], CENTRE[1] - 0.006)
THERE = f"<circle>{ELSEWHERE[1]},{ELSEWHERE[0]} 0.1</circle>"


async def half_sent(line: Line, words: str, identifier: str) -> tuple[str, str]:
    """A campaign of which some, and not all, has left: its name, and how to refer to its alert."""
    sent = now()
    name = await line.post(cap(identifier, words=words, sent=sent, channels="sms"))
    await until(lambda: len(line.said("sms", words)) >= RATE)
    return name, reference(identifier, sent)


def last_of(line: Line, words: str) -> float:
    """When the last message with these words arrived (seconds since 1970)."""
    return max(record.at for record in line.said("sms", words))


def reached(line: Line, words: str) -> set[str]:
    """Who got these words; it has to be once each."""
    numbers = [record.to for record in line.said("sms", words)]
    assert len(numbers) == len(set(numbers))
    return set(numbers)


async def test_an_update_stops_the_old_text_and_tells_those_reached_and_the_new_targets(pg: Cluster) -> None:
    """The rest of the old area hears of neither."""
    near, there = people(1200), people(40, first=5000, at=ELSEWHERE)
    settings = {"rate_per_s": RATE}
    async with whole_line(pg, [*near, *there], sms=settings) as line, watching_stalls() as stalls:
        old, referred = await half_sent(line, "Old words", "one")
        update = cap("two", words="New words", msg_type="Update", references=referred, area=THERE, channels="sms")
        new = await line.post(update)
        accepted, stood_s = time.time(), stalls.total_s
        assert (await line.closed(old))["closure"] == "stopped"
        await line.closed(new)
        assert last_of(line, "Old words") <= accepted + stretched(2.0) + stalls.total_s - stood_s
        told, before = reached(line, "New words"), reached(line, "Old words")
        new_targets = {citizen.mobile for citizen in there}
        assert before | new_targets <= told
        assert len(told - before - new_targets) <= IN_FLIGHT
        assert len(before) < len(near) / 2
        ends = await line.states(old)
        assert {ends["sms", number] for number in before} == {DeliveryState.DELIVERED}
        assert {ends["sms", number] for number in {c.mobile or "" for c in near} - before} == {DeliveryState.CANCELLED}


async def test_a_cancel_tells_only_those_reached_and_on_the_channels_used(pg: Cluster) -> None:
    """Nobody hears that a danger is over of which they never heard."""
    everybody = people(1200, by=("mobile", "email"))
    settings = {"rate_per_s": RATE}
    async with whole_line(pg, everybody, sms=settings) as line, watching_stalls() as stalls:
        old, referred = await half_sent(line, "Old words", "one")
        silent = cap("two", words="All clear", msg_type="Cancel", references=referred, channels="sms email", area="")
        new = await line.post(silent)
        accepted, stood_s = time.time(), stalls.total_s
        await line.closed(old)
        counts = (await line.closed(new))["channels"]
        assert last_of(line, "Old words") <= accepted + stretched(2.0) + stalls.total_s - stood_s
        told, before = reached(line, "All clear"), reached(line, "Old words")
        assert before <= told
        assert len(told - before) <= IN_FLIGHT
        assert not line.received("email")
        assert counts["sms"]["delivered"] == len(told)


async def test_those_of_unknown_end_are_told_too(pg: Cluster) -> None:
    """An SMSC that answers nothing may have delivered everything: the Cancel goes to them."""
    async with whole_line(pg, people(5), dispatch={"unknown_grace_s": 60}) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.drop_response_every = 1
        sent = now()
        old = await line.post(cap("one", words="Old words", sent=sent, channels="sms"))
        await until(lambda: len(line.said("sms", "Old words")) == 5)
        smsc.drop()
        while set((await line.states(old)).values()) != {DeliveryState.UNKNOWN}:
            await asyncio.sleep(0.05)
        smsc.behaviour.drop_response_every = 0
        cancel = cap("two", words="All clear", msg_type="Cancel", references=reference("one", sent), area="")
        await line.closed(await line.post(cancel))
        assert reached(line, "All clear") == reached(line, "Old words")
        assert set((await line.states(old)).values()) == {DeliveryState.UNKNOWN}


@pytest.mark.parametrize("act", ["pause", "stop"])
async def test_pause_and_stop_end_the_sending_within_two_seconds(pg: Cluster, act: str) -> None:
    """And what was paused goes on when it is resumed, to everybody, once."""
    async with whole_line(pg, people(900), sms={"rate_per_s": RATE}) as line:
        name, _ = await half_sent(line, "Words", "one")
        await line.act(name, act)
        asked, promise_s = time.time(), stretched(2.0)
        async with watching_stalls() as stalls:
            await awake(promise_s + 0.2)
            assert last_of(line, "Words") <= asked + promise_s + stalls.total_s
        halted = len(reached(line, "Words"))
        await asyncio.sleep(0.5)
        assert len(reached(line, "Words")) == halted
        if act == "pause":
            await line.act(name, "resume")
            async with watching_stalls() as stalls:
                waited_s = await until(lambda: len(line.said("sms", "Words")) > halted)
                assert waited_s - stalls.total_s <= stretched(2.0)
            counts = (await line.closed(name))["channels"]["sms"]
            assert counts["delivered"] == len(reached(line, "Words")) == 900
        else:
            closed = await line.closed(name)
            assert closed["closure"] == "stopped"
            assert closed["channels"]["sms"]["cancelled"] == 900 - halted


async def test_an_update_that_comes_before_its_alert_keeps_it_silent(pg: Cluster) -> None:
    """Messages that overtake each other on their way do not wake people twice."""
    async with whole_line(pg, people(5)) as line:
        sent = now()
        cancel = cap("two", words="All clear", msg_type="Cancel", references=reference("one", sent), area="")
        assert (await line.closed(await line.post(cancel)))["channels"].get("sms", {}).get("planned", 0) == 0
        late = await line.closed(await line.post(cap("one", sent=sent)))
        assert late["closure"] == "stopped"
        assert not line.received("sms")
        assert datetime.fromisoformat(late["expires"]) > datetime.now(UTC)

"""Relays that refuse, stop and strip: whoever can be told is told, whoever twice is on record, nothing in the clear."""

import asyncio
from collections import Counter
from typing import Any

from gateway.model import DeliveryState
from gateway.simulators.recorder import DELIVERED, FAILED, Outcomes
from gateway.simulators.smtp import SmtpBehaviour
from gateway.store.embedded import Cluster
from tests.support.line import Line, cap, people, running, scene
from tests.support.waiting import until

PEOPLE = 200
QUICK = {"unknown_grace_s": 0.5, "receipt_window_s": 3}
RETRY = {"email": {"first_s": 0.2, "max_s": 1, "max_attempts": 30}}


def relay(line: Line, **changes: Any) -> dict[str, Any]:
    """The settings of the live relay, changed."""
    at = line.simulators.smtp["live"]
    usual = {"name": "relay-live", "host": at.host, "port": at.port, "security": "none", "connections": 4}
    return usual | {"backoff_first_s": 0.05, "backoff_max_s": 0.2} | changes


async def ended(line: Line, outcomes: Outcomes | None = None, **email: Any) -> tuple[str, dict[str, int]]:
    """An urgent campaign by mail, and its counts at its end."""
    if outcomes is not None:
        line.simulators.smtp["live"].outcomes = outcomes
    async with running(line, email={"relays": [relay(line)], **email}, dispatch=QUICK, retry=RETRY):
        name = await line.post(cap("one", channels="email"))
        counts: dict[str, int] = (await line.closed(name, within_s=60))["channels"]["email"]
    return name, counts


async def test_refusals_of_every_kind_reach_everybody_who_can_be_reached_once(pg: Cluster) -> None:
    """4yz of the mailbox is tried again, 5yz is final, 421 moves the mail to another connection."""
    shares = {"failed": 0.1, "refused": 0.05, "retry_once": 0.3}
    outcomes = Outcomes(shares=shares, salt="relay")
    async with scene(pg, people(PEOPLE, by=("email",))) as line:
        line.simulators.smtp["live"].behaviour = SmtpBehaviour(messages=7)  # then 421
        _, counts = await ended(line, outcomes)
        final = {
            one for one in (f"p{n}@example.org" for n in range(PEOPLE)) if outcomes.decide(one) in {FAILED, "refused"}
        }
        arrived = Counter(record.to for record in line.received("email"))
    assert counts["failed"] == len(final) > 0
    assert set(arrived.values()) == {1}
    assert len(arrived) == PEOPLE - len(final)


async def test_a_connection_cut_after_the_final_dot_is_unknown_and_an_urgent_mail_goes_once_more(pg: Cluster) -> None:
    outcomes = Outcomes(shares={"cut": 0.1}, salt="cut", otherwise=DELIVERED)
    async with scene(pg, people(60, by=("email",))) as line:
        name, counts = await ended(line, outcomes)
        arrived = Counter(record.to for record in line.received("email"))
        flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
        states = {address: state for (_, address), state in (await line.states(name)).items()}
    cut = {one for one in arrived if outcomes.decide(one) == "cut"}
    assert len(arrived) == 60
    assert cut
    assert {one for one, times in arrived.items() if times > 1} == cut == flagged
    assert max(arrived.values()) == 2  # with the same Message-ID, by which a receiver may drop the second
    assert {states[one] for one in cut} == {DeliveryState.UNKNOWN}
    assert counts["unknown"] == len(cut)


async def test_a_relay_without_the_tls_that_is_demanded_gets_not_one_address(pg: Cluster) -> None:
    """What an attacker on the way makes of a relay with STARTTLS."""
    async with scene(pg, people(20, by=("email",))) as line:
        strict = [relay(line, security="starttls")]
        async with running(line, email={"relays": strict}, dispatch=QUICK, retry=RETRY) as node:
            name = await line.post(cap("one", channels="email"))
            await until(lambda: line.simulators.smtp["live"].connections > 0)
            async with asyncio.timeout(30):
                while len(await line.states(name)) < 20:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            assert node.channel_states()[0]["relay-live"] is False
            counts = (await line.campaign(name))["channels"]["email"]
            assert counts["queued"] + counts["in_flight"] == 20
            assert line.received("email") == []


async def test_a_relay_that_knows_no_extension_gets_everything_step_by_step(pg: Cluster) -> None:
    """No PIPELINING, no CHUNKING (never asked for), one command at a time."""
    async with scene(pg, people(60, by=("email",))) as line:
        line.simulators.smtp["live"].behaviour = SmtpBehaviour(pipelining=False)
        _, counts = await ended(line)
        assert Counter(record.to for record in line.received("email")).most_common(1)[0][1] == 1
        assert len(line.received("email")) == 60
    assert (counts["failed"], counts["unknown"]) == (0, 0)


async def test_a_ceiling_of_a_domain_is_kept_over_the_whole_line(pg: Cluster) -> None:
    """Those beyond it go back to the store and come again; nobody is lost, nobody is told twice."""
    async with scene(pg, people(40, by=("email",))) as line:
        _, counts = await ended(line, domains=[{"names": ["example.org"], "max_per_s": 20.0}])
        times = sorted(record.at for record in line.received("email"))
    assert len(times) == 40
    assert counts["failed"] == counts["unknown"] == 0
    assert all(later - earlier > 0.7 for earlier, later in zip(times, times[22:], strict=False))

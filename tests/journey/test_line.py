"""The whole line once: what was planned, counted, reported, measured and published agrees with what arrived."""

import asyncio
import re
from collections import Counter
from typing import Any

from gateway.simulators.recorder import Received
from gateway.simulators.sample import outcome_of, sample_alert
from gateway.store.embedded import Cluster
from gateway.store.registry import Citizen
from tests.support.line import Line, now, people, whole_line

RETRY = {"voice": {"first_s": 0.5, "max_s": 1, "max_attempts": 2}, "email": {"first_s": 0.5}}
SAID = {
    "nl": "Brand in een opslagplaats",
    "fr": "Incendie dans un entrepôt",
    "de": "Brand in einem Batterielager",
    "en": "Fire in a battery warehouse",
}
# endpoints that are told an outcome -> how their deliveries end; everybody else is delivered
SMS_ENDS = {"failed": "failed", "expired": "expired", "silent": "submitted", "refused": "failed"}
MAIL_ENDS = {"failed": "failed", "refused": "failed", "retry_once": "submitted"}
CALL_ENDS = {"failed": "failed", "busy": "failed", "confirmed": "delivered"}


def town() -> dict[str, list[Citizen]]:
    """People of four languages, by language: with a mobile, a mailbox, both, or nothing but a landline."""
    found = {}
    for number, language in enumerate(SAID):
        first = 1000 * number
        found[language] = [
            *people(40, first=first, language=language),
            *people(30, first=first + 100, by=("email",), language=language),
            *people(20, first=first + 200, by=("mobile", "email"), language=language),
            *people(5, first=first + 300, by=("landline",), language=language),
        ]
    return found


def tell(line: Line, everybody: list[Citizen]) -> dict[tuple[str, str], str]:
    """Agree some bad outcomes with the simulators: (channel, address) -> the state that they lead to."""
    mobiles = [p.mobile for p in everybody if p.mobile]
    mails = [p.email for p in everybody if p.email]
    landlines = [p.landline for p in everybody if p.landline]
    expected = {}
    for channel, addresses, ends, usual in (
        ("sms", mobiles, SMS_ENDS, "delivered"),
        ("email", mails, MAIL_ENDS, "submitted"),
        ("voice", landlines, CALL_ENDS, "delivered"),
    ):
        outcomes = line.simulators.smtp["live"].outcomes if channel == "email" else line.simulators.outcomes
        for number, address in enumerate(addresses):
            # every seventh gets the next of the bad outcomes
            word = list(ends)[number // 7 % len(ends)] if number % 7 == 3 else ""
            if word:
                outcomes.tell(address, word)
            expected[channel, address] = ends.get(word, usual) if word or outcome_of(address) != "failed" else "failed"
    return expected


async def metrics(line: Line) -> dict[str, float]:
    """The exposition as name{labels} -> value."""
    async with line.session.get(line.url + "/metrics") as answer:
        text = await answer.text()
    return {m[1]: float(m[2]) for m in re.finditer(r"^(gateway_[^ ]+) (\S+)$", text, re.MULTILINE)}


def whom(records: list[Received]) -> Counter[str]:
    return Counter(record.to for record in records)


async def test_everything_agrees_with_what_the_simulators_got(pg: Cluster) -> None:
    """People of four languages on three channels, some of whom can not be reached."""
    by_language = town()
    everybody = [person for group in by_language.values() for person in group]
    async with whole_line(pg, everybody, retry=RETRY, dispatch={"receipt_window_s": 4}) as line:
        expected = tell(line, everybody)
        raw = sample_alert(sent=now(), identifier="whole-line")
        name = await line.post(raw)
        seen = await line.closed(name)
        assert_arrivals(line, by_language, expected)
        counts = {
            channel: Counter(end for (c, _), end in expected.items() if c == channel) for channel in seen["channels"]
        }
        for channel, told in seen["channels"].items():
            assert {end: told[end] for end in counts[channel]} == counts[channel], channel
            assert told["planned"] == counts[channel].total()
        await assert_report(line, name, counts)
        await assert_metrics(line, counts)
        async with line.session.get(f"{line.url}/cap/alerts/{seen['alert']}.xml") as answer:
            assert await answer.read() == raw


def assert_arrivals(line: Line, by_language: dict[str, list[Citizen]], expected: dict[tuple[str, str], str]) -> None:
    """Everybody in their own language, once, in the campaign's mode."""
    language = {
        address: tongue
        for tongue, group in by_language.items()
        for person in group
        for address in (person.mobile, person.email, person.landline)
        if address
    }
    for channel in ("sms", "email", "voice"):
        records = line.received(channel)
        assert {record.mode for record in records} == {"live"}
        assert all(SAID[language[record.to]] in record.text for record in records if channel != "voice")
        planned = {address for c, address in expected if c == channel}
        assert set(whom(records)) <= planned
        good = {a for (c, a), end in expected.items() if c == channel and end in ("delivered", "submitted")}
        assert good <= set(whom(records))
        assert {whom(records)[address] for address in good} == {1}


async def assert_report(line: Line, name: str, counts: dict[str, Counter[str]]) -> None:
    """The final report says the same, has no doubt about itself, and stays as it is."""
    status, report = await line.ask("GET", f"/v1/campaigns/{name}/report")
    assert status == 200
    assert report["final"] is True
    assert report["closure"] == "complete"
    assert report["remarks"] == []
    for channel, told in counts.items():
        body: dict[str, Any] = report["channels"][channel]
        assert {end: body[end] for end in told} == told
        assert body["sent_again"] == 0
        assert {of: counted["planned"] > 0 for of, counted in body["languages"].items()} == dict.fromkeys(SAID, True)
    await asyncio.sleep(0.6)
    assert (await line.ask("GET", f"/v1/campaigns/{name}/report"))[1] == report


async def assert_metrics(line: Line, counts: dict[str, Counter[str]]) -> None:
    """/metrics counts what the simulators counted."""
    found, simulators = await metrics(line), line.simulators
    parts = sum(value for key, value in found.items() if key.startswith("gateway_sms_parts_submitted_total"))
    assert parts == simulators.smsc["live"].submits
    assert found['gateway_emails_accepted_total{relay="relay-live"}'] == simulators.smtp["live"].messages
    assert found['gateway_calls_started_total{trunk="voice-live"}'] == len(simulators.voice["live"].starts())
    assert found['gateway_alerts_total{verdict="accepted"}'] == 1
    for channel, told in counts.items():
        for end in ("delivered", "expired"):
            assert found[f'gateway_deliveries_total{{channel="{channel}",outcome="{end}"}}'] == told[end], (
                channel,
                end,
            )
    assert found['gateway_deliveries_total{channel="email",outcome="submitted"}'] == counts["email"]["submitted"]
    assert found["gateway_first_submit_seconds_count"] == 1
    assert all(value == 0 for key, value in found.items() if key.startswith("gateway_in_flight{"))

"""gateway simulate."""

import asyncio
import json
import os
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.simulate import KINDS, behaviour_of, shares_of
from gateway.simulators.smsc_behaviour import Behaviour
from gateway.simulators.smtp import SmtpBehaviour
from gateway.simulators.voice_call import VoiceBehaviour
from tests.commands.conftest import Command


@contextmanager
def running(*words: str) -> Iterator[tuple[str, str]]:
    """(host:port, address of the page) of a simulator in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulate", *words], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    try:
        first, second = process.stdout.readline(), process.stdout.readline()
        where = re.search(r"\d+\.\d+\.\d+\.\d+:\d+", first)
        assert where, first
        yield where[0], second.split()[1]
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    assert rest.endswith("received\n")


def fetch(url: str) -> list[dict[str, object]]:
    with urlopen(url, timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def test_a_mail_shows_on_the_page() -> None:
    with running("smtp") as (where, page):
        host, _, port = where.partition(":")
        with smtplib.SMTP(host, int(port), timeout=60) as client:
            client.sendmail("a@b.example", ["c@d.example"], "Subject: x\r\n\r\nhello\r\n")
        (mail,) = fetch(page)
        assert (mail["channel"], mail["to"]) == ("email", "c@d.example")
        assert fetch(f"{page}?since=1") == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_simulator_starts_says_where_and_stops(kind: str) -> None:
    with running(kind) as (where, page):
        assert not where.endswith(":0")
        assert fetch(page) == []


def test_what_called_parties_hear_has_a_page() -> None:
    with running("sip", "--behaviour", "listen_to=16") as (_, page):
        (heard,) = fetch(page.replace("received", "audio"))
        assert heard.keys() == {"calls_at_once", "one_call_in", "packets", "p50", "p99", "max"}
        assert heard["one_call_in"] == 16


def test_a_taken_port_is_named(command: Command) -> None:
    async def occupied() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ran = await asyncio.to_thread(command, "simulate", "smtp", "--port", str(port))
        server.close()
        assert (ran.code, f"127.0.0.1:{port}" in ran.err) == (2, True)

    asyncio.run(occupied())


def test_behaviour_is_read_from_pairs_and_json() -> None:
    told = behaviour_of(Behaviour, ["receipts=tlv", "response_delay_s=0.5", "mute=true", '{"close_after": 3}'])
    assert (told.receipts, told.response_delay_s, told.mute, told.close_after) == ("tlv", 0.5, True, 3)
    assert behaviour_of(SmtpBehaviour, ['{"messages": null}']) == SmtpBehaviour()
    assert behaviour_of(VoiceBehaviour, []) == VoiceBehaviour()


@pytest.mark.parametrize(
    "word", ["recepts=tlv", "mute=perhaps", "mute", "{", "[1]", '{"mute": [1]}', "response_delay_s=soon"]
)
def test_a_wrong_behaviour_is_named(word: str, command: Command) -> None:
    with pytest.raises(ValueError, match=r"behaviour|key=value"):
        behaviour_of(Behaviour, [word])
    assert command("simulate", "smsc", "--behaviour", word).code == 2


def test_an_unknown_behaviour_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="receipts") as wrong:
        behaviour_of(Behaviour, ["recepts=tlv"])
    assert all(field.name in str(wrong.value) for field in fields(Behaviour))


def test_outcomes_are_shares_of_all_addresses() -> None:
    assert shares_of(("failed", "silent"), ["failed=0.05", "silent=.5"]) == {"failed": 0.05, "silent": 0.5}


@pytest.mark.parametrize(
    "words", [["fail=0.1"], ["failed"], ["failed=x"], ["failed=0.9", "expired=0.9"], ["failed=-1"]]
)
def test_wrong_outcomes_are_refused(words: list[str], command: Command) -> None:
    options = [part for word in words for part in ("--outcome", word)]
    assert command("simulate", "smsc", *options).code == 2


@given(st.text(max_size=30))
def test_any_word_is_a_behaviour_or_a_value_error(word: str) -> None:
    try:
        behaviour_of(Behaviour, [word])
    except ValueError as wrong:
        assert str(wrong)

"""gateway bench."""

from pathlib import Path

import pytest

from gateway.bench.wanted import KINDS, Peer, Wanted
from tests.commands.conftest import Command

Told = list[tuple[str, bool, Wanted | None]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What reached the bench, which does nothing."""
    told: Told = []

    def fake(what: str, *, as_json: bool, wanted: Wanted | None = None) -> int:
        told.append((what, as_json, wanted))
        return 0

    monkeypatch.setattr("gateway.bench.run", fake)
    return told


@pytest.mark.parametrize("what", KINDS)
def test_what_to_measure_reaches_the_bench(what: str, command: Command, told: Told) -> None:
    assert command("bench", what).code == 0
    assert command("bench", what, "--json").code == 0
    assert told == [(what, False, Wanted()), (what, True, Wanted())]


def test_how_much_and_against_whom_reaches_the_bench(command: Command, told: Told) -> None:
    words = "--recipients 500 --seconds 7 --rate 90 --binds 2 --window 10 --connections 3 --peer 127.0.0.1:2775"
    assert command("bench", "sms", *words.split()).code == 0
    assert told[0][2] == Wanted(
        recipients=500, seconds=7, rate_per_s=90, binds=2, window=10, connections=3, peer=Peer("127.0.0.1", 2775)
    )
    assert command("bench", "all", "--seconds", "600", "--call-s", "30", "--no-media").code == 0
    assert told.pop()[2] == Wanted(seconds=600, call_s=30, media=False)
    assert command("bench", "email", "--peer", "[::1]:25").code == 0
    assert told[1][2] == Wanted(peer=Peer("::1", 25))


@pytest.mark.parametrize("word", ["localhost", "127.0.0.1:0", "127.0.0.1:99999", "a b:25", ":25"])
def test_a_peer_without_an_address_is_refused(word: str, command: Command, told: Told) -> None:
    assert command("bench", "sms", "--peer", word).code == 2
    assert told == []


@pytest.mark.parametrize("what", [name for name, of in KINDS.items() if not of.foreign])
def test_a_peer_for_a_bench_without_one_is_refused(what: str, command: Command, told: Told) -> None:
    ran = command("bench", what, "--peer", "127.0.0.1:2775")
    assert (ran.code, told) == (2, [])
    assert "sms, email" in ran.err


def test_what_can_not_be_measured_is_refused(command: Command) -> None:
    ran = command("bench", "fax")
    assert (ran.code, "sms" in ran.err) == (2, True)


def test_tls_is_for_mails_to_a_relay_of_ones_own(command: Command, told: Told) -> None:
    assert command("bench", "email", "--peer", "127.0.0.1:465", "--tls-ca", "ca.pem").code == 0
    assert told[0][2] == Wanted(peer=Peer("127.0.0.1", 465), tls_ca=Path("ca.pem"))
    assert "--tls-ca is for email" in command("bench", "email", "--tls-ca", "ca.pem").err
    assert command("bench", "sms", "--peer", "127.0.0.1:2775", "--tls-ca", "ca.pem").code == 2
    assert len(told) == 1

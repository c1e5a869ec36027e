"""What a bench is asked to do."""

import pytest

from gateway.bench.wanted import KINDS, Peer, Wanted, amount, duration_s


@pytest.mark.parametrize("what", KINDS)
def test_what_is_said_wins_over_what_is_usual(what: str) -> None:
    assert amount(what, Wanted(recipients=7)) == 7
    assert duration_s(what, Wanted(seconds=0.5)) == 0.5
    assert amount(what, Wanted()) == KINDS[what].recipients
    assert duration_s(what, Wanted()) == KINDS[what].seconds


@pytest.mark.parametrize("what", KINDS)
def test_every_kind_has_a_measure_of_its_own(what: str) -> None:
    assert amount(what, Wanted()) or duration_s(what, Wanted())


def test_a_peer_is_named_by_its_address() -> None:
    assert str(Peer("127.0.0.1", 2775)) == "127.0.0.1:2775"

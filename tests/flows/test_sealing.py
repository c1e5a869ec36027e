"""What the gateway publishes: signed with the key whose time it is, and published all the same when there is none."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cap.signature import verify
from gateway.cap.signing import KeyPair, key_pair
from gateway.cap.trust import Trust
from gateway.flows.sealing import Sealer, sealer
from gateway.log import unit_logger
from gateway.metrics import Metrics
from tests.cap.samples import BASIC
from tests.cap.signed import Signer, holds_by_hand, issued, rsa_key
from tests.support.scene import Clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OLD = issued("Old", rsa_key(14), since=NOW - 30 * DAY, until=NOW + 10 * DAY)
NEXT = issued("Next", rsa_key(15), since=NOW + 5 * DAY, until=NOW + 400 * DAY)


def pair(of: Signer) -> KeyPair:
    return key_pair(of.key_pem, of.pem)


def one_who_seals(*signers: Signer) -> tuple[Sealer, Clock]:
    clock = Clock()
    clock.now = NOW
    return Sealer([pair(one) for one in signers], utcnow=clock, log=unit_logger("test.seal")), clock


def test_a_document_is_signed_with_the_one_key() -> None:
    seal, clock = one_who_seals(OLD)
    document = seal(BASIC.encode())
    assert holds_by_hand(document, OLD.certificate)
    assert verify(document, trust=Trust.from_pem(OLD.pem), at=clock()).trusted


@pytest.mark.parametrize("order", [(OLD, NEXT), (NEXT, OLD)])
def test_the_next_key_takes_over_by_itself_when_its_certificate_begins(order: tuple[Signer, Signer]) -> None:
    seal, clock = one_who_seals(*order)
    used = []
    for days in (0, 5, 6, 11, 399):
        clock.now = NOW + days * DAY
        current = seal.current()
        assert current is not None
        used.append(current.fingerprint)
    assert used == [OLD.fingerprint, *[NEXT.fingerprint] * 4]


@pytest.mark.parametrize("days", [-31, 500])
def test_without_a_valid_certificate_the_document_stays_as_it_is_and_somebody_is_told(
    days: int, caplog: pytest.LogCaptureFixture
) -> None:
    seal, clock = one_who_seals(OLD, NEXT)
    clock.now = NOW + days * DAY
    with caplog.at_level(logging.ERROR):
        assert seal(BASIC.encode()) == BASIC.encode()
    assert [record.message for record in caplog.records] == ["no_valid_signing_key"]


def test_what_can_not_be_signed_is_published_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    seal, _ = one_who_seals(OLD)
    odd = BASIC.replace("<alert ", "<?style x?><alert ").encode()
    with caplog.at_level(logging.ERROR):
        assert seal(odd) == odd
    assert [record.message for record in caplog.records] == ["not_signable"]


def test_when_the_last_certificate_ends_is_a_metric() -> None:
    metrics, clock = Metrics(), Clock()
    assert sealer([], metrics, clock) is None
    assert sealer([pair(OLD), pair(NEXT)], metrics, clock) is not None
    end = (NOW + 400 * DAY).timestamp()
    shown = dict(
        line.split() for line in metrics.render()[0].decode().splitlines() if line.startswith("gateway_feed_c")
    )
    assert float(shown["gateway_feed_certificate_end_seconds"]) == end

"""Whose word an alert is: signatures, senders, clocks."""

from datetime import datetime, timedelta, timezone

import pytest

from gateway.cap.signature import Signature
from gateway.cap.signature_form import Reason
from gateway.model import SignatureRule, SignatureVerdict
from gateway.policy import identity
from gateway.policy.rights import Identity
from tests.support.scene import an_alert

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))
REQUIRING = Identity(signatures=SignatureRule.REQUIRE)
STRANGER = Signature(
    reason=Reason.UNKNOWN_SIGNER, words="nobody knows the signer", line=1, element="alert/Signature", id="",
    algorithm="rsa-sha256",
)  # fmt: skip


@pytest.mark.parametrize("verdict", SignatureVerdict)
@pytest.mark.parametrize("rule", SignatureRule)
def test_only_who_demands_a_signature_refuses_for_want_of_one(rule: SignatureRule, verdict: SignatureVerdict) -> None:
    refusal = identity.unproven(Identity(signatures=rule), verdict, [])
    assert (refusal is not None) is (rule is SignatureRule.REQUIRE and verdict is not SignatureVerdict.TRUSTED)
    assert refusal is None or refusal.status == 403


def test_a_refusal_says_what_is_wrong_with_the_signature() -> None:
    none = identity.unproven(REQUIRING, SignatureVerdict.NONE, [])
    assert none is not None and none.reason == "not-signed"
    twice = identity.unproven(REQUIRING, SignatureVerdict.UNTRUSTED, [STRANGER, STRANGER])
    assert twice is not None and twice.reason == "signature-not-trusted"
    assert twice.message.count("nobody knows the signer") == 1


def test_without_registered_senders_any_is_taken_and_with_some_no_other() -> None:
    alert = an_alert(sender="a@b.example")
    assert identity.foreign_sender(Identity(), alert) is None
    assert identity.foreign_sender(Identity(senders=("x@y.example", "a@b.example")), alert) is None
    for other in ("x@y.example", "A@b.example", "a@b.example."):
        refusal = identity.foreign_sender(Identity(senders=(other,)), alert)
        assert refusal is not None and (refusal.reason, refusal.status) == ("sender-not-registered", 403)
        assert "a@b.example" in refusal.message


@pytest.mark.parametrize(
    ("ahead_s", "refused"), [(-86_400, False), (0, False), (300, False), (301, True), (7200, True)]
)
def test_an_alert_from_the_future_is_refused(ahead_s: int, refused: bool) -> None:
    refusal = identity.from_the_future(an_alert(sent=NOW + timedelta(seconds=ahead_s)), NOW)
    assert (refusal is not None) is refused
    if refusal is not None:
        assert (refusal.reason, refusal.status, refusal.findings[0].id) == ("sent-in-future", 422, "S3")
        assert f"{ahead_s // 60} minutes" in refusal.message

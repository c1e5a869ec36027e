"""The proof of a mail: which evidence is asked for, and that only what was proven is handed on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cap.signature import SignatureVerdict, verify
from gateway.cap.signing import sign
from gateway.cap.trust import Trust
from gateway.mailbox.mime import Limits
from gateway.mailbox.proving import Carried, Later, PinnedSigners, ProofRules, Prover, XmlProof
from gateway.mailbox.smime import OpenSsl
from gateway.policy.mailproof import MailRefusal, MailSource, ProofKind, Reason
from tests.cap.signed import authority, rsa_authority
from tests.mailbox.mails import ADDRESS, BOX, DOMAIN, SIGNED_FIELDS, Zone, alert, identity, mail, signed, smime_signed
from tests.mailbox.mails import rsa_key as a_key
from tests.mailbox.mails import zone as a_zone

SOURCE = MailSource(id=1, mailbox="alerts", address=ADDRESS, entity_id=2, proof=ProofKind.DKIM, domain=DOMAIN)
NOW_S = 1_900_000_000.0


class Signers:
    """A verifier of XML signatures that knows the answer by a word in the document."""

    async def signers(self, document: bytes, certificates: str) -> Sequence[bytes]:
        return [b"f" * 32] if b"signed" in document and certificates else []


async def proven(
    raw: bytes,
    source: MailSource = SOURCE,
    *,
    zone: Zone | None = None,
    addresses: Sequence[str] = (),
    xml: XmlProof | None = None,
    program: str = "openssl",
) -> Carried | MailRefusal | Later:
    rules = ProofRules(limits=Limits(), most_alerts=3, addresses={"alerts": frozenset(addresses)})
    openssl = OpenSsl(program)
    prover = Prover(rules, resolver=zone or a_zone(), openssl=openssl, xml=xml, now_s=lambda: NOW_S)
    return await prover.carried(raw, source)


def reason(found: object) -> Reason:
    assert isinstance(found, MailRefusal)
    return found.reason


async def test_a_good_signature_hands_on_the_documents() -> None:
    assert await proven(signed(mail(alert()))) == Carried((alert(),))


async def test_dns_is_asked_for_the_agreed_domain_only() -> None:
    zone = a_zone()
    raw = signed(signed(mail(alert()), domain="evil.example"), domain="commune.example.evil.example")
    assert reason(await proven(raw, zone=zone)) is Reason.NO_PROOF
    assert zone.asked == []


async def test_a_key_that_can_not_be_looked_up_now_is_waited_for() -> None:
    assert isinstance(await proven(signed(mail(alert())), zone=Zone(down=True)), Later)
    assert reason(await proven(signed(mail(alert())), zone=Zone())) is Reason.PROOF_FAILED


async def test_one_good_signature_among_bad_ones_is_enough() -> None:
    raw = signed(signed(mail(alert())), key=a_key(2048, 1))
    assert isinstance(await proven(raw), Carried)


@pytest.mark.parametrize("uncovered", [b"Content-Type", b"Content-Transfer-Encoding"])
async def test_what_decides_how_a_mail_is_read_has_to_be_signed(uncovered: bytes) -> None:
    raw = mail(body=alert().decode() + "\n", encoding="quoted-printable")
    fields = [name for name in SIGNED_FIELDS if name != uncovered]
    found = await proven(signed(raw, fields=fields))
    assert reason(found) is Reason.PROOF_FAILED
    assert isinstance(found, MailRefusal)
    assert uncovered.decode().lower() in found.detail


async def test_a_mail_to_another_mailbox_can_not_be_sent_on_to_this_one() -> None:
    raw = signed(mail(alert()))
    assert isinstance(await proven(raw, addresses=[BOX]), Carried)
    assert reason(await proven(raw, addresses=["live@gateway.example"])) is Reason.PROOF_FAILED
    no_to = [name for name in SIGNED_FIELDS if name != b"To"]
    assert reason(await proven(signed(mail(alert()), fields=no_to), addresses=[BOX])) is Reason.PROOF_FAILED


async def test_an_alert_outside_the_signed_part_is_not_handed_on(tmp_path: Path) -> None:
    officer = identity("officer", identity("unused"), address=ADDRESS)
    by_smime = replace(SOURCE, proof=ProofKind.SMIME, certificates=officer.pem)
    whole = smime_signed(mail(alert("inside")), officer, tmp_path)
    assert await proven(whole, by_smime) == Carried((alert("inside"),))
    around = mail(alert("outside")).replace(b"\r\n\r\n", b"\r\n\r\n" + whole, 1)
    assert reason(await proven(around, by_smime)) is Reason.NO_PROOF
    beside = whole.replace(b"\r\n\r\n------", b"\r\n\r\n" + alert("beside") + b"\r\n------", 1)
    assert b"beside" in beside
    assert await proven(beside, by_smime) == Carried((alert("inside"),))
    other = replace(by_smime, address="other@commune.example")
    assert reason(await proven(whole, other)) is Reason.PROOF_FAILED
    assert isinstance(await proven(whole, by_smime, program="no-such-program"), Later)


async def test_alerts_prove_themselves_one_by_one() -> None:
    by_xml = replace(SOURCE, proof=ProofKind.XMLDSIG, certificates="PEM")
    good, bad = alert("signed"), alert("other")
    assert await proven(mail(good, bad), by_xml, xml=Signers()) == Carried((good,), 1)
    assert reason(await proven(mail(bad), by_xml, xml=Signers())) is Reason.PROOF_FAILED
    assert reason(await proven(mail(good), by_xml, xml=None)) is Reason.NO_PROOF
    pinned = replace(by_xml, fingerprint=b"f" * 32)
    assert isinstance(await proven(mail(good), pinned, xml=Signers()), Carried)
    assert (
        reason(await proven(mail(good), replace(pinned, fingerprint=b"g" * 32), xml=Signers())) is Reason.PROOF_FAILED
    )


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (mail(), Reason.NO_ALERT),
        (mail(*(alert(f"n-{number}") for number in range(4))), Reason.TOO_MANY),
        (b"From: a@b.example\nX: y\r\n\r\n", Reason.UNREADABLE),
        (b"Content-Type: multipart/mixed\r\n\r\n", Reason.UNREADABLE),
    ],
)
async def test_mails_without_anything_to_take(raw: bytes, why: Reason) -> None:
    by_xml: Any = replace(SOURCE, proof=ProofKind.XMLDSIG, certificates="PEM")
    assert reason(await proven(raw, by_xml, xml=Signers())) is why


async def test_the_gateway_s_own_verifier_names_who_signed_an_alert_and_nobody_else() -> None:
    async def verified(document: bytes, trust: Trust, at: datetime) -> SignatureVerdict:
        return verify(document, trust=trust, at=at)

    signer, stranger = authority(), rsa_authority()
    pinned = PinnedSigners(verified, lambda: datetime(2026, 6, 1, tzinfo=UTC))
    document = sign(alert("signed"), signer.key_pem, signer.pem).document
    assert document is not None
    trusted = signer.pem.decode()
    assert await pinned.signers(document, trusted) == [bytes.fromhex(signer.fingerprint)]
    assert await pinned.signers(document, stranger.pem.decode()) == ()
    assert await pinned.signers(document.replace(b"Stay inside", b"Go outside!"), trusted) == ()
    assert await pinned.signers(alert("signed"), trusted) == ()
    assert await pinned.signers(document, "no certificate") == ()

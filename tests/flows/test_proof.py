"""Signatures, senders and clocks at the door: through the real intake, into the store."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from gateway.cap.parse import Limits
from gateway.cap.signing import sign
from gateway.flows.answers import Answer
from gateway.flows.checking import Checker
from gateway.model import Realm, SignatureRule
from gateway.store import identity
from gateway.store.embedded import Cluster
from tests.cap.signed import DS, Signer, before_the_end, rsa_key, signature_of, signed_by_hand
from tests.cap.wrapped import wrapped
from tests.support.keys import pin, signer
from tests.support.scene import Entity, Scene, a_scene, an_alert, document

OWN, STRANGER = signer("Commune"), signer("Stranger", rsa_key(14))


async def commune(
    scene: Scene, rule: SignatureRule = SignatureRule.REQUIRE, *pinned: Signer, sha1: bool = False
) -> Entity:
    entity = await scene.entity()
    async with scene.connected() as connection:
        await pin(connection, entity.id, *(pinned or (OWN,)))
        await identity.set_rule(connection, entity.id, rule=rule, allow_sha1=sha1)
    return entity


def text_of(identifier: str = "A-1", **changes: Any) -> str:
    return document(an_alert(identifier, **changes)).decode()


def signed(text: str, by: Signer = OWN) -> bytes:
    found = sign(text.encode(), by.key_pem, by.pem).document
    assert found is not None
    return found


async def stored(scene: Scene) -> Any:
    return (await scene.rows("SELECT * FROM alert ORDER BY id DESC LIMIT 1"))[0]


def words(answer: Answer) -> str:
    return f"{answer.status} {answer.body.get('reason', answer.body.get('state'))}"


# the entity's own rule ---------------------------------------------------------------------------------------------


async def test_a_trusted_signature_is_stored_with_the_bytes_and_the_certificate(scene: Scene) -> None:
    raw, entity = signed(text_of()), await commune(scene)
    answer = await scene.post(raw, entity)
    assert words(answer) == "201 planned"
    row = await stored(scene)
    assert (row["raw"], row["signature"]) == (raw, "trusted")
    (one,) = row["signatures"]
    assert (one["ok"], one["reason"], one["fingerprint"]) == (True, None, OWN.fingerprint)
    assert (one["algorithm"], one["subject"]) == ("ecdsa-sha256", "CN=Commune")
    shown = await scene.campaigns.alert(answer.body["alert"], await scene.authority(entity))
    assert shown is not None
    assert (shown["signature"], shown["signatures"]) == ("trusted", row["signatures"])


async def test_who_requires_a_signature_takes_nothing_without_one(scene: Scene) -> None:
    entity = await commune(scene)
    assert words(await scene.post(text_of().encode(), entity)) == "403 not-signed"
    assert (await stored(scene))["signature"] == "none"
    assert words(await scene.post(signed(text_of(), STRANGER), entity)) == "403 signature-not-trusted"
    row = await stored(scene)
    assert (row["signature"], row["signatures"][0]["reason"]) == ("untrusted", "unknown-signer")
    changed = signed(text_of()).replace(b"<identifier>A-1", b"<identifier>A-9")
    refused = await scene.post(changed, entity)
    assert words(refused) == "403 signature-not-trusted"
    assert "changed after it was signed" in refused.body["detail"]
    assert await scene.rows("SELECT FROM campaign") == []
    assert words(await scene.post(signed(text_of()), entity)) == "201 planned"


async def test_who_requires_a_signature_requires_it_of_rehearsals_and_forecasts(scene: Scene) -> None:
    entity = await commune(scene)
    assert words(await scene.post(text_of().encode(), entity, Realm.TEST)) == "403 not-signed"
    assert words(await scene.forecast(text_of().encode(), entity)) == "403 not-signed"
    assert (await scene.forecast(signed(text_of()), entity)).status == 200


async def test_an_unproven_alert_says_nothing_of_the_one_whose_name_it_uses(scene: Scene) -> None:
    entity = await commune(scene)
    await scene.post(signed(text_of()), entity)
    forged = await scene.post(text_of(note="other").encode(), entity)
    assert words(forged) == "403 not-signed"
    assert (await stored(scene))["conflict_with"] is None
    row = await stored(scene)
    assert (row["identifier"], row["msg_type"]) == ("A-1", None)  # as written, and nothing of it used


async def test_who_verifies_takes_what_is_not_trusted_and_says_so(scene: Scene) -> None:
    entity = await commune(scene, SignatureRule.VERIFY)
    for number, raw, verdict, weight in (
        (1, text_of("V-1").encode(), "none", None),
        (2, signed(text_of("V-2")), "trusted", None),
        (3, signed(text_of("V-3"), STRANGER), "untrusted", "policy"),
        (4, signed(text_of("V-0")).replace(b"V-0", b"V-4"), "untrusted", "warning"),
    ):
        answer = await scene.post(raw, entity)
        assert words(answer) == "201 planned", number
        said = [finding["severity"] for finding in answer.body["findings"] if finding["id"] == "S39"]
        assert said == ([weight] if weight else [])
        assert (await stored(scene))["signature"] == verdict


async def test_who_ignores_signatures_has_none_looked_at(scene: Scene) -> None:
    entity = await commune(scene, SignatureRule.IGNORE)
    answer = await scene.post(signed(text_of("V-0")).replace(b"V-0", b"V-4"), entity)
    assert words(answer) == "201 planned"
    assert "S39" not in {finding["id"] for finding in answer.body["findings"]}
    row = await stored(scene)
    assert (row["signature"], row["signatures"]) == ("ignored", [])


async def test_what_can_not_be_read_has_no_verdict(scene: Scene) -> None:
    entity = await commune(scene)
    assert (await scene.post(b"<alert>", entity)).status == 400
    assert (await stored(scene))["signature"] is None


async def test_one_authority_s_certificate_says_nothing_for_another(scene: Scene) -> None:
    await commune(scene)
    other = await scene.entity("other")
    async with scene.connected() as connection:
        await pin(connection, other.id, STRANGER)
        await identity.set_rule(connection, other.id, rule=SignatureRule.REQUIRE)
    assert words(await scene.post(signed(text_of()), other)) == "403 signature-not-trusted"


async def test_keys_change_without_a_moment_in_which_none_counts(scene: Scene) -> None:
    later = signer("Commune", rsa_key(15))
    entity = await commune(scene, SignatureRule.REQUIRE, OWN, later)
    assert words(await scene.post(signed(text_of("A-1")), entity)) == "201 planned"
    assert words(await scene.post(signed(text_of("A-2"), later), entity)) == "201 planned"
    async with scene.connected() as connection:
        await identity.unpin(connection, entity.id, OWN.fingerprint)
    assert words(await scene.post(signed(text_of("A-3")), entity)) == "403 signature-not-trusted"
    assert words(await scene.post(signed(text_of("A-4"), later), entity)) == "201 planned"


async def test_a_certificate_counts_only_while_it_is_valid(scene: Scene) -> None:
    now = scene.clock.now
    old = signer("Old", rsa_key(14), until=now - timedelta(seconds=1))
    entity = await commune(scene, SignatureRule.REQUIRE, old)
    refused = await scene.post(signed(text_of(), old), entity)
    assert words(refused) == "403 signature-not-trusted"
    assert "valid until" in refused.body["detail"]


async def test_whoever_a_pinned_authority_certified_may_sign(scene: Scene) -> None:
    centre = signer("Centre", rsa_key(13), ca=True)
    officer = signer("Officer", None, by=centre)
    entity = await commune(scene, SignatureRule.REQUIRE, centre)
    assert words(await scene.post(signed(text_of(), officer), entity)) == "201 planned"
    assert (await stored(scene))["signatures"][0]["fingerprint"] == officer.fingerprint
    forged = signer("Officer", None, by=signer("Centre", rsa_key(12), ca=True))
    assert words(await scene.post(signed(text_of("A-2"), forged), entity)) == "403 signature-not-trusted"


# attacks -----------------------------------------------------------------------------------------------------------

ORIGINAL = text_of()
FORGED = ORIGINAL.replace("<identifier>A-1", "<identifier>A-666")
SHAPES = wrapped(ORIGINAL, FORGED, signed_by_hand(ORIGINAL, OWN))


async def test_what_is_wrapped_around_a_signed_alert_is_refused(scene: Scene) -> None:
    entity = await commune(scene)
    for shape, forged in SHAPES.items():
        answer = await scene.post(forged.encode(), entity)
        assert answer.status in (400, 403, 422), shape
        assert (await stored(scene))["signature"] != "trusted", shape
    assert await scene.rows("SELECT FROM campaign") == []


@pytest.mark.parametrize("rule", [SignatureRule.VERIFY, SignatureRule.IGNORE])
async def test_what_is_wrapped_is_trusted_by_nobody(scene: Scene, rule: SignatureRule) -> None:
    entity = await commune(scene, rule)
    for shape, forged in SHAPES.items():
        await scene.post(forged.encode(), entity)
        assert (await stored(scene))["signature"] != "trusted", shape


async def test_an_info_that_was_added_after_signing_is_refused(scene: Scene) -> None:
    raw = signed(ORIGINAL).decode()
    start, end = raw.index("<info>"), raw.index("</info>") + len("</info>")
    extra = raw[:end] + raw[start:end].replace("<headline>", "<headline>Verlaat de stad! ") + raw[end:]
    entity = await commune(scene)
    assert words(await scene.post(extra.encode(), entity)) == "403 signature-not-trusted"
    assert words(await scene.post(raw.encode(), entity)) == "201 planned"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "algorithm",
        ),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
            "transform",
        ),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "transform",
        ),
    ],
)
async def test_other_mathematics_are_refused(scene: Scene, old: str, new: str, reason: str) -> None:
    entity = await commune(scene)
    raw = signed(ORIGINAL)
    assert old.encode() in raw
    assert words(await scene.post(raw.replace(old.encode(), new.encode()), entity)) == "403 signature-not-trusted"
    assert (await stored(scene))["signatures"][0]["reason"] == reason


async def test_sha1_counts_by_the_named_exception_only(scene: Scene) -> None:
    by = signer("Commune RSA", rsa_key(14))
    raw = signed_by_hand(ORIGINAL, by, method="rsa-sha1", digest="sha1")
    entity = await commune(scene, SignatureRule.REQUIRE, by)
    assert words(await scene.post(raw, entity)) == "403 signature-not-trusted"
    assert (await stored(scene))["signatures"][0]["reason"] == "sha1"
    async with scene.connected() as connection:
        await identity.set_rule(connection, entity.id, allow_sha1=True)
    answer = await scene.post(raw, entity)
    assert words(answer) == "201 planned"
    assert "SHA-1, which is accepted by exception" in str(answer.body["findings"])
    assert (await stored(scene))["signatures"][0]["sha1"] is True


async def test_two_signatures_as_canada_s_aggregator_makes_them_count(scene: Scene) -> None:
    first = signed_by_hand(ORIGINAL, OWN, attributes=' Id="Environment Canada"')
    both = signed_by_hand(first.decode(), STRANGER, method="rsa-sha256", attributes=' Id="NAADS Signature"')
    entity = await commune(scene)
    assert words(await scene.post(both, entity)) == "201 planned"
    found = [(one["id"], one["ok"]) for one in (await stored(scene))["signatures"]]
    assert found == [("Environment Canada", True), ("NAADS Signature", False)]


async def test_one_broken_signature_of_a_known_signer_spoils_the_others(scene: Scene) -> None:
    by = signer("Second", rsa_key(14))
    broken = signature_of(signed_by_hand(FORGED, by, method="rsa-sha256"))
    entity = await commune(scene, SignatureRule.REQUIRE, OWN, by)
    answer = await scene.post(before_the_end(signed(ORIGINAL), broken).encode(), entity)
    assert words(answer) == "403 signature-not-trusted"


async def test_only_what_was_signed_is_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the first reading saw: the campaign is made of the signed bytes."""
    seen: list[bytes] = []
    check = type(scene.checker).check

    async def noted(self: Checker, raw: bytes, at: Any) -> Any:
        seen.append(raw)
        return await check(self, raw, at)

    monkeypatch.setattr(type(scene.checker), "check", noted)
    raw = signed(ORIGINAL.replace("<note>", "<!-- not signed --><note>"))
    assert words(await scene.post(raw, await commune(scene))) == "201 planned"
    assert seen[0] == raw
    assert DS.encode() not in seen[1] and b"not signed" not in seen[1]


async def test_verifying_happens_in_the_process_of_the_checker(pg: Cluster) -> None:
    checker = Checker(workers=1, limits=Limits(), deadline_s=60)  # a busy machine starts processes slowly
    try:
        async with a_scene(pg, checker=checker) as scene:
            entity = await commune(scene)
            assert words(await scene.post(signed(ORIGINAL), entity)) == "201 planned"
            assert words(await scene.post(ORIGINAL.replace("A-1", "A-2").encode(), entity)) == "403 not-signed"
    finally:
        checker.close()


# senders and clocks -------------------------------------------------------------------------------------------------


async def test_an_entity_that_registered_senders_uses_no_other(scene: Scene) -> None:
    entity = await scene.entity()
    assert words(await scene.post(an_alert("A-1", sender="any@x.example"), entity)) == "201 planned"
    async with scene.connected() as connection:
        await identity.add_senders(connection, entity.id, ["crisis@x.example", "police@x.example"])
    refused = await scene.post(an_alert("A-2", sender="any@x.example"), entity)
    assert words(refused) == "403 sender-not-registered"
    assert "any@x.example" in refused.body["detail"]
    for name in ("crisis@x.example", "police@x.example"):
        assert words(await scene.post(an_alert("A-2", sender=name), entity)) == "201 planned"
    other = await scene.entity("other")
    assert words(await scene.post(an_alert("A-2", sender="crisis@x.example"), other)) == "201 planned"


@pytest.mark.parametrize(("ahead_s", "status"), [(290, 201), (330, 422)])
async def test_what_was_sent_in_the_future_is_refused(scene: Scene, ahead_s: int, status: int) -> None:
    entity = await scene.entity()
    answer = await scene.post(an_alert(at=scene.clock.now + timedelta(seconds=ahead_s)), entity)
    assert answer.status == status, answer.body
    if status == 422:
        assert answer.body["reason"] == "sent-in-future"
        assert next(f["severity"] for f in answer.body["findings"] if f["element"] == "alert/sent") == "error"
        scene.clock.on(60)
        again = await scene.post(an_alert(at=scene.clock.now + timedelta(seconds=ahead_s - 60)), entity)
        assert again.status == 201  # the same alert, when its time is near


async def test_the_same_content_is_recognised_by_its_bytes(scene: Scene) -> None:
    entity = await commune(scene)
    raw = signed(ORIGINAL)
    first = await scene.post(raw, entity)
    again = await scene.post(raw, entity)
    assert (again.status, again.body) == (200, first.body)
    assert (await stored(scene))["sha256"] == hashlib.sha256(raw).digest()

"""Who a mail is really from: the decisions alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import mailproof
from gateway.policy.mailproof import SENTENCES, DkimPass, MailRefusal, MailSource, ProofKind, Reason

SOURCE = MailSource(
    id=1, mailbox="alerts", address="duty@commune.example", entity_id=2, proof=ProofKind.DKIM, domain="commune.example"
)
KEY = b"k" * 32
ALL = frozenset({"from", "content-type"})


def passed(domain: str = "commune.example", key: bytes = KEY, fields: frozenset[str] = ALL) -> DkimPass:
    return DkimPass(domain=domain, key=key, fields=fields)


def source(**more: object) -> MailSource:
    from dataclasses import replace

    return replace(SOURCE, **more)  # type: ignore[arg-type]


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("duty@commune.example", "duty@commune.example"),
        ("  Duty <Duty@Commune.Example> ", "duty@commune.example"),
        ('"Doe, John <x@y>" <duty@commune.example>', "duty@commune.example"),
        ("=?utf-8?B?w6k=?= <duty@commune.example>", "duty@commune.example"),
        ("duty@commune.example (the duty officer, x@y)", "duty@commune.example"),
    ],
)
def test_the_one_address_is_read(value: str, address: str) -> None:
    assert mailproof.claimed_address([value]) == address


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["a@b.example, c@d.example"],
        ["a@b.example", "a@b.example"],
        ["a@b.example <c@d.example>"],
        ["<a@b.example> <c@d.example>"],
        ["group: a@b.example;"],
        ["<a@b.example"],
        ["x" * 5000 + " <a@b.example>"],
    ],
)
def test_anything_else_than_one_address_is_nobody(values: list[str]) -> None:
    assert mailproof.claimed_address(values) == MailRefusal(reason=Reason.NO_SENDER)


@given(st.lists(st.text(alphabet='ab@<>(),;:"\\ .', max_size=60), max_size=2))
def test_no_from_makes_it_raise_or_gives_two(values: list[str]) -> None:
    found = mailproof.claimed_address(values)
    assert isinstance(found, MailRefusal) or found.count("@") == 1


@pytest.mark.parametrize("value", ['"' * 4000, "(" * 4000, '"\\' * 2000, "(\\" * 2000, "a " * 2000, "<" * 4000])
def test_a_long_from_is_read_quickly(value: str) -> None:
    before = time.process_time()
    mailproof.claimed_address([value])
    mailproof.named_addresses([value * 20])
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    ("domain", "speaks"),
    [
        ("commune.example", True),
        ("example", False),
        ("evil.example", False),
        ("une.example", False),
        ("mail.commune.example", False),
        ("COMMUNE.example", True),
    ],
)
def test_a_domain_speaks_for_itself_and_what_is_below(domain: str, speaks: bool) -> None:
    assert mailproof.aligned("duty@commune.example", domain) is speaks
    assert mailproof.aligned("duty@sub.commune.example", domain) is speaks


def test_a_signature_of_the_agreed_domain_proves() -> None:
    assert mailproof.judge_dkim(SOURCE, [passed("other.example"), passed()], ALL, True) is None


@pytest.mark.parametrize(
    ("of", "held", "addressed"),
    [
        (SOURCE, [], True),
        (SOURCE, [passed("evil.example")], True),
        (SOURCE, [passed(fields=frozenset({"from"}))], True),
        (SOURCE, [passed()], False),
        (source(fingerprint=b"o" * 32), [passed()], True),
        (source(domain="bulk-mailer.example"), [passed("bulk-mailer.example")], True),
    ],
)
def test_a_signature_does_not_prove(of: MailSource, held: list[DkimPass], addressed: bool) -> None:
    refusal = mailproof.judge_dkim(of, held, ALL, addressed)
    assert refusal is not None
    assert refusal.reason is Reason.PROOF_FAILED
    assert refusal.detail


def test_a_certificate_is_the_sources_by_its_address_or_by_pinning() -> None:
    signer = (KEY, frozenset({"duty@commune.example"}))
    other = (b"o" * 32, frozenset({"somebody@commune.example"}))
    assert mailproof.judge_certificates(SOURCE, [other, signer]) is None
    assert mailproof.judge_certificates(SOURCE, [other]) is not None
    assert mailproof.judge_certificates(source(fingerprint=b"o" * 32), [other]) is None
    assert mailproof.judge_certificates(source(fingerprint=b"x" * 32), [signer, other]) is not None
    assert mailproof.judge_certificates(SOURCE, []) is not None


@pytest.mark.parametrize(
    ("submitted", "precedence", "path", "automatic"),
    [
        ("", "", None, False),
        ("no", "", "<a@b.example>", False),
        ("No; comment", "", None, False),
        ("auto-replied", "", None, True),
        ("auto-generated (rejected)", "", None, True),
        ("", "Bulk", None, True),
        ("", "", "<>", True),
    ],
)
def test_machines_are_known(submitted: str, precedence: str, path: str | None, automatic: bool) -> None:
    assert mailproof.is_automatic(submitted, precedence, path) is automatic


@pytest.mark.parametrize(
    ("asked", "automatic", "answered"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_who_is_answered(asked: bool, automatic: bool, answered: bool) -> None:
    asking = source(answers=asked, reply_address="duty@commune.example")
    assert mailproof.may_answer(asking, automatic=automatic) is answered

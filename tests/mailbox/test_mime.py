"""Mails divided, held against the standard library's email package, and against those who build bombs."""

import email
import random
import time
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mailbox import mime
from gateway.mailbox.mime import Entity, Limits, Part, Unreadable
from tests.mailbox.mails import alert, mail

LIMITS = Limits()


def entity(raw: bytes) -> Entity | Unreadable:
    return mime.read_entity(raw, 0, len(raw), LIMITS)


def parts(raw: bytes, limits: Limits = LIMITS) -> list[Part]:
    whole = mime.read_entity(raw, 0, len(raw), limits)
    assert isinstance(whole, Entity)
    found = mime.leaves(raw, whole, limits)
    assert isinstance(found, list)
    return found


def unreadable(raw: bytes, limits: Limits = LIMITS) -> str:
    whole = mime.read_entity(raw, 0, len(raw), limits)
    found = whole if isinstance(whole, Unreadable) else mime.leaves(raw, whole, limits)
    assert isinstance(found, Unreadable)
    return found.words


def test_an_attachment_is_found_byte_for_byte() -> None:
    document = alert()
    raw = mail(document, document.replace(b"mail-1", b"mail-2"))
    found = parts(raw)
    assert [part.kind for part in found] == ["text/plain", "application/cap+xml", "application/cap+xml"]
    assert [part.filename for part in found[1:]] == ["alert0.xml", "alert1.xml"]
    assert mime.decode(raw, found[1], 10_000) == document


def tree(draw: random.Random, depth: int) -> EmailMessage:
    """A mail of parts inside parts, as a fair sender builds it."""
    message = EmailMessage(policy=SMTP)
    if depth == 0 or draw.random() < 0.3:
        if draw.random() < 0.5:
            message.set_content(draw.choice(["", "a", "line\n" * 3, "é — ü\n", "--\n--x\n"]), cte=draw.choice(
                ["base64", "quoted-printable"]))  # fmt: skip
        else:
            octets = bytes(draw.randrange(256) for _ in range(draw.randrange(200)))
            message.set_content(octets, maintype="application", subtype="octet-stream", filename="f.bin")
        return message
    message["Content-Type"] = f"multipart/{draw.choice(['mixed', 'alternative', 'related'])}"
    for _ in range(draw.randrange(1, 4)):
        message.attach(tree(draw, depth - 1))
    return message


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_parts_are_divided_as_the_standard_library_divides_them(seed: int) -> None:
    message = tree(random.Random(seed), 3)
    message["From"] = "a@b.example"
    raw = message.as_bytes()
    theirs = [
        (part.get_content_type(), part.get_payload(decode=True), part.get_filename() or "")
        for part in email.message_from_bytes(raw, policy=SMTP).walk()
        if not part.is_multipart() and part.get_content_maintype() != "multipart"
    ]
    found = parts(raw)
    ours = [(part.kind, mime.decode(raw, part, 1_000_000), part.filename) for part in found]
    assert ours == theirs


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from([
            b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: text/plain", b"\r\n", b"\r\n\r\n", b"--b",
            b"--b--", b"\n", b"\0", b"Content-Transfer-Encoding: base64", b"QUJD", b"=41", b":", b" x", b"From: a@b",
            b"Content-Type: multipart/mixed; boundary=\"b", b"Content-Disposition: attachment; filename=\"a\\",
        ]),
        max_size=40,
    ).map(b"".join)
)  # fmt: skip
def test_no_octets_make_the_reader_raise(raw: bytes) -> None:
    whole = entity(raw)
    if isinstance(whole, Entity):
        found = mime.leaves(raw, whole, LIMITS)
        for part in found if isinstance(found, list) else []:
            mime.head(raw, part)
            mime.decode(raw, part, 1000)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a@b.example\nSubject: x\r\n\r\n",
        b"From: a@b.example\r\nno field here\r\n\r\n",
        b"From: a@b.example\r\nFrom: c@d.example\r\n\r\n",
        b"Content-Type: text/plain\r\ncontent-type: text/html\r\n\r\n",
        b"From: a\0@b.example\r\n\r\n",
        b" begins with a folded line\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(raw: bytes) -> None:
    assert unreadable(raw)


def nested(depth: int) -> bytes:
    raw = b"From: a@b.example\r\n"
    for level in range(depth):
        raw += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    return raw + b"\r\nend"


def test_parts_and_depth_are_bounded() -> None:
    assert len(parts(nested(10))) == 1
    assert "deep" in unreadable(nested(11))
    assert unreadable(nested(5000))
    many = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 300
    assert "many" in unreadable(many)
    assert len(parts(many, Limits(parts=400))) == 300


def test_a_header_is_bounded() -> None:
    assert "large" in unreadable(b"X: " + b"a" * 300_000 + b"\r\n\r\n")
    assert "too many" in unreadable(b"X: y\r\n" * 2000 + b"\r\n")


@pytest.mark.parametrize(
    "body", [b"\r\n--b" * 4_000_000, b"\r\n--bx\r\n" * 2_500_000, b"--b" * 6_000_000, b"\r\n" * 10_000_000]
)
def test_twenty_megabytes_of_boundaries_take_time_in_proportion(body: bytes) -> None:
    raw = b'From: a@b.example\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + body
    before = time.process_time()
    whole = entity(raw)
    assert isinstance(whole, Entity)
    mime.leaves(raw, whole, LIMITS)
    assert time.process_time() - before < 2


def test_a_part_that_would_be_too_large_is_not_decoded() -> None:
    raw = mail(b"x" * 100_000)
    attached = parts(raw)[1]
    assert mime.decode(raw, attached, 99_999) is None
    assert mime.decode(raw, attached, 100_000) == b"x" * 100_000
    assert mime.head(raw, attached, 400).startswith(b"xxxx")


def test_what_was_forwarded_is_not_entered() -> None:
    inner = email.message_from_bytes(mail(alert()), policy=SMTP)
    outer = EmailMessage(policy=SMTP)
    outer["From"] = "a@b.example"
    outer.set_content("see below\n")
    outer.add_attachment(inner)
    assert [part.kind for part in parts(outer.as_bytes())] == ["text/plain", "message/rfc822"]


def test_a_multipart_without_its_end_or_its_boundary() -> None:
    raw = mail(alert())
    assert len(parts(raw[: raw.rindex(b"--", 0, -10)])) == 2
    assert "boundary" in unreadable(b"Content-Type: multipart/mixed\r\n\r\n")


def test_cut_off_base64_gives_what_is_whole() -> None:
    raw = b"Content-Transfer-Encoding: base64\r\n\r\nQUJDR"
    assert mime.decode(raw, parts(raw)[0], 100) == b"ABC"


def test_parameters_may_be_quoted_and_escaped() -> None:
    kind, found = mime.parse_structured('Text/XML; charset="utf-8" ;name="a \\"b\\".xml"; X=1; broken')
    assert (kind, found) == ("text/xml", {"charset": "utf-8", "name": 'a "b".xml', "x": "1"})
    assert mime.parse_structured("nonsense")[0] == "application/octet-stream"

"""Which bytes of a mail are CAP documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mailbox import finding, mime
from gateway.mailbox.finding import TooMuch
from gateway.mailbox.mime import Entity, Limits
from tests.mailbox.mails import alert, mail

LIMITS = Limits()


def documents(raw: bytes, most: int = 20, limits: Limits = LIMITS) -> list[bytes] | TooMuch:
    whole = mime.read_entity(raw, 0, len(raw), limits)
    assert isinstance(whole, Entity)
    parts = mime.leaves(raw, whole, limits)
    assert isinstance(parts, list)
    return finding.documents(raw, parts, limits, most)


@pytest.mark.parametrize(
    "kind", [("application", "cap+xml"), ("text", "xml"), ("application", "xml"), ("application", "octet-stream")]
)
def test_an_attached_alert_is_found_by_type_or_content(kind: tuple[str, str]) -> None:
    raw = mail(alert(), kind=kind)
    assert documents(raw) == [alert()]


def test_what_says_it_is_cap_is_taken_whatever_it_holds() -> None:
    assert documents(mail(b"nothing of the kind")) == [b"nothing of the kind"]


def test_other_attachments_are_left_alone() -> None:
    for other in (b"%PDF-1.7", b"<html><alert/></html>", b"<rss><alert></alert></rss>", b"PK\x03\x04"):
        assert documents(mail(other, kind=("application", "octet-stream"))) == []


def test_an_alert_in_the_text_is_cut_out_of_it() -> None:
    text = f"Dear colleagues,\n\n{alert().decode()}\n-- \nThe duty officer\n"
    assert documents(mail(body=text)) == [alert()]


def test_two_alerts_in_the_text_are_two() -> None:
    text = f"{alert('a').decode()}\n\nand\n{alert('b').decode()}\n"
    assert documents(mail(body=text)) == [alert("a"), alert("b")]


def test_a_quoted_alert_in_a_reply_is_not_said_again() -> None:
    quoted = "\n".join(f"> {line}" for line in alert().decode().splitlines())
    assert documents(mail(body=f"Thanks!\n\n{quoted}\n")) == []


def test_the_text_does_not_count_beside_an_attachment() -> None:
    assert documents(mail(alert("attached"), body=alert("inline").decode() + "\n")) == [alert("attached")]


def test_the_same_bytes_twice_are_one() -> None:
    assert documents(mail(alert(), alert())) == [alert()]


def test_too_many_and_too_large_are_said() -> None:
    many = mail(*(alert(f"n-{number}") for number in range(5)))
    assert isinstance(documents(many, most=4), TooMuch)
    found = documents(many, most=5)
    assert isinstance(found, list)
    assert len(found) == 5
    assert isinstance(documents(mail(b"<alert>" + b" " * 50_000), limits=Limits(decoded_bytes=10_000)), TooMuch)
    inline = "\n".join(alert(f"n-{number}").decode() for number in range(5))
    assert isinstance(documents(mail(body=inline), most=4), TooMuch)


def test_a_text_in_another_character_set_becomes_utf8() -> None:
    text = "<alert><note>\xe9t\xe9</note></alert>"
    raw = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n" + text.encode("latin-1")
    assert documents(raw) == [text.encode()]
    own = b'<?xml version="1.0" encoding="iso-8859-1"?>' + text.encode("latin-1")
    assert documents(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n" + own) == [own]
    odd = b"Content-Type: text/plain; charset=punycode\r\n\r\n" + text.encode()
    assert documents(odd) == [text.encode()]


@pytest.mark.parametrize(
    ("begin", "is_cap"),
    [
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <x> -->\n<alert xmlns="u">', True),
        (b"<cap:alert>", True),
        ("﻿<alert>".encode("utf-16-le"), True),
        (b"<!DOCTYPE alert []><alert>", True),
        (b"<alerts>", False),
        (b"<feed><alert>", False),
        (b"", False),
        (b"\xff\xfe", False),
    ],
)
def test_the_first_element_decides(begin: bytes, is_cap: bool) -> None:
    assert finding.begins_like_cap(begin) is is_cap


@given(st.binary(max_size=200))
def test_no_octets_make_it_raise(octets: bytes) -> None:
    finding.begins_like_cap(octets)
    documents(b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + octets)

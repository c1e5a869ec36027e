"""Mails as bytes: what the standard library's parser reads is what was meant, and nothing breaks out of its place."""

import email
import email.policy
from email.header import decode_header, make_header
from email.headerregistry import Address as StdlibAddress
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.message import (
    Attachment,
    Content,
    Inline,
    _parse_address,
    clean,
    encoded_words,
    field_line,
    parse_address,
    quoted_printable,
    render,
    url_field,
    xtext,
)

ANY = st.text(max_size=200)
ALNUM = "abcXYZ019"
ADDRESSES = st.builds(
    lambda local, domain, top: f"{local}@{domain}.{top}",
    st.lists(st.text(ALNUM + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=12), min_size=1, max_size=3).map(".".join),
    st.text(ALNUM, min_size=1, max_size=20),
    st.text("abc", min_size=2, max_size=6),
)
CONTENTS = st.builds(
    Content,
    sender=st.just("no-reply@alerts.example"),
    sender_name=ANY.map(lambda name: " ".join(name.split())),  # the oracle folds every kind of blank in names
    subject=ANY,
    text=ANY,
    html=ANY,
    language=st.sampled_from(["", "nl", "fr-BE"]),
    attachment=st.none()
    | st.binary(max_size=300).map(lambda raw: Attachment(kind="application/cap+xml", name="alert.xml", data=raw)),
    fields=st.tuples(st.tuples(st.just("X-Alert-Mode"), ANY)),
)


def filled(content: Content, to: bytes = b"user@example.net", extra: bytes = b"") -> bytes:
    """The bytes as a session would write them."""
    date = b"Sat, 21 Nov 2026 20:10:00 +0000"
    return b"".join(render(content).fill(to=to, message_id=b"c1.1.7@alerts.example", date=date, extra=extra))


def received(data: bytes) -> EmailMessage:
    """What a server keeps, read by the standard library; also checks the form of the bytes."""
    assert data.endswith(b"\r\n.\r\n")
    lines = data[:-3].split(b"\r\n")
    assert all(b"\n" not in line and b"\r" not in line and b"\0" not in line for line in lines)
    assert all(len(line) <= 998 for line in lines)  # RFC 5321 §4.5.3.1.6
    assert b"." not in lines
    plain = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    message = email.message_from_bytes(plain, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def name_and_address(message: EmailMessage) -> tuple[str, str]:
    """The sender, by the library's older reader: its newer one breaks names of several encoded words."""
    older = email.message_from_bytes(message.as_bytes(policy=email.policy.default.clone(refold_source="none")))
    name, address = parseaddr(older["From"])
    return str(make_header(decode_header(name))), address


def as_read(text: str) -> str:
    """A text as a mail can carry it: line ends are one, lone surrogates are replaced."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    return lines if lines.endswith("\n") or not lines else lines + "\n"


def payload(part: EmailMessage) -> str:
    """The text of a part."""
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode().replace("\r\n", "\n")


@given(CONTENTS)
def test_the_standard_library_reads_back_what_was_meant(content: Content) -> None:
    message = received(filled(content))
    assert message["Subject"] == clean(content.subject)
    assert [name for name in message if name.lower() in ("to", "from", "subject", "bcc", "cc")] == [
        "To",
        "From",
        "Subject",
    ]
    assert name_and_address(message) == (clean(content.sender_name), "no-reply@alerts.example")
    assert message["X-Alert-Mode"] == clean(content.fields[0][1])
    assert message["Content-Language"] == (content.language or None)
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert payload(parts[0]) == as_read(content.text)
    kinds = ["text/plain"]
    if content.html:
        kinds.append("text/html")
        assert payload(parts[1]) == as_read(content.html)
    if content.attachment is not None:
        kinds.append("application/cap+xml")
        assert parts[-1].get_payload(decode=True) == content.attachment.data
        assert parts[-1].get_filename() == "alert.xml"
    assert [part.get_content_type() for part in parts] == kinds
    assert not message.defects


def test_text_and_html_are_alternatives_and_the_alert_is_beside_them() -> None:
    alert = Attachment(kind="application/cap+xml", name="alert.xml", data=b"<alert/>")
    message = received(filled(Content(sender="a@b.example", subject="s", text="t", html="<p>t</p>", attachment=alert)))
    assert message.get_content_type() == "multipart/mixed"
    first, second = message.iter_parts()
    assert (first.get_content_type(), second.get_content_disposition()) == ("multipart/alternative", "attachment")


def attached(data: bytes) -> EmailMessage:
    """An alert as the standard library finds it in a mail."""
    alert = Attachment(kind="application/cap+xml", name="alert.xml", data=data)
    *_, part = received(filled(Content(sender="a@b.example", subject="s", text="t", attachment=alert))).walk()
    assert isinstance(part, EmailMessage)
    assert part.get_payload(decode=True) == data  # a signature over it still holds
    assert all(len(line) <= 76 for line in str(part.get_payload()).splitlines())
    return part


def test_an_alert_in_latin_letters_is_attached_as_it_can_be_read_and_byte_for_byte() -> None:
    ring = " ".join(f"50.{n:06},4.{n:06}" for n in range(40))
    data = f'<?xml version="1.0"?>\r\n<alert>\n.\n<polygon>{ring}</polygon> \n</alert> '.encode()
    part = attached(data)
    assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert len(str(part.get_payload())) < 1.1 * len(data)


def test_an_alert_that_would_grow_so_is_attached_in_base64() -> None:
    data = "<alert>\u0625\u0646\u0630\u0627\u0631: \u062d\u0631\u064a\u0642</alert>".encode()
    assert attached(data)["Content-Transfer-Encoding"] == "base64"


@given(st.binary(max_size=300) | st.text("<a> =.\t\r\n\u00e9", max_size=300).map(str.encode))
def test_whatever_is_attached_is_read_back_as_it_was(data: bytes) -> None:
    attached(data)


def test_a_picture_belongs_to_the_page_that_names_it() -> None:
    picture = Inline(kind="image/png", content_id="x1@map.invalid", data=b"\x89PNG\r\n")
    page = '<p><img src="cid:x1@map.invalid" alt="Map"></p>'
    message = received(filled(Content(sender="a@b.example", subject="s", text="t", html=page, inline=picture)))
    assert message.get_content_type() == "multipart/alternative"
    plain, related = message.iter_parts()
    assert (plain.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    assert related.get_param("type") == "text/html"
    shown, drawn = related.iter_parts()
    assert shown.get_content_type() == "text/html"
    assert (drawn["Content-ID"], drawn.get_content_disposition()) == ("<x1@map.invalid>", "inline")
    assert drawn.get_payload(decode=True) == picture.data
    assert not message.defects


@given(
    st.one_of(
        st.from_regex(r"[a-z0-9._+-]{1,70}@[a-z0-9.-]{1,70}\.[a-z]{1,5}", fullmatch=True),
        st.text(alphabet="ab.@-_+\n ", max_size=12),
    )
)
def test_the_short_way_through_usual_addresses_says_what_the_rules_say(text: str) -> None:
    assert parse_address(text) == _parse_address(text)


@pytest.mark.parametrize("content_id", ["x", "x@y\r\nBcc: z@z.example", "a b@map.invalid", "x>@map.invalid"])
def test_a_picture_without_a_proper_name_is_an_error(content_id: str) -> None:
    picture = Inline(kind="image/png", content_id=content_id, data=b"")
    with pytest.raises(ValueError, match="Message-ID"):
        render(Content(sender="a@b.example", subject="s", text="t", html="<p>t</p>", inline=picture))


def test_a_recipient_changes_only_the_headers() -> None:
    template = render(Content(sender="a@b.example", subject="100 % sure", text="50 % off\n.\n..\n.hidden\n"))
    one = template.fill(to=b"x@example.net", message_id=b"1@b.example", date=b"d")
    two = template.fill(to=b"y%s@example.net", message_id=b"2@b.example", date=b"d", extra=b"X-More: 1\r\n")
    assert one[1] is two[1]
    assert two[0] == b"To: <y%s@example.net>\r\nMessage-ID: <2@b.example>\r\nDate: d\r\nX-More: 1\r\n"
    assert payload(received(b"".join(two))) == "50 % off\n.\n..\n.hidden\n"


@given(ANY, ANY)
def test_no_header_value_starts_another_header(subject: str, name: str) -> None:
    evil = f"{subject}\r\nBcc: victim@example.net\r\n\r\n.\r\n{name}"
    message = received(filled(Content(sender="a@b.example", sender_name=evil, subject=evil, text="t")))
    assert message["Bcc"] is None
    assert payload(message) == "t\n"


@given(ADDRESSES)
def test_usual_addresses_are_accepted_as_they_are(address: str) -> None:
    found = parse_address(address)
    assert found is not None
    assert found.wire.decode() == address == StdlibAddress(addr_spec=address).addr_spec


@given(st.text(max_size=80))
def test_no_address_breaks_out_of_its_line(text: str) -> None:
    for candidate in (text, text + "@example.net", "x@" + text):
        address = parse_address(candidate)
        if address is not None:
            assert not set(address.wire) & set(b"\r\n\0<> ") or address.wire.startswith(b'"')
            assert not set(address.wire) & set(b"\r\n\0")
            assert len(address.wire) <= 254


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "user",
        "user@",
        "@example.net",
        "user@localhost",
        "a b@example.net",
        "a..b@example.net",
        ".a@example.net",
        "a@example..net",
        "a@-example.net",
        "a@example.net.",
        "a@[127.0.0.1]",
        "a@exam_ple.net",
        "a@example.net\r\nDATA",
        "a\r\nRCPT TO:<b@example.net",
        "a>@example.net",
        "x" * 65 + "@example.net",
        "é" * 33 + "@example.net",
        "a@" + "x" * 64 + ".net",
        "a@" + ".".join(["x" * 60] * 5),
        "\ud800@example.net",
        "a\x85b@example.net",
        "a@" + "ü" * 250 + ".net",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert parse_address(text) is None


def test_international_addresses_travel_as_the_standards_say() -> None:
    domain = parse_address("user@bücher.example")
    assert domain is not None
    assert (domain.wire, domain.utf8) == (b"user@xn--bcher-kva.example", False)
    local = parse_address("jérôme@example.net")
    assert local is not None
    assert (local.wire, local.utf8) == ("jérôme@example.net".encode(), True)
    quoted = parse_address('"a b"@example.net')
    assert quoted is not None
    assert quoted.wire == b'"a b"@example.net'


@given(st.text(min_size=1, max_size=300).map(clean))
def test_encoded_words_are_short_and_whole(value: str) -> None:
    for word in encoded_words(value):
        assert len(word) <= 75  # RFC 2047 §2
    line = field_line("Subject", value)
    assert line.endswith(b"\r\n")
    assert all(len(part) <= 78 for part in line.split(b"\r\n"))
    assert email.message_from_bytes(line + b"\r\n", policy=email.policy.default)["Subject"] == value


@given(ANY)
def test_a_clean_value_is_one_line_of_what_can_be_shown(value: str) -> None:
    line = clean(value)
    assert not [char for char in line if ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000]
    assert line == line.strip(" ")
    assert "  " not in line
    kept = [char for char in value if char in line and char != " "]
    assert kept == [char for char in line if char != " "]


def test_line_breaks_and_controls_become_one_space() -> None:
    assert clean(" a\r\n\t b\x00\x85\u2028c\ud800 ") == "a b c"


@given(st.binary(max_size=40))
def test_xtext_is_printable_and_decodes(value: bytes) -> None:
    coded = xtext(value)
    assert all(33 <= octet <= 126 and octet != ord("=") for octet in coded)
    plain, rest = b"", coded
    while rest:
        if rest[:1] == b"+":
            plain, rest = plain + bytes.fromhex(rest[1:3].decode()), rest[3:]
        else:
            plain, rest = plain + rest[:1], rest[1:]
    assert plain == value


@given(st.text(max_size=400))
def test_quoted_printable_lines_are_short(text: str) -> None:
    lines = quoted_printable(text).split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 76 for line in lines)  # RFC 2045 §6.7


@pytest.mark.parametrize(
    "content",
    [
        Content(sender="nobody", subject="s", text="t"),
        Content(sender="jérôme@example.net", subject="s", text="t"),
        Content(sender="a@b.example", subject="s", text="t", language="nl\r\nX: y"),
        Content(sender="a@b.example", subject="s", text="t", fields=(("X-A: b\r\nX-B", "v"),)),
        Content(
            sender="a@b.example", subject="s", text="t", attachment=Attachment(kind="a/b", name='a".xml', data=b"")
        ),
        Content(sender="a@b.example", subject="s", text="t", attachment=Attachment(kind="ab", name="a.xml", data=b"")),
    ],
)
def test_what_can_not_be_a_mail_is_an_error(content: Content) -> None:
    with pytest.raises(ValueError, match="not"):
        render(content)


@pytest.mark.parametrize("url", ["", "https://x y", "https://x\r\n", "https://x>", "https://" + "x" * 1000])
def test_a_url_that_could_leave_its_brackets_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        url_field("List-Unsubscribe", url)


def test_a_url_stands_in_brackets() -> None:
    assert url_field("List-Unsubscribe", "https://x.example/u/1") == b"List-Unsubscribe: <https://x.example/u/1>\r\n"

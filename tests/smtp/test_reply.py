"""Replies out of bytes, and what they mean; the standard library's smtplib is the second reader."""

import io
import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.reply import (
    CODE_WORDS,
    ENHANCED_WORDS,
    MAX_LINE_BYTES,
    MAX_LINES,
    Command,
    Reply,
    ReplyParser,
    Scope,
    Verdict,
    judge,
    scope,
)

CODES = st.integers(2, 5).flatmap(lambda first: st.integers(first * 100, first * 100 + 99))
TEXTS = st.binary(max_size=60).map(lambda raw: bytes(octet for octet in raw if octet not in b"\r\n"))
REPLIES = st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=6))


def wire(code: int, lines: list[bytes]) -> bytes:
    """A reply as a server writes it."""
    return b"".join(b"%d-%b\r\n" % (code, line) for line in lines[:-1]) + b"%d %b\r\n" % (code, lines[-1])


@given(st.lists(REPLIES, max_size=5), st.data())
def test_replies_survive_any_cut_of_the_stream(replies: list[tuple[int, list[bytes]]], data: st.DataObject) -> None:
    stream = b"".join(wire(code, lines) for code, lines in replies)
    parser, found = ReplyParser(), list[Reply]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += parser.feed(stream[:size])
        stream = stream[size:]
    assert found == [Reply(code, b"\n".join(lines)) for code, lines in replies]
    assert not parser.fault
    assert not parser.pending


@given(st.lists(st.one_of(REPLIES.map(lambda reply: wire(*reply)), st.binary(max_size=40)), min_size=1, max_size=6))
def test_what_was_said_before_changes_nothing_in_how_it_is_read(pieces: list[bytes]) -> None:
    """A reply that a server repeats is kept; never instead of another one."""
    parser, fresh = ReplyParser(), ReplyParser()
    for piece in pieces:
        once = fresh.feed(piece)
        assert parser.feed(piece) == once
        if fresh.fault or fresh.pending:
            return
        fresh = ReplyParser()
        assert parser.feed(piece) == once


def test_only_a_few_short_replies_are_kept() -> None:
    parser = ReplyParser()
    for number in range(1000):
        assert parser.feed(b"250 %d\r\n250 %b\r\n" % (number, b"x" * 1000)) == [
            Reply(250, b"%d" % number),
            Reply(250, b"x" * 1000),
        ]
    assert len(parser._known) == 64
    assert max(map(len, parser._known)) < 10


@given(REPLIES)
def test_smtplib_reads_the_same_reply(reply: tuple[int, list[bytes]]) -> None:
    code, lines = reply
    other = smtplib.SMTP()
    other.file = io.BytesIO(wire(code, lines))
    theirs = other.getreply()
    (ours,) = ReplyParser().feed(wire(code, lines))
    assert ours.code == theirs[0]
    assert b"\n".join(line.strip(b" \t\r\n") for line in ours.text.split(b"\n")) == theirs[1].replace(b"\r", b"")


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_make_the_parser_raise_or_grow(pieces: list[bytes]) -> None:
    parser = ReplyParser()
    for piece in pieces:
        for reply in parser.feed(piece):
            assert 200 <= reply.code <= 599
    held = len(parser._rest) + sum(map(len, parser._lines))
    assert parser.fault or held <= MAX_LINE_BYTES * (MAX_LINES + 1)


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"250-more\r\n" * (MAX_LINES + 5), "reply without end"),
        (b"250 " + b"x" * 3000 + b"\r\n", "reply line too long"),
        (b"250 " + b"x" * 3000, "reply line too long"),
        (b"250-a\r\n550 b\r\n", "code changes inside a reply"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not a reply"),
        (b"25\r\n", "not a reply"),
        (b"250_no\r\n", "not a reply"),
        (b"150 too low\r\n", "not a reply"),
        (b"600 too high\r\n", "not a reply"),
        (b"\r\n", "not a reply"),
    ],
)
def test_what_is_no_reply_is_a_fault(stream: bytes, fault: str) -> None:
    parser = ReplyParser()
    assert parser.feed(b"220 hello\r\n" + stream) == [Reply(220, b"hello")]
    assert parser.fault == fault
    assert parser.feed(b"250 too late\r\n") == []


def test_a_code_alone_and_a_bare_line_feed_are_accepted() -> None:
    assert ReplyParser().feed(b"250\r\n354\n") == [Reply(250, b""), Reply(354, b"")]


@pytest.mark.parametrize(
    ("reply", "enhanced"),
    [
        (Reply(550, b"5.1.1 no such user"), "5.1.1"),
        (Reply(250, b"2.0.0\n2.0.0 two lines"), "2.0.0"),
        (Reply(250, b"2.0.0"), "2.0.0"),
        (Reply(450, b"5.1.1 class and code differ"), ""),
        (Reply(550, b"5.1.1no space"), ""),
        (Reply(550, b"no code 5.1.1"), ""),
        (Reply(550, b"5.1.1111 too long"), ""),
    ],
)
def test_enhanced_codes_are_read_where_they_belong(reply: Reply, enhanced: str) -> None:
    assert reply.enhanced == enhanced


@given(CODES, TEXTS)
def test_the_meaning_never_repeats_the_peer(code: int, text: bytes) -> None:
    words = set(CODE_WORDS.values()) | set(ENHANCED_WORDS.values()) | {""}
    reply = Reply(code, text)
    assert reply.meaning.removeprefix(reply.enhanced).strip() in words


def test_meanings_are_the_standards_words() -> None:
    assert Reply(550, b"5.1.1 <someone@example.net> unknown").meaning == "5.1.1 bad destination mailbox address"
    assert Reply(451, b"try later").meaning == "local error in processing"
    assert Reply(599, b"?").meaning == ""


@pytest.mark.parametrize(
    ("reply", "of"),
    [
        (Reply(450, b"4.2.0 greylisted"), Scope.MAILBOX),
        (Reply(452, b"4.2.2 full"), Scope.MAILBOX),
        (Reply(451, b"4.3.0 try again later"), Scope.RELAY),
        (Reply(452, b"4.3.1 no space"), Scope.RELAY),
        (Reply(450, b"4.4.1 no answer from host"), Scope.DOMAIN),
        (Reply(451, b"4.7.500 server busy"), Scope.DOMAIN),
        (Reply(451, b"try later"), Scope.DOMAIN),
    ],
)
def test_a_refusal_for_now_speaks_of_a_mailbox_a_domain_or_the_relay(reply: Reply, of: Scope) -> None:
    assert scope(reply, of_sender=False) is of
    assert scope(reply, of_sender=True) is Scope.RELAY


@pytest.mark.parametrize(
    ("command", "reply", "verdict"),
    [
        (Command.DOT, Reply(250), Verdict.OK),
        (Command.DOT, Reply(451), Verdict.RETRY),
        (Command.DOT, Reply(554), Verdict.FAILED),
        (Command.DOT, Reply(354), Verdict.BROKEN),
        (Command.DATA, Reply(354), Verdict.MORE),
        (Command.DATA, Reply(250), Verdict.BROKEN),
        (Command.DATA, Reply(399), Verdict.BROKEN),
        (Command.RCPT, Reply(251), Verdict.OK),
        (Command.RCPT, Reply(550), Verdict.FAILED),
        (Command.RCPT, Reply(552), Verdict.RETRY),
        (Command.RCPT, Reply(354), Verdict.BROKEN),
        (Command.MAIL, Reply(530), Verdict.CLOSE),
        (Command.MAIL, Reply(550), Verdict.RETRY),
        (Command.MAIL, Reply(553, b"5.1.8 sender's domain"), Verdict.RETRY),
        (Command.MAIL, Reply(553), Verdict.RETRY),
        (Command.MAIL, Reply(553, b"5.6.7 this recipient needs SMTPUTF8"), Verdict.FAILED),
        (Command.MAIL, Reply(552), Verdict.FAILED),
        (Command.MAIL, Reply(550, b"5.3.4 too big"), Verdict.FAILED),
        (Command.AUTH, Reply(334), Verdict.MORE),
        (Command.AUTH, Reply(535), Verdict.FAILED),
    ],
)
def test_the_table_judges_by_command_and_code(command: Command, reply: Reply, verdict: Verdict) -> None:
    assert judge(command, reply) is verdict


@pytest.mark.parametrize("command", Command)
def test_421_closes_whatever_it_answers(command: Command) -> None:
    assert judge(command, Reply(421)) is Verdict.CLOSE


@given(st.sampled_from([command for command in Command if command is not Command.DATA]), st.integers(200, 299), TEXTS)
def test_every_2yz_but_to_data_is_a_success_whatever_it_says(command: Command, code: int, text: bytes) -> None:
    """The session takes that for granted."""
    assert judge(command, Reply(code, text)) is Verdict.OK


@given(st.sampled_from(Command), CODES, TEXTS)
def test_every_reply_has_a_verdict_and_no_refusal_is_taken_for_success(
    command: Command, code: int, text: bytes
) -> None:
    verdict = judge(command, Reply(code, text))
    if verdict is Verdict.OK:
        assert code < 300
    if verdict is Verdict.MORE:
        assert 300 <= code < 400
    if code >= 400:
        assert verdict in (Verdict.RETRY, Verdict.FAILED, Verdict.CLOSE)

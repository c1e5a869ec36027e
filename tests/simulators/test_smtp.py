"""The SMTP simulator as foreign clients see it: smtplib, and bytes by hand."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.recorder import Outcomes, Received, Recorder
from gateway.simulators.smtp import ACTS, MAX_LINE_BYTES, SmtpBehaviour, SmtpSimulator, decode

MAIL = b"MAIL FROM:<s@x.example>\r\nRCPT TO:<%b@y.example>\r\nDATA\r\n"
DEADLINE_S = 60.0


@asynccontextmanager
async def simulator(
    outcomes: Outcomes | None = None, **behaviour: Any
) -> AsyncIterator[tuple[SmtpSimulator, Recorder]]:
    """A running simulator and its record."""
    recorder = Recorder()
    running = SmtpSimulator(outcomes=outcomes or Outcomes(), recorder=recorder, behaviour=SmtpBehaviour(**behaviour))
    await running.start()
    try:
        yield running, recorder
    finally:
        await running.stop()


class Client:
    """A client by hand: what is written, what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> list[bytes]:
        """Write and read as many replies as there are commands in `data` (a message counts as one)."""
        self.writer.write(data)
        head, _, _ = data.partition(b"DATA\r\n")
        return [await self.reply() for _ in range(head.count(b"\r\n") + (1 if b"DATA" in data else 0))]

    async def reply(self) -> bytes:
        """One reply, its last line; empty at the end of the connection."""
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.reader.readline():
                if line[3:4] != b"-":
                    return line.rstrip(b"\r\n")
        return b""


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    """A greeted client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        found = Client(reader, writer)
        assert (await found.reply()).startswith(b"220 ")
        assert (await found.say(b"EHLO me\r\n"))[0].startswith(b"250 ")
        yield found
    finally:
        writer.close()


def posted(port: int, *recipients: str, **headers: str) -> dict[str, tuple[int, bytes]]:
    """A mail of text and HTML by smtplib; what was refused."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["Subject"] = "s"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Gand, été\n.dot\n")
    message.add_alternative("<p>no</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as foreign:
        return foreign.sendmail("s@x.example", recipients, message.as_bytes())


async def test_a_foreign_client_delivers_and_its_words_are_recorded() -> None:
    async with simulator() as (running, recorder):
        refused = await asyncio.to_thread(posted, running.port, "a@y.example", "b@y.example", X_Alert_Mode="exercise")
        assert not refused
        assert [one._replace(at=0.0) for one in recorder.records()] == [
            Received("email", to, "Gand, été\n.dot\n", 0.0, "exercise") for to in ("a@y.example", "b@y.example")
        ]
        assert running.messages == 1


async def test_a_mail_that_names_no_mode_gets_the_simulators() -> None:
    async with simulator() as (running, recorder):
        await asyncio.to_thread(posted, running.port, "a@y.example")
        assert [one.mode for one in recorder.records()] == ["test"]


async def test_extensions_are_announced_as_agreed() -> None:
    def announced(port: int) -> dict[str, str]:
        with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as foreign:
            foreign.ehlo()
            return foreign.esmtp_features

    async with simulator() as (running, _):
        assert {"pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "dsn", "size"} == set(
            await asyncio.to_thread(announced, running.port)
        )
    async with simulator(pipelining=False) as (running, _):
        assert "pipelining" not in await asyncio.to_thread(announced, running.port)


async def test_pipelined_mails_are_answered_in_order() -> None:
    async with simulator() as (running, recorder), client(running.port) as by_hand:
        assert [reply[:3] for reply in await by_hand.say(MAIL % b"a")] == [b"250", b"250", b"354"]
        by_hand.writer.write(b"Subject: 1\r\n\r\none\r\n..two\r\n.\r\n" + MAIL % b"b")
        assert [(await by_hand.reply())[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        by_hand.writer.write(b"\r\n..x\r\n.\r\nQUIT\r\n")
        assert [(await by_hand.reply())[:3] for _ in range(2)] == [b"250", b"221"]
        assert [(one.to, one.text) for one in recorder.records()] == [
            ("a@y.example", "one\n.two\n"),
            ("b@y.example", ".x\n"),
        ]


async def test_any_cut_of_the_stream_gives_the_same_record() -> None:
    stream = MAIL % b"a" + b"Subject: 1\r\n\r\none\r\n.\r\n" + MAIL % b"b" + b".\r\nQUIT\r\n"
    async with simulator() as (running, recorder), client(running.port) as by_hand:
        for octet in stream:
            by_hand.writer.write(bytes((octet,)))
            await by_hand.writer.drain()
            await asyncio.sleep(0)
        replies = [(await by_hand.reply())[:3] for _ in range(9)]
        assert replies == [b"250", b"250", b"354", b"250", b"250", b"250", b"354", b"250", b"221"]
        assert [one.text for one in recorder.records()] == ["one\n", ""]


@pytest.mark.parametrize(
    ("word", "replies"),
    [
        ("failed", [b"550", b"503"]),
        ("retry", [b"451", b"503"]),
        ("full", [b"452", b"503"]),
        ("closing", [b"421", b""]),
        ("refused", [b"250", b"354", b"554"]),
        ("retry_message", [b"250", b"354", b"451"]),
        ("cut", [b"250", b"354", b""]),
        ("lost", [b"250", b"354", b""]),
        ("silent", [b"250", b"354", b"250"]),
        ("expired", [b"250", b"354", b"250"]),
        ("delivered", [b"250", b"354", b"250"]),
        ("no such word", [b"250", b"354", b"250"]),
    ],
)
async def test_each_word_has_its_place_on_the_wire(word: str, replies: list[bytes]) -> None:
    async with simulator(Outcomes(otherwise=word)) as (running, recorder), client(running.port) as by_hand:
        found = (await by_hand.say(MAIL % b"a"))[1:]
        if found[-1][:3] == b"354":
            by_hand.writer.write(b"Subject: s\r\n\r\nx\r\n.\r\n")
            found.append(await by_hand.reply())
        assert [reply[:3] for reply in found] == replies
        assert len(recorder.records()) == (1 if ACTS.get(word, ACTS["delivered"]).taken else 0)


async def test_a_greylisted_address_is_taken_the_second_time() -> None:
    async with simulator(Outcomes(otherwise="retry_once")) as (running, _), client(running.port) as by_hand:
        assert [reply[:3] for reply in await by_hand.say(MAIL % b"a")] == [b"250", b"450", b"503"]
        await by_hand.say(b"RSET\r\n")
        assert [reply[:3] for reply in await by_hand.say(MAIL % b"a")] == [b"250", b"250", b"354"]


async def test_commands_out_of_order_are_refused() -> None:
    async with simulator() as (running, _), client(running.port) as by_hand:
        assert (await by_hand.say(b"RCPT TO:<a@y.example>\r\n"))[0][:3] == b"503"
        assert (await by_hand.say(b"DATA\r\n"))[0][:3] == b"503"
        assert (await by_hand.say(b"MAIL FROM:s@x.example\r\n"))[0][:3] == b"501"
        assert (await by_hand.say(b"MAIL FROM:<>\r\nMAIL FROM:<>\r\n"))[1][:3] == b"503"
        assert (await by_hand.say(b"RCPT TO:nobody\r\n"))[0][:3] == b"501"
        assert (await by_hand.say(b"VRFY x\r\n"))[0][:3] == b"502"
        assert (await by_hand.say(b"NOOP\r\n"))[0][:3] == b"250"


async def test_a_line_without_end_ends_the_connection() -> None:
    async with simulator() as (running, _), client(running.port) as by_hand:
        by_hand.writer.write(b"x" * (MAX_LINE_BYTES + 2))
        assert (await by_hand.reply())[:3] == b"500"
        assert await by_hand.reply() == b""


async def test_too_many_messages_on_one_connection_meet_421() -> None:
    async with simulator(messages=1) as (running, _), client(running.port) as by_hand:
        await by_hand.say(MAIL % b"a")
        by_hand.writer.write(b"Subject: s\r\n\r\nx\r\n.\r\nMAIL FROM:<s@x.example>\r\n")
        assert [(await by_hand.reply())[:3] for _ in range(3)] == [b"250", b"421", b""]


async def test_a_delay_holds_back_the_answer_and_what_stands_behind_it() -> None:
    async with simulator(delay_s=0.05) as (running, _), client(running.port) as by_hand:
        await by_hand.say(MAIL % b"a")
        began = asyncio.get_running_loop().time()
        by_hand.writer.write(b"Subject: s\r\n\r\nx\r\n.\r\nNOOP\r\n")
        assert (await by_hand.reply()).startswith(b"250 2.0.0 taken")
        assert asyncio.get_running_loop().time() - began >= 0.045
        assert (await by_hand.reply()).startswith(b"250 2.0.0 here")


@pytest.mark.parametrize(
    ("behaviour", "said"), [({"refuse": True}, b"554 5.3.2 no service here\r\n"), ({"mute": True}, b"")]
)
async def test_it_may_refuse_or_say_nothing(behaviour: dict[str, Any], said: bytes) -> None:
    async with simulator(**behaviour) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"EHLO me\r\n")
        try:
            async with asyncio.timeout(30 if said else 0.1):
                heard = await reader.read(100)
        except TimeoutError:
            heard = b""
        assert heard == said
        writer.close()


async def test_an_answer_to_ehlo_may_never_end() -> None:
    async with simulator(endless_reply=True) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await reader.readline()
        writer.write(b"EHLO me\r\n")
        lines = [await reader.readline() for _ in range(900)]
        assert all(line.startswith(b"250-") for line in lines)
        writer.close()


async def test_a_taken_port_is_an_error_and_stopping_twice_is_none() -> None:
    async with simulator() as (running, recorder):
        second = SmtpSimulator(port=running.port, outcomes=Outcomes(), recorder=recorder)
        with pytest.raises(OSError, match="address"):
            await second.start()
        await second.stop()
        await running.stop()


async def test_stopping_drops_every_client() -> None:
    async with simulator() as (running, _), client(running.port) as by_hand:
        assert running.connections == 1
        await running.stop()
        assert await by_hand.reply() == b""


def part(kind: str, body: str) -> tuple[bytes, bytes]:
    """Content-Type and body."""
    return f"Content-Type: {kind}".encode(), body.encode()


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (*part("text/plain; charset=utf-8", "été"), "été"),
        (*part("text/html", "<p>only</p>"), "<p>only</p>"),
        (
            *part('multipart/mixed; boundary="b"', "--b\r\nContent-Type: text/html\r\n\r\nh\r\n--b\r\n\r\np\r\n--b--"),
            "p",
        ),
        (*part('multipart/mixed; boundary="b"', "nothing here"), "nothing here"),
        (*part("image/png", "raw"), "raw"),
        (b"", b"plain", "plain"),
    ],
)
def test_plain_text_is_read_before_html_and_that_before_anything(kind: bytes, body: bytes, text: str) -> None:
    assert decode(kind, body) == text


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_mail_makes_the_reader_raise(kind: bytes, body: bytes) -> None:
    assert isinstance(decode(b"Content-Type: " + kind, body), str)


def test_mails_nested_without_end_are_read_as_they_are() -> None:
    depth = 3000
    body = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(depth))
    assert isinstance(decode(b'Content-Type: multipart/mixed; boundary="x"', b"--x\r\n" + body), str)

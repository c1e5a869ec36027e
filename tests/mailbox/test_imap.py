"""The connection to a mailbox, with a server that says whatever the test wants; tests/peers has a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.mailbox.imap import Box, BoxLost, _fetched
from gateway.mailbox.settings import BoxSettings
from tests.mailbox.stand import box_settings

Lines = Callable[[str, str], bytes]
"""(tag, command) -> what the server says."""


def usual(tag: str, command: str) -> bytes:
    """A server with one mail."""
    verb = command.split(maxsplit=1)[0].upper()
    done = f"{tag} OK done\r\n".encode()
    if verb == "CAPABILITY":
        return b"* CAPABILITY IMAP4rev1 IDLE\r\n" + done
    if verb == "SELECT":
        return b"* 1 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\n" + done
    if verb == "IDLE":
        return b"+ idling\r\n"
    if command.upper().startswith("UID SEARCH"):
        return b"* SEARCH 5\r\n" + done
    if command.upper().startswith("UID FETCH"):
        return b"* 1 FETCH (UID 5 RFC822.SIZE 9 BODY[HEADER]<0> {9}\r\nFrom: a\r\n)\r\n" + done
    return done


@asynccontextmanager
async def server(says: Lines, *, patience_s: float = 60.0) -> AsyncIterator[BoxSettings]:
    """A server whose answers are `says`, and how long they are waited for; b"" for LOGOUT closes."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError):
            await converse(reader, writer)
        writer.transport.abort()
        writers.append(writer)  # until the loop has closed it

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK hello\r\n")
        tag = ""
        while line := (await reader.readline()).decode().strip():
            if line == "DONE":
                writer.write(f"{tag} OK done\r\n".encode())
                continue
            tag, _, command = line.partition(" ")
            said = says(tag, command)
            if said == b"CLOSE":
                return
            writer.write(said)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield box_settings(
            listening.sockets[0].getsockname()[1], command_timeout_s=patience_s, mail_timeout_s=patience_s
        )
    finally:
        listening.close()
        # the client has closed: every conversation ends by itself
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        await asyncio.sleep(0)


def instead(begin: str, said: bytes) -> Lines:
    """The usual server, but for commands that begin so; `%t` is the tag."""
    return lambda tag, command: (
        said.replace(b"%t", tag.encode()) if command.upper().startswith(begin) else usual(tag, command)
    )


async def test_a_mailbox_is_read() -> None:
    async with server(usual) as settings, Box.opened(settings) as box:
        assert await box.select() == 77
        assert await box.uids_behind(0) == [5]
        assert await box.uids_behind(5) == []  # * is the last mail, whatever its number
        heads = await box.heads([5])
        assert [(head.uid, head.size_bytes, head.header) for head in heads] == [(5, 9, b"From: a\r\n")]
        assert await box.mail(6, 100) is None
        assert await box.mark_seen([5])


async def test_news_that_come_with_another_answer_are_not_lost() -> None:
    says = instead("UID SEARCH", b"* SEARCH 5\r\n* 2 EXISTS\r\n%t OK done\r\n")
    async with server(says) as settings, Box.opened(settings) as box:
        await box.select()
        await box.uids_behind(0)
        async with asyncio.timeout(30):
            await box.wait(60)


async def test_news_while_idle_end_the_wait() -> None:
    says = instead("IDLE", b"+ idling\r\n* 2 EXISTS\r\n")
    async with server(says) as settings, Box.opened(settings) as box:
        await box.select()
        async with asyncio.timeout(30):
            await box.wait(60)
        assert await box.uids_behind(0) == [5]  # and the connection is of use afterwards


async def test_without_news_the_wait_ends_by_itself_with_and_without_idle() -> None:
    no_idle = instead("CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n%t OK done\r\n")
    for says in (usual, no_idle):
        async with server(says) as settings, Box.opened(settings) as box:
            await box.select()
            await box.wait(0.05)
            assert await box.uids_behind(0) == [5]


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ("LOGIN", b"%t NO go away\r\n"),
        ("SELECT", b"%t NO no such folder\r\n"),
        ("SELECT", b"* 1 EXISTS\r\n%t OK no validity\r\n"),
        ("SELECT", b""),
        ("SELECT", b"CLOSE"),
        ("SELECT", b"A999 OK of whom\r\n"),
        ("SELECT", b"* " + b"x" * 5_000_000),
        ("UID SEARCH", b"%t BAD what\r\n"),
        ("UID SEARCH", b"* 1 FETCH (\xff\r\n" * 5000 + b"%t OK done\r\n"),
        ("UID FETCH", b"%t NO not today\r\n"),
        ("UID FETCH", b"* 1 FETCH (UID 5 BODY[] {999999999}\r\n" + b"x" * 9_000_000),
        ("UID FETCH", b"* 1 FETCH (UID 5 BODY[] {100}\r\nabc"),
        ("IDLE", b"%t BAD no\r\n"),
        ("IDLE", b"CLOSE"),
        ("CAPABILITY", b"* CAPABILITY\r\n%t OK done\r\n"),
    ],
)
async def test_whatever_a_server_says_wrong_the_connection_is_given_up_in_time(begin: str, said: bytes) -> None:
    async with server(instead(begin, said), patience_s=1.5) as settings:
        async with asyncio.timeout(60):
            with pytest.raises(BoxLost):
                async with Box.opened(settings) as box:
                    await box.select()
                    for uid in await box.uids_behind(0):
                        await box.mail(uid, 1000)
                    await box.wait(30)
                    raise BoxLost("the wait ended")


async def test_nobody_listens(port: int) -> None:
    with pytest.raises(BoxLost):
        async with Box.opened(box_settings(port)):
            pass


def test_flags_between_mails_are_left_out() -> None:
    lines: list[bytes | bytearray] = [
        b"1 FETCH (FLAGS (\\Seen))", b"2 FETCH (BODY[] {3}", bytearray(b"abc"), b" UID 9 RFC822.SIZE 3)", b"done",
    ]  # fmt: skip
    assert _fetched(lines) == [(9, 3, b"abc")]


async def test_an_authority_file_that_is_not_there_is_trouble_of_this_mailbox_only() -> None:
    with pytest.raises(BoxLost, match="ca_file"):
        async with Box.opened(box_settings(security="tls", ca_file=Path("/nowhere.pem"))):
            pass

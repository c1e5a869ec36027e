"""What stands on the other side."""

import asyncio
import json
import shutil
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import smpplib.client
import smpplib.consts

from gateway.bench import peers
from gateway.bench.children import Child, started
from gateway.bench.wanted import Peer, Wanted


class Esme:
    """A foreign client that binds, sends and remembers what comes."""

    def __init__(self, port: int) -> None:
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=60, allow_unknown_opt_params=True)
        self.receipts: list[Any] = []
        self.ids: list[bytes] = []
        self.client.set_message_received_handler(self._received)
        self.client.set_message_sent_handler(lambda pdu: self.ids.append(pdu.message_id))
        self.client.connect()

    def _received(self, pdu: Any) -> int:
        self.receipts.append(pdu)
        return int(smpplib.consts.SMPP_ESME_ROK)

    def send(self, number: str, *, receipt: bool = True) -> None:
        self.client.send_message(
            source_addr="Bench", destination_addr=number, short_message=b"hello", registered_delivery=receipt,
            source_addr_ton=5, source_addr_npi=0, dest_addr_ton=1, dest_addr_npi=1,
        )  # fmt: skip

    def read(self, until: int) -> None:
        while len(self.receipts) < until:
            self.client.read_once(auto_send_enquire_link=False)


@asynccontextmanager
async def sink(folder: Path, *words: str) -> AsyncIterator[tuple[int, Child]]:
    program = await peers.sink_program(folder)
    assert program is not None
    async with started("sink", [program, *words], log=folder / "log") as child:
        yield int((await child.says(r"^listening (\d+)$"))[1]), child


def exchange(port: int, numbers: list[str]) -> Esme:
    esme = Esme(port)
    esme.client.bind_transceiver(system_id="gateway", password="secret")
    for number in numbers:
        esme.send(number)
    esme.read(len(numbers))
    esme.client.unbind()
    esme.client.disconnect()
    return esme


@pytest.mark.peer("gcc")
async def test_the_sink_answers_each_message_and_sends_its_receipt(tmp_path: Path) -> None:
    async with sink(tmp_path, "-d", "20", "-f", "0") as (port, child):
        esme = await asyncio.to_thread(exchange, port, [f"3247000000{n}" for n in range(5)])
        told = json.loads(await child.stop())
    texts = [bytes(pdu.short_message) for pdu in esme.receipts]
    assert sorted(text.split()[0].removeprefix(b"id:") for text in texts) == sorted(esme.ids)
    assert all(b"stat:DELIVRD" in text for text in texts)
    assert {bytes(pdu.source_addr) for pdu in esme.receipts} == {b"3247000000%d" % n for n in range(5)}
    assert {bytes(pdu.destination_addr) for pdu in esme.receipts} == {b"Bench"}
    assert {pdu.esm_class for pdu in esme.receipts} == {4}
    assert (told["submits"], told["receipts"], told["lost"]) == (5, 5, 0)


@pytest.mark.peer("gcc")
async def test_the_sink_can_say_ids_in_two_ways_and_that_all_failed(tmp_path: Path) -> None:
    async with sink(tmp_path, "-d", "0", "-f", "1000", "-x") as (port, _):
        esme = await asyncio.to_thread(exchange, port, ["32470000001", "32470000002"])
    texts = [bytes(pdu.short_message) for pdu in esme.receipts]
    assert sorted(int(text.split()[0][3:]) for text in texts) == sorted(int(one, 16) for one in esme.ids)
    assert all(b"stat:UNDELIV" in text for text in texts)


@pytest.mark.peer("gcc")
@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0" * 4,
        b"\xff" * 64,
        b"\0\0\0\x11\0\0\0\x04\0\0\0\0\0\0\0\x01x",  # a submit_sm of one byte
        b"\0\0\0\x30\0\0\0\x04\0\0\0\0\0\0\0\x01" + b"9" * 32,  # addresses without an end
    ],
)
async def test_the_sink_hangs_up_on_garbage_and_goes_on(tmp_path: Path, garbage: bytes) -> None:
    async with sink(tmp_path, "-d", "0") as (port, child):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await asyncio.to_thread(exchange, port, ["32470000001"])
        assert child.running


@pytest.mark.peer("gcc")
async def test_the_sink_is_built_once(tmp_path: Path) -> None:
    first = await peers.sink_program(tmp_path)
    assert first is not None
    built_at = first.stat().st_mtime_ns
    assert await peers.sink_program(tmp_path) == first
    assert first.stat().st_mtime_ns == built_at
    assert list(tmp_path.iterdir()) == [first]


async def test_without_a_compiler_the_simulator_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert await peers.sink_program(tmp_path) is None
    async with peers.smsc(Wanted(receipts_ms=0), tmp_path) as other:
        assert other.words == "gateway simulate smsc"
        await asyncio.to_thread(exchange, other.port, ["32470000011"])
        async with aiohttp.ClientSession() as session, session.get(other.received) as page:
            assert json.loads(await page.text())["text"] == "hello"


@pytest.mark.parametrize("program", ["smtp-sink", "none"])
async def test_a_relay_takes_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    if program == "none":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    elif shutil.which(program, path=peers.SEARCH) is None:
        pytest.skip("this machine has no smtp-sink")
    async with peers.relay(Wanted(), tmp_path) as other:
        assert (other.words == "smtp-sink") == (program == "smtp-sink")
        await asyncio.to_thread(mail, other.port)


def mail(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        assert client.sendmail("a@example.org", ["b@example.org"], "Subject: x\n\nhello\n") == {}


async def test_a_foreign_peer_is_left_alone(tmp_path: Path) -> None:
    wanted = Wanted(peer=Peer("192.0.2.1", 2775))
    async with peers.smsc(wanted, tmp_path) as smsc, peers.relay(wanted, tmp_path) as relay:
        assert smsc == relay == peers.Other("192.0.2.1:2775", "192.0.2.1", 2775)
    assert list(tmp_path.iterdir()) == []

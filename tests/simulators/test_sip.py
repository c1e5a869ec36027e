"""The SIP simulator on its sockets, and against sipp as a caller that was written by somebody else."""

import asyncio
import re
import socket
import time
from pathlib import Path
from typing import cast

import pytest

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.sip import SipSimulator
from gateway.simulators.sip_party import Timing
from tests.simulators.test_sip_party import invite, request
from tests.support.waiting import until


class Caller(asyncio.DatagramProtocol):
    """Sends and collects."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.say, self.close = self._transport.sendto, self._transport.close

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait(data)

    async def code(self) -> int:
        async with asyncio.timeout(60):
            return int((await self.heard.get())[8:11])


async def calling(simulator: SipSimulator) -> Caller:
    host, _, port = simulator.address.partition(":")
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_datagram_endpoint(Caller, remote_addr=(host, int(port)))
    return caller


async def test_calls_come_in_over_udp_and_are_recorded() -> None:
    recorder, timing = Recorder(), Timing(ring_s=0.01)
    async with SipSimulator(recorder=recorder, mode="exercise", timing=timing) as simulator:
        caller = await calling(simulator)
        caller.say(b"\x00garbage")
        caller.say(invite("+3247000000"))
        assert [await caller.code() for _ in range(3)] == [100, 180, 200]
        caller.say(request("OPTIONS"))
        assert await caller.code() == 200
        caller.close()
        assert simulator.parties.in_progress == 1
        assert len(simulator.starts()) == 1
    assert [(call.channel, call.to, call.mode) for call in recorder.records()] == [("voice", "+3247000000", "exercise")]


async def test_a_call_has_the_time_at_which_its_datagram_came_however_late_it_is_read() -> None:
    recorder = Recorder()
    async with SipSimulator(recorder=recorder) as simulator:
        host, _, port = simulator.address.partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            before_s = time.time()
            caller.sendto(invite("+3247000000"), (host, int(port)))
            after_s = time.time()
        time.sleep(0.3)  # the loop does something else
        await until(simulator.starts)
    (start_s,) = simulator.starts()
    assert before_s - 0.1 < start_s < after_s + 0.1
    assert [call.at for call in recorder.records()] == [start_s]


async def test_an_agreed_outcome_wins_over_the_last_digit() -> None:
    outcomes = Outcomes()
    outcomes.tell("+3247000000", "busy")
    async with SipSimulator(outcomes=outcomes) as simulator:
        caller = await calling(simulator)
        caller.say(invite("+3247000000"))
        assert [await caller.code() for _ in range(2)] == [100, 486]
        caller.close()


async def test_audio_is_counted() -> None:
    async with SipSimulator(timing=Timing(ring_s=0.0)) as simulator:
        caller = await calling(simulator)
        caller.say(invite("+3247000000"))
        async with asyncio.timeout(60):
            while not (answer := await caller.heard.get()).startswith(b"SIP/2.0 200"):
                pass
        port = int(answer.split(b"m=audio ")[1].split()[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(10):
                sender.sendto(b"\x80\x08" + b"\xd5" * 170, ("127.0.0.1", port))
        async with asyncio.timeout(60):
            while simulator.audio_packets < 10:
                await asyncio.sleep(0.01)
        heard = simulator.audio()
        assert (heard["calls_at_once"], heard["one_call_in"], heard["packets"]) == (1, 1, 10)
        caller.close()


async def test_of_many_calls_only_some_are_listened_to() -> None:
    async with SipSimulator(timing=Timing(listen_to=4)) as simulator:
        assert simulator._media is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for source in range(16):
                packet = b"\x80\x08" + bytes(6) + source.to_bytes(4) + bytes(160)
                sender.sendto(packet, simulator._media.datagrams.sock.getsockname())
        async with asyncio.timeout(60):
            while simulator.audio_packets < 4:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert simulator.audio()["packets"] == 4


def test_calls_are_chosen_by_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Timing(listen_to=3)


async def test_a_taken_port_is_an_error_and_leaves_no_socket_open() -> None:
    async with SipSimulator() as first:
        with pytest.raises(OSError, match="in use"):
            await SipSimulator(port=first.port).start()


async def test_before_its_start_it_has_no_calls() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = SipSimulator().parties


HEADERS = """
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}
      From: <sip:alert@[local_ip]:[local_port]>;tag=[pid]x[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>{to}
      Call-ID: [call_id]
      CSeq: {cseq} {method}
      Contact: <sip:alert@[local_ip]:[local_port]>
      Max-Forwards: 70
      {more}
"""
OFFER = """Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=alert 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 8 0
      a=rtpmap:8 PCMA/8000
"""
EMPTY = "Content-Length: 0"


def send(
    method: str,
    cseq: str = "1",
    to: str = "[peer_tag_param]",
    more: str = EMPTY,
    attributes: str = "",
    branch: str = "[branch]",
) -> str:
    """One message of a sipp scenario; in CDATA sipp itself removes the indentation."""
    head = f"      {method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0"
    name = method.split(maxsplit=1)[0]
    return (
        f"  <send {attributes}>\n    <![CDATA[\n{head}"
        f"{HEADERS.format(to=to, cseq=cseq, method=name, more=more, branch=branch)}\n    ]]>\n  </send>\n"
    )


# nothing is lost on loopback, and a machine that stands still for a second is no reason to say it again
INVITED = send("INVITE", to="", more=OFFER, attributes='retrans="20000"')
ANSWERED = (
    '  <recv response="100" optional="true"/>\n  <recv response="180" optional="true"/>\n'
    '  <recv response="183" optional="true"/>\n  <recv response="200" rrs="true"/>\n' + send("ACK")
)
HANG_UP = send("BYE", "2", attributes='retrans="20000"') + '  <recv response="200"/>\n'
OK = (
    "  <send>\n    <![CDATA[\n      SIP/2.0 200 OK\n      [last_Via:]\n      [last_From:]\n      [last_To:]\n"
    "      [last_Call-ID:]\n      [last_CSeq:]\n      Content-Length: 0\n\n    ]]>\n  </send>\n"
)


def refused(code: int) -> str:
    """A call that ends in this status."""
    return (
        '  <recv response="100" optional="true"/>\n  <recv response="180" optional="true"/>\n'
        f'  <recv response="{code}"/>\n' + send("ACK")
    )


SCENARIOS = {
    "+3247000000": ANSWERED + '  <pause milliseconds="100"/>\n' + HANG_UP,
    "+3247000001": ANSWERED + '  <recv request="INFO"/>\n' + OK + HANG_UP,
    "+3247000003": ANSWERED + '  <recv request="BYE"/>\n' + OK,
    "+3247000004": ANSWERED + '  <pause milliseconds="100"/>\n' + HANG_UP,
    "+3247000006": refused(486),
    "+3247000007": '  <recv response="100"/>\n  <recv response="180"/>\n  <pause milliseconds="200"/>\n'
    + send("CANCEL", to="", attributes='retrans="20000"', branch="[branch-4]")
    + '  <recv response="200"/>\n  <recv response="487"/>\n'
    + send("ACK"),
    "+3247000008": refused(404),
    "+3247000009": refused(503),
}


@pytest.mark.peer("sipp")
@pytest.mark.parametrize(("number", "steps"), SCENARIOS.items(), ids=SCENARIOS)
async def test_sipp_as_caller_finds_every_outcome_as_its_scenario_expects(
    number: str, steps: str, tmp_path: Path
) -> None:
    scenario = tmp_path / "caller.xml"
    scenario.write_text(f'<?xml version="1.0"?>\n<scenario name="caller">\n{INVITED}{steps}</scenario>\n')
    timing = Timing(ring_s=0.05, key_s=0.1, hang_up_s=0.1, t1_s=20.0)
    async with SipSimulator(timing=timing) as simulator:
        sipp = await asyncio.create_subprocess_exec(
            "sipp",
            *("-sf", scenario, "-s", number, "-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", "20", "-r", "40"),
            *("-nostdin", "-timeout", "60", "-timeout_error", "-trace_err", "-t", "u1", simulator.address),
            *("-watchdog_interval", "0"),  # that sipp itself stood still is no error
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await sipp.communicate()
        assert sipp.returncode == 0, output.decode(errors="replace")[-2000:]
        assert len(simulator.starts()) == 20
        assert simulator.parties.retransmissions == 0
    assert re.search(rb"Successful call\s+\|\s+0\s+\|\s+20", output), output.decode(errors="replace")[-2000:]
    assert not list(tmp_path.glob("*_errors.log"))

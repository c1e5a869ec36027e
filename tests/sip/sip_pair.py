"""A caller's agent and a called side that is written out by the test, with a clock that the test moves."""

from typing import Any

from gateway.sip.agent import Happening, UserAgent
from gateway.sip.message import SipRequest, SipResponse, parse, respond
from gateway.sip.request import Identity
from gateway.sip.sdp import offer

PEER = ("192.0.2.1", 5060)
MEDIA = ("192.0.2.9", 16384)
OFFER = offer(*MEDIA, session=1)
ANSWER = offer("192.0.2.1", 20000, session=2, laws=(8,))


def identity(**changes: object) -> Identity:
    """Who calls in these tests."""
    return Identity(**{"domain": "trunk.example", "local": ("192.0.2.9", 5060), "caller": "+3222345678", **changes})  # type: ignore[arg-type]


class Pair:
    """`at` is the time; `sent` reads what the agent sent since the last time."""

    def __init__(self, **changes: object) -> None:
        self.at = 100.0
        self.agent = UserAgent(identity(**changes))

    def sent(self) -> list[SipRequest | SipResponse]:
        found = []
        for data in self.agent.data_to_send():
            message = parse(data)
            assert message is not None, data
            found.append(message)
        return found

    def one(self) -> SipRequest:
        """The one request that was sent."""
        (request,) = self.sent()
        assert isinstance(request, SipRequest), request
        return request

    def call(self, number: str = "+3247000000") -> SipRequest:
        """Start a call: its INVITE."""
        self.agent.invite("call@test", number, offer=OFFER, media=MEDIA, now=self.at)
        return self.one()

    def answer(
        self, request: SipRequest, code: int, *, tag: str = "called", body: bytes = b"", **fields: Any
    ) -> list[Happening]:
        """Give a request a response, and read what the agent makes of it."""
        headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
        if 200 <= code < 300 and request.method == "INVITE":
            headers += (("Contact", "<sip:called@192.0.2.1:5070;x=a:b>"),)
        data = respond(request, code, "Said", source=PEER, to_tag=tag, headers=headers, body=body)
        self.agent.receive_data(data, PEER, self.at)
        return self.agent.events()

    def up(self) -> SipRequest:
        """A call that is answered: its INVITE; the ACK is read."""
        invite = self.call()
        self.answer(invite, 200, body=ANSWER)
        self.sent()
        return invite

    def ask(self, method: str, *, fields: str = "", body: bytes = b"", cseq: int = 1) -> bytes:
        """A request of the called side inside the dialog of `call@test`, put together by hand."""
        call = self.agent._calls.get("call@test")
        ours = call.leg.sender if call else "<sip:+3222345678@trunk.example>;tag=gone"
        theirs = call.leg.to if call and call.to_tag else "<sip:+3247000000@trunk.example>;tag=called"
        return (
            f"{method} sip:+3222345678@192.0.2.9:5060 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n"
            f"From: {theirs}\r\nTo: {ours}\r\nCall-ID: call@test\r\nCSeq: {cseq} {method}\r\n{fields}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def receive(self, data: bytes) -> list[Happening]:
        self.agent.receive_data(data, PEER, self.at)
        return self.agent.events()

    def later(self, seconds: float) -> list[Happening]:
        """Time passes, with every timer in its turn."""
        until = self.at + seconds
        while (due := self.agent.next_timer()) is not None and due <= until:
            self.at = due
            self.agent.handle_timer(due)
        self.at = until
        return self.agent.events()

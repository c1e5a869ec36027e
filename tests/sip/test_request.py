"""Requests as they leave: read again by the library, letter by letter where that matters."""

import pytest
import sipmessage

from gateway.sip.request import Leg, build, hostport
from tests.sip.sip_pair import identity

LEG = Leg(
    call_id="c", sender="<sip:a@x>;tag=1", to="<sip:b@x>", target="sip:b@x;alias=1~2~3;p=a:b", routes=("<sip:r;lr>",)
)  # fmt: skip


def test_a_request_says_what_it_must() -> None:
    data = build(identity(), LEG, "BYE", cseq=7, branch="z9hG4bKx", fields=(("Q", "y"),), body=b"body")
    request = sipmessage.Message.parse(data)
    assert isinstance(request, sipmessage.Request)
    assert data.startswith(b"BYE sip:b@x;alias=1~2~3;p=a:b SIP/2.0\r\n")
    assert str(request.via[0]) == "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport"
    assert (request.max_forwards, request.call_id, str(request.cseq)) == (70, "c", "7 BYE")
    assert request.headers.getlist("Route") == ["<sip:r;lr>"]
    assert (request.body, request.content_length, request.headers["Q"]) == (b"body", 4, "y")


@pytest.mark.parametrize(("transport", "contact"), [
    ("UDP", "<sip:+3222345678@192.0.2.9:5060>"),
    ("TCP", "<sip:+3222345678@192.0.2.9:5060;transport=tcp>"),
    ("TLS", "<sip:+3222345678@192.0.2.9:5060;transport=tls>"),
])  # fmt: skip
def test_the_contact_names_the_transport(transport: str, contact: str) -> None:
    assert identity(transport=transport).contact == contact
    assert identity(transport=transport).reliable == (transport != "UDP")


def test_an_asserted_identity_is_said_where_there_is_one() -> None:
    assert dict(identity().own_fields()).keys() == {"User-Agent"}
    assert dict(identity(asserted="+3222").own_fields())["P-Asserted-Identity"] == "<sip:+3222@trunk.example>"


def test_a_password_is_never_printed() -> None:
    assert "geheim" not in repr(identity(password="geheim"))


def test_addresses_of_both_families() -> None:
    assert hostport(("192.0.2.1", 5060)) == "192.0.2.1:5060"
    assert hostport(("2001:db8::1", 5060)) == "[2001:db8::1]:5060"

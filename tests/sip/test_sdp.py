"""Offers are read, hostile ones refused, and an answer takes the first G.711 law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.sdp import AudioOffer, answer, read_offer

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=alert\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 18 8 0 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendonly\r\n"
)


def test_an_offer_is_read() -> None:
    assert read_offer(OFFER) == AudioOffer(
        address="127.0.0.1", port=40000, payloads=(18, 8, 0, 101), telephone_event=101, direction="sendonly"
    )


def test_bare_line_feeds_and_a_connection_of_the_stream_are_read() -> None:
    offer = read_offer(OFFER.replace(b"\r\n", b"\n").replace(b"a=ptime:20", b"c=IN IP6 ::1"))
    assert offer is not None
    assert offer.address == "::1"


def test_another_stream_after_the_audio_does_not_disturb() -> None:
    offer = read_offer(OFFER + b"m=video 50000 RTP/AVP 31\r\nc=IN IP4 127.0.0.9\r\na=inactive\r\n")
    assert offer is not None
    assert (offer.address, offer.direction) == ("127.0.0.1", "sendonly")


@pytest.mark.parametrize(
    ("payloads", "law"), [((8, 0), 8), ((0, 8), 0), ((18, 0), 0), ((18, 8, 101), 8), ((18,), None), ((), None)]
)
def test_an_answer_takes_the_first_common_law(payloads: tuple[int, ...], law: int | None) -> None:
    made = answer(AudioOffer(address="127.0.0.1", port=4000, payloads=payloads), "127.0.0.1", 30000, 7)
    read = read_offer(made) if made else None
    assert (read.payloads if read else None) == ((law,) if law is not None else None)


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")],
)
def test_an_answer_mirrors_the_direction(offered: str, answered: str) -> None:
    offer = read_offer(OFFER.replace(b"sendonly", offered.encode()))
    assert offer is not None
    made = read_offer(answer(offer, "127.0.0.1", 30000, 7) or b"")
    assert made is not None
    assert (made.direction, made.port, made.telephone_event) == (answered, 30000, 101)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\n",
        OFFER.replace(b"v=0", b"v=1"),
        OFFER.replace(b"RTP/AVP", b"RTP/SAVP"),
        OFFER.replace(b"40000", b"70000"),
        OFFER.replace(b"40000", b"-1"),
        OFFER.replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 example.com"),
        OFFER.replace(b"c=IN IP4 127.0.0.1\r\n", b""),
        OFFER.replace(b"alert", b"\xff"),
        OFFER + b"a=x\r\n" * 200,
        OFFER + b"a" * 5000,
    ],
)
def test_what_can_not_be_talked_to_is_no_offer(body: bytes) -> None:
    assert read_offer(body) is None


@given(at=st.integers(0, len(OFFER)), new=st.binary(max_size=8), cut=st.integers(0, 8))
def test_a_damaged_offer_never_raises_and_what_is_read_can_be_answered(at: int, new: bytes, cut: int) -> None:
    offer = read_offer(OFFER[:at] + new + OFFER[at + cut :])
    if offer is not None:
        made = answer(offer, "127.0.0.1", 30000, 7)
        assert made is None or read_offer(made) is not None

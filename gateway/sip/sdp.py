"""The session description of a telephone call: an offer read safely, an answer that takes one G.711 law.

Knows: RFC 8866 (the format), RFC 3264 (offer and answer), RFC 3551 (payload types 0 and 8), RFC 4733 (events).
Never knows: RTP packets, sockets, SIP.
"""

from dataclasses import dataclass
from ipaddress import ip_address

OFFER_MAX_BYTES = 4096
LINES_MAX = 100
PCMU, PCMA = 0, 8  # RFC 3551 §6
NAMES = {PCMU: "PCMU", PCMA: "PCMA"}
TELEPHONE_EVENT = 101  # RFC 4733 §3.3: any dynamic number; the usual one
MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}  # RFC 3264 §6.1


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOffer:
    """The first audio stream of an offer: where it wants packets, what it speaks, in the order of preference."""

    address: str
    port: int
    payloads: tuple[int, ...]
    telephone_event: int | None = None
    direction: str = "sendrecv"


def read_offer(body: bytes) -> AudioOffer | None:
    """The audio stream over plain RTP, or None when there is none that can be read."""
    if len(body) > OFFER_MAX_BYTES or not body.startswith(b"v=0"):
        return None
    try:
        lines = body.decode("utf-8").split("\r\n") if b"\r\n" in body else body.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    if len(lines) > LINES_MAX:
        return None
    at = next((i for i, line in enumerate(lines) if line.startswith("m=audio ")), None)
    if at is None:
        return None
    end = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("m=")), len(lines))
    media = lines[at + 1 : end]
    address = _address(media) or _address(lines[:at])
    return _stream(lines[at], media, address) if address else None


def _stream(line: str, media: list[str], address: str) -> AudioOffer | None:
    fields = line.removeprefix("m=audio ").split()
    if len(fields) < 3 or fields[1] != "RTP/AVP":
        return None
    port, *payloads = (_number(field) for field in (fields[0], *fields[2:]))
    if port is None or port > 65535:
        return None
    return AudioOffer(
        address=address,
        port=port,
        payloads=tuple(payload for payload in payloads if payload is not None and payload <= 127),
        telephone_event=_event(media),
        direction=next((line[2:] for line in media if line[2:] in (*MIRRORED, "sendrecv")), "sendrecv"),
    )


def offer(address: str, port: int, session: int, laws: tuple[int, ...] = (PCMA, PCMU)) -> bytes:
    """An offer of G.711 and key events, in the order of preference."""
    # RFC 3264 §5.1
    family = "IP6" if ":" in address else "IP4"
    lines = [
        "v=0",
        f"o=- {session} {session} IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(str(law) for law in laws)} {TELEPHONE_EVENT}",
        *(f"a=rtpmap:{law} {NAMES[law]}/8000" for law in laws),
        f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/8000",
        f"a=fmtp:{TELEPHONE_EVENT} 0-15",  # RFC 4733 §2.4.1
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    return "\r\n".join(lines).encode()


def law_of(stream: AudioOffer) -> int | None:
    """The G.711 law that an answer took: its first one."""
    return next((payload for payload in stream.payloads if payload in NAMES), None)


def answer(offer: AudioOffer, address: str, port: int, session: int) -> bytes | None:
    """An answer that takes the first G.711 law of the offer, and key events; None when there is no common codec."""
    # RFC 3264 §6.1
    law = law_of(offer)
    if law is None:
        return None
    family = "IP6" if ":" in address else "IP4"
    events = offer.telephone_event
    lines = [
        "v=0",
        f"o=- {session} {session} IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {law}" + (f" {events}" if events is not None else ""),
        f"a=rtpmap:{law} {NAMES[law]}/8000",
    ]
    if events is not None:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]  # RFC 4733 §2.4.1
    lines += ["a=ptime:20", f"a={MIRRORED.get(offer.direction, 'sendrecv')}", ""]
    return "\r\n".join(lines).encode()


def _address(lines: list[str]) -> str:
    for line in lines:
        fields = line.split()
        if len(fields) == 3 and fields[0] == "c=IN":
            try:
                return str(ip_address(fields[2].partition("/")[0]))
            except ValueError:
                return ""
    return ""


def _event(media: list[str]) -> int | None:
    for line in media:
        payload, _, name = line.removeprefix("a=rtpmap:").partition(" ")
        if line.startswith("a=rtpmap:") and name.lower() == "telephone-event/8000":
            number = _number(payload)
            return number if number is not None and number <= 127 else None
    return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else None

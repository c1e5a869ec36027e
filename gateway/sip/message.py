"""SIP messages read safely and answered by the book, on the message layer of sipmessage.

Knows: RFC 3261 §7 (messages), §8.2.6 (responses), §12.2 (requests inside a dialog), RFC 3581 (rport).
Never knows: transactions, timers, sockets, what a call is for.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import sipmessage

DATAGRAM_MAX_BYTES = 8192
LINES_MAX = 100
LINE_MAX_BYTES = 1024

_FOLD = re.compile(rb"\r\n[ \t]+")
_BRACKETED = re.compile(r"<([^<>]{1,512})>")


class Parties(NamedTuple):
    """What names a dialog (RFC 3261 §12): the Call-ID and both tags, "" where there is none yet."""

    call_id: str
    from_tag: str
    to_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SipRequest:
    """A request whose mandatory fields are present and readable.

    `called` is the user part of the To address, `target` where the peer wants requests inside the dialog (INVITE
    only), `branch` names the transaction; `raw` is the message for answering it.
    """

    method: str
    parties: Parties
    cseq: int
    branch: str
    called: str
    target: sipmessage.URI | None
    body: bytes
    raw: sipmessage.Request


@dataclass(frozen=True, slots=True, kw_only=True)
class SipResponse:
    """A response whose mandatory fields are present and readable.

    `to` is the To field as it stands, `target` the URI of its first Contact ("" without one), `raw` the message for
    the fields that only some responses have.
    """

    code: int
    method: str
    parties: Parties
    cseq: int
    branch: str
    body: bytes
    to: str
    target: str
    raw: sipmessage.Response

    def fields(self, name: str) -> list[str]:
        """The values of a header field, [] where it is absent."""
        return list(self.raw.headers.getlist(name))


def parse(datagram: bytes) -> SipRequest | SipResponse | None:
    """The message in a datagram, None for everything else (keep-alives, garbage, what is too large)."""
    head, end, body = datagram.partition(b"\r\n\r\n")
    if not end or len(datagram) > DATAGRAM_MAX_BYTES:
        return None
    head = _FOLD.sub(b" ", head)  # RFC 3261 §7.3.1
    lines = head.split(b"\r\n")
    if len(lines) > LINES_MAX or max(map(len, lines)) > LINE_MAX_BYTES:
        return None
    try:
        return _read(sipmessage.Message.parse(head + b"\r\n\r\n" + body))
    except (ValueError, LookupError, TypeError):
        # TypeError: the library passes a peer's parameter names on as keyword arguments, `self` among them.
        return None


def _read(message: sipmessage.Request | sipmessage.Response) -> SipRequest | SipResponse | None:
    sender, to, cseq = message.from_address, message.to_address, message.cseq
    parties = Parties(message.call_id, sender.parameters.get("tag") or "", to.parameters.get("tag") or "")
    branch = message.via[0].parameters.get("branch") or ""
    body = message.body
    if (length := message.content_length) is not None:
        if not 0 <= length <= len(body):
            return None  # RFC 3261 §18.3: shorter than it says
        body = body[:length]
    if isinstance(message, sipmessage.Response):
        if not 100 <= message.code <= 699:
            return None
        return SipResponse(
            code=message.code,
            method=cseq.method,
            parties=parties,
            cseq=cseq.sequence,
            branch=branch,
            body=body,
            to=message.headers["To"],
            target=uri_of(next(iter(message.headers.getlist("Contact")), "")),
            raw=message,
        )
    if cseq.method != message.method or cseq.sequence >= 2**31:  # RFC 3261 §8.1.1.5
        return None
    contacts = message.contact if message.method == "INVITE" else []
    return SipRequest(
        method=message.method,
        parties=parties,
        cseq=cseq.sequence,
        branch=branch,
        called=to.uri.user or "",
        target=contacts[0].uri if contacts else None,
        body=body,
        raw=message,
    )


def uri_of(address: str) -> str:
    """The URI of a name-addr or addr-spec as it was written, so that it goes back letter by letter."""
    # RFC 3261 §20.10: without brackets, what follows a semicolon belongs to the field
    if (found := _BRACKETED.search(address)) is not None:
        return found[1]
    return address.partition(";")[0].strip()


def respond(
    request: SipRequest,
    code: int,
    phrase: str,
    *,
    source: tuple[str, int],
    to_tag: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> bytes:
    """The bytes of a response: Via, From, To, Call-ID and CSeq as in the request."""
    # RFC 3261 §8.2.6.2
    answer, asked = sipmessage.Response(code, phrase, body), request.raw.headers
    answer.headers.setlist("Via", _with_source(asked.getlist("Via"), source))
    answer.headers.set("From", asked["From"])
    tag = f";tag={to_tag}" if to_tag and not request.parties.to_tag else ""
    answer.headers.set("To", asked["To"] + tag)
    answer.headers.set("Call-ID", asked["Call-ID"])
    answer.headers.set("CSeq", asked["CSeq"])
    for name, value in headers:
        answer.headers.add(name, value)
    answer.headers.set("Content-Length", str(len(body)))
    return bytes(answer)


def in_dialog(
    invite: SipRequest, method: str, *, cseq: int, branch: str, to_tag: str, local: tuple[str, int], body: bytes = b""
) -> bytes:
    """A request of the called side inside the dialog that `invite` opened: From and To change places."""
    # RFC 3261 §12.2.1.1
    request = sipmessage.Request(method, invite.target or invite.raw.from_address.uri, body)
    asked = invite.raw.headers
    request.headers.set("Via", f"SIP/2.0/UDP {local[0]}:{local[1]};branch={branch};rport")
    request.headers.set("Max-Forwards", "70")
    request.headers.set("From", f"{asked['To']};tag={to_tag}")
    request.headers.set("To", asked["From"])
    request.headers.set("Call-ID", invite.parties.call_id)
    request.headers.set("CSeq", f"{cseq} {method}")
    if body:
        request.headers.set("Content-Type", "application/dtmf-relay")
    request.headers.set("Content-Length", str(len(body)))
    return bytes(request)


def _with_source(vias: list[str], source: tuple[str, int]) -> list[str]:
    """The top Via says where the request really came from."""
    # RFC 3581 §4
    top, comma, rest = vias[0].partition(",")
    fields = [field.strip() for field in top.split(";")]
    if "rport" in fields:
        fields[fields.index("rport")] = f"rport={source[1]}"
        fields.append(f"received={source[0]}")
    return [";".join(fields) + comma + rest, *vias[1:]]

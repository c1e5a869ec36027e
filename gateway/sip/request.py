"""Requests of the calling side, on the message layer of sipmessage: what names us, the dialog, the fields of each.

Knows: RFC 3261 §8.1.1 (requests), §12.2.1.1 (inside a dialog), RFC 3325 (P-Asserted-Identity).
Never knows: transactions, timers, sockets, which call a request belongs to.
"""

from dataclasses import dataclass, field
from typing import cast

import sipmessage

MAX_FORWARDS = 70
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls through which trunk.

    `domain` is the trunk's name in URIs, `transport` UDP, TCP or TLS, `local` where the trunk reaches us. `caller` is
    the number that people see; `asserted` the one that the trunk bills and trusts, "" to say none.
    """

    domain: str
    local: tuple[str, int]
    transport: str = "UDP"
    caller: str = "anonymous"
    asserted: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    agent: str = "cap-alert-gateway"

    @property
    def reliable(self) -> bool:
        """Whether the transport repeats what is lost by itself."""
        return self.transport != "UDP"

    def uri(self, user: str) -> str:
        """A user at the trunk."""
        return f"{self.scheme}:{user}@{self.domain}" if user else f"{self.scheme}:{self.domain}"

    @property
    def scheme(self) -> str:
        """sip, over TLS too: sips would ask for TLS on every hop behind the trunk, which few trunks can give."""
        return "sip"

    @property
    def contact(self) -> str:
        """Where requests inside a dialog reach us."""
        transport = f";transport={self.transport.lower()}" if self.reliable else ""
        return f"<{self.scheme}:{self.caller}@{hostport(self.local)}{transport}>"

    def own_fields(self) -> Fields:
        """The fields by which a trunk knows who calls."""
        found: Fields = (("User-Agent", self.agent),)
        if self.asserted:
            found += (("P-Asserted-Identity", f"<{self.uri(self.asserted)}>"),)  # RFC 3325 §9.1
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The dialog as far as it is known: From and To fields with their tags, the target and the route to it."""

    call_id: str
    sender: str
    to: str
    target: str
    routes: tuple[str, ...] = ()


def build(
    identity: Identity, leg: Leg, method: str, *, cseq: int, branch: str, fields: Fields = (), body: bytes = b""
) -> bytes:
    """The bytes of a request."""
    # RFC 3261 §8.1.1
    # the target goes out letter by letter as the peer gave it: the library's URI would quote it anew
    request = sipmessage.Request(method, cast(sipmessage.URI, leg.target), body)
    headers = request.headers
    headers.set("Via", f"SIP/2.0/{identity.transport} {hostport(identity.local)};branch={branch};rport")
    headers.set("Max-Forwards", str(MAX_FORWARDS))
    if leg.routes:
        headers.setlist("Route", list(leg.routes))
    headers.set("From", leg.sender)
    headers.set("To", leg.to)
    headers.set("Call-ID", leg.call_id)
    headers.set("CSeq", f"{cseq} {method}")
    for name, value in fields:
        headers.add(name, value)
    headers.set("Content-Length", str(len(body)))
    return bytes(request)


def hostport(address: tuple[str, int]) -> str:
    """host:port as it stands in a URI."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""What a bench is asked to do: how much, how long, against whom.

Knows: the kinds of benches and what each does by default. Never knows: how anything is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Peer(NamedTuple):
    """Where a foreign SMSC or relay listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`recipients` 0 and `seconds` 0 stand for the kind's own default; `rate_per_s` None: as fast as it goes.

    `binds` and `window` are of SMPP, `connections` of SMTP and HTTP; `call_s` is how long a simulated call lasts;
    `receipts_ms` is the mean delay of SMS receipts. With `tls_ca` the relay at `peer` is spoken to over TLS and proves
    itself by that file. With `media` calls go over SIP and the gateway plays them, else over a provider's API, which
    plays them.
    """

    recipients: int = 0
    seconds: float = 0
    rate_per_s: float | None = None
    peer: Peer | None = None
    tls_ca: Path | None = None
    binds: int = 4
    window: int = 500
    connections: int = 50
    call_s: float = 60
    receipts_ms: int = 1000
    media: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """How much a kind does when nothing is said, and whether it can use a foreign peer."""

    recipients: int = 0
    seconds: float = 0
    foreign: bool = False


KINDS: Mapping[str, Defaults] = {
    "sms": Defaults(recipients=100_000, foreign=True),
    "email": Defaults(recipients=100_000, foreign=True),
    "voice": Defaults(seconds=130),
    "all": Defaults(seconds=120),
    "ingest": Defaults(recipients=2_000),
    "targeting": Defaults(recipients=1_000_000),
    "feed": Defaults(seconds=10),
}
"""Recipients are messages to send, alerts to post (ingest) or addresses to search (targeting)."""


def amount(what: str, wanted: Wanted) -> int:
    """Recipients of this run."""
    return wanted.recipients or KINDS[what].recipients


def duration_s(what: str, wanted: Wanted) -> float:
    """Seconds of this run."""
    return wanted.seconds or KINDS[what].seconds

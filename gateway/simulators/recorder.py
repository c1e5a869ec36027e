"""What the simulators have in common: a record of everything received, and an agreement on what becomes of it.

Knows: JSON lines, bounded memory, shares decided by a hash of the address (so that a test computes them beforehand).
Never knows: SMPP, SMTP, SIP, HTTP; what an outcome's word means to a channel.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_HASH_RANGE = 2**64
DELIVERED, FAILED, EXPIRED, SILENT = "delivered", "failed", "expired", "silent"


class Received(NamedTuple):
    """One SMS (parts joined), mail or call as the simulator understood it; `at` is seconds since 1970 UTC."""

    channel: str
    to: str
    text: str
    at: float
    mode: str

    def line(self) -> str:
        """The record as one JSON line, newline included; `at` as RFC 3339 in UTC."""
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps(self._replace(at=at)._asdict(), ensure_ascii=False) + "\n"  # type: ignore[arg-type]


class Recorder:
    """Keeps the newest `keep` records in memory; older ones go to `spill` (a file) or, without one, are dropped.

    `count` is exact in either case; the records are numbered from 0 in the order of arrival. What comes to the
    `unheard` addresses is not recorded: the sender's own telephones.
    """

    def __init__(
        self,
        *,
        keep: int = 100_000,
        spill: Path | None = None,
        unheard: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.count = 0
        self._unheard = unheard
        self._kept: deque[Received] = deque()
        self._keep = max(1, keep)
        self._spill = spill
        self._clock = clock
        if spill is not None:
            spill.write_text("", encoding="utf-8")

    def add(self, channel: str, to: str, text: str, mode: str, *, at: float | None = None) -> None:
        """Record one received message, with the time of this call unless it is known when it came."""
        if to in self._unheard:
            return
        self._kept.append(Received(channel, to, text, self._clock() if at is None else at, mode))
        self.count += 1
        if len(self._kept) > self._keep:
            self._shed()

    @property
    def dropped(self) -> int:
        """How many of the oldest records are gone for good (always 0 with a spill file)."""
        return 0 if self._spill is not None else self.count - len(self._kept)

    def records(self) -> list[Received]:
        """The records still in memory, oldest first."""
        return list(self._kept)

    def lines(self, since: int = 0) -> Iterator[str]:
        """JSON lines (newline included) from record number `since` on; a snapshot of this moment."""
        kept = list(self._kept)
        first = self.count - len(kept)
        if self._spill is not None and since < first:
            with self._spill.open(encoding="utf-8") as file:
                yield from islice(file, max(0, since), first)
        for record in kept[max(0, since - first) :]:
            yield record.line()

    def _shed(self) -> None:
        """Half at a time, so that a file is opened once per many records."""
        old = [self._kept.popleft() for _ in range(max(1, self._keep // 2))]
        if self._spill is not None:
            with self._spill.open("a", encoding="utf-8") as file:
                file.writelines(record.line() for record in old)


@dataclass(slots=True, kw_only=True, eq=False)
class Outcomes:
    """Which outcome each address gets: by share, decided by a hash of the address, or as told for one address.

    `shares` are words with their share of all addresses; what they leave of 1.0 falls to `otherwise`.
    `delay_s` and `spread_s` place the outcome's time: delay_s .. delay_s + spread_s, by hash as well.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    otherwise: str = DELIVERED
    delay_s: float = 0.0
    spread_s: float = 0.0
    salt: str = ""
    _told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(share < 0 for share in self.shares.values()) or sum(self.shares.values()) > 1.000001:
            raise ValueError("shares must not be negative and must not exceed 1 together")

    def tell(self, address: str, outcome: str) -> None:
        """From now on this address gets this outcome, whatever the shares say."""
        self._told[_plain(address)] = outcome

    def decide(self, address: str) -> str:
        """The word for this address; the same for +32..., 32... and any case, in every process."""
        plain = _plain(address)
        if self._told and (word := self._told.get(plain)) is not None:
            return word
        if not self.shares:
            return self.otherwise
        point = _fraction(self.salt, plain)
        for word, share in self.shares.items():
            if point < share:
                return word
            point -= share
        return self.otherwise

    def delay_of(self, address: str) -> float:
        """Seconds until this address's outcome is reported."""
        if not self.spread_s:
            return self.delay_s
        return self.delay_s + self.spread_s * _fraction(self.salt + "/delay", _plain(address))


def _plain(address: str) -> str:
    return address.lstrip("+").lower()


def _fraction(salt: str, address: str) -> float:
    """0.0 <= fraction < 1.0, spread evenly over addresses."""
    digest = blake2b(f"{salt}|{address}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / _HASH_RANGE

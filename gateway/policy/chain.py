"""The hash chain of the audit record: what an event's link must be, and where a chain is broken.

Knows: the words of an event, SHA-256 (FIPS 180-4). Never knows: SQL, which events there are. It says the same as the
database's function audit_words, written a second time: `gateway audit verify` trusts neither.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

START = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One event with its place in its chain; `detail` is the JSON text as PostgreSQL writes it. `event` is None when
    a link has lost its event."""

    entity_id: int
    seq: int
    event: int | None
    at: datetime | None
    actor: str | None
    act: str | None
    subject: str | None
    detail: str | None
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where a chain is not what it was, and how that shows."""

    seq: int
    reason: str


def link_hash(before: bytes, link: Link) -> bytes:
    """What the hash of a link must be after the one before it."""
    at = f"{link.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if link.at else None
    parts = (str(link.entity_id), str(link.seq), at, link.actor, link.act, link.subject, link.detail)
    return hashlib.sha256(before + "\n".join(part for part in parts if part is not None).encode()).digest()


class Walk:
    """Goes along one chain. `known` are hashes by seq that were written down before, or that the database keeps as the
    end of the chain: they must be there still."""

    def __init__(self, known: Mapping[int, bytes]) -> None:
        self._left = {seq: digest for seq, digest in known.items() if seq > 0}
        self._before = START
        self.seq = 0

    def along(self, links: Iterable[Link]) -> Iterator[Break]:
        """Every place of these links, the next of the chain, that is not what it was."""
        for link in links:
            self.seq += 1
            if link.seq != self.seq:
                yield Break(seq=self.seq, reason=f"{link.seq - self.seq} link(s) are gone")
                self.seq = link.seq
            elif link.event is None:
                yield Break(seq=self.seq, reason="the event of this link is gone")
            elif link_hash(self._before, link) != link.hash:
                yield Break(seq=self.seq, reason="this event, or the one before it, was changed")
            if self._left.pop(self.seq, link.hash) != link.hash:
                yield Break(seq=self.seq, reason="the hash is not the one that was written down")
            self._before = link.hash

    def end(self) -> Iterator[Break]:
        """What should have come after the last link."""
        for lost in sorted(self._left):
            yield Break(seq=lost, reason="the chain ends before this link, which was written down")

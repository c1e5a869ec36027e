"""A mailbox that is watched: every mail gets its verdict once, news within a moment, nothing stops it for long.

Knows: when to look, what to try again, when a mail counts as done. Never knows: proofs, CAP, the protocol.

A look reads every mail behind the last one up to which all have a verdict, whoever marked it seen. A verdict is stored
before \\Seen is set. What can not be proven now waits for the next look and lets the others pass.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger
from gateway.mailbox.imap import BoxLost, Head
from gateway.mailbox.proving import Later
from gateway.mailbox.settings import BoxSettings
from gateway.mailbox.taking import Outcome
from gateway.policy.mailproof import MailRefusal, Reason
from gateway.smtp.pace import Backoff
from gateway.store import mailbox
from gateway.store.mailbox import Spot
from gateway.store.pool import Store

HEADS_AT_ONCE = 20
MOST_TRIES = 5
AGAIN_S = 20.0
_NOT_LEADING_S = 1.0


class OpenBox(Protocol):
    """What is asked of imap.Box; tests have one without a server."""

    async def select(self) -> int:
        """UIDVALIDITY."""

    async def uids_behind(self, uid: int) -> list[int]:
        """Numbers above this one."""

    async def heads(self, uids: list[int]) -> list[Head]:
        """Sizes and headers."""

    async def mail(self, uid: int, most_bytes: int) -> bytes | None:
        """The whole mail."""

    async def mark_seen(self, uids: list[int]) -> bool:
        """Set \\Seen."""

    async def wait(self, seconds: float) -> None:
        """Until there are news."""


S = TypeVar("S")


class MailTaker(Protocol[S]):
    """What is done with the mails of a box: taking.Taker for alerts, noting.Noter for what comes back."""

    async def claimed(self, name: str, header: bytes, /) -> S | MailRefusal:
        """By its header alone: whose mail it says it is, or why it is not fetched."""
        ...

    async def take(self, spot: Spot, raw: bytes, source: S, /) -> Outcome | Later:
        """The whole mail, up to its stored verdict."""
        ...

    async def refuse(self, spot: Spot, seen: bytes, size_bytes: int, refusal: MailRefusal, /) -> Outcome:
        """Store that it is not taken."""
        ...


Connect = Callable[[BoxSettings], AbstractAsyncContextManager[OpenBox]]


class Waiting(NamedTuple):
    """A mail that could not be proven: since when, and when it was tried last."""

    since: float
    tried: float


class Watcher(Generic[S]):
    """One mailbox. `counted` is told each verdict and reason; `owed` is called when answers wait."""

    def __init__(
        self,
        settings: BoxSettings,
        store: Store,
        taker: MailTaker[S],
        connect: Connect,
        *,
        most_bytes: int,
        patience_s: float,
        leads: Callable[[], bool],
        monotonic: Callable[[], float],
        counted: Callable[[str, str], None],
        owed: Callable[[], None],
        log: UnitLogger,
    ) -> None:
        self.up = False
        self.name = settings.name
        self._settings = settings
        self._store = store
        self._taker = taker
        self._connect = connect
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._leads = leads
        self._monotonic = monotonic
        self._counted = counted
        self._owed = owed
        self._log = log
        self._backoff = Backoff(settings.backoff_first_s, settings.backoff_max_s)
        self._waiting: dict[Spot, Waiting] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if not self._leads():
                await asyncio.sleep(_NOT_LEADING_S)
                continue
            try:
                async with self._connect(self._settings) as box:
                    await self._serve(box)
            except BoxLost as trouble:
                self._log.warning("mailbox_lost", box=self.name, why=str(trouble))
            except StoreUnavailable:
                self._log.warning("mailbox_waits_for_store", box=self.name)
            else:
                continue
            finally:
                self.up = False
            await asyncio.sleep(self._backoff.failed())

    async def _serve(self, box: OpenBox) -> None:
        """Look, wait for news, look again, as long as this node leads."""
        while self._leads():
            await self.look(box)
            if not self.up:
                self._log.event("mailbox_watched", box=self.name)
            self.up = True
            self._backoff.succeeded()
            await box.wait(min(self._settings.look_s, AGAIN_S) if self._waiting else self._settings.look_s)

    async def look(self, box: OpenBox) -> None:
        """Give every mail its verdict, except those that wait for their proof."""
        validity = await box.select()
        async with self._store.transaction() as connection:
            done_to = await mailbox.enter(connection, self.name, validity)
            settled = await mailbox.settled_behind(connection, self.name, validity, done_to)
        self._waiting = {spot: waits for spot, waits in self._waiting.items() if spot.uid_validity == validity}
        here = await box.uids_behind(done_to)
        open_ = [uid for uid in here if uid not in settled]
        if settled.intersection(here):  # the connection or this process ended between the verdict and the flag
            await box.mark_seen(sorted(settled.intersection(here)))
        for at in range(0, len(open_), HEADS_AT_ONCE):
            for head in await box.heads(open_[at : at + HEADS_AT_ONCE]):
                await self._one(box, Spot(self.name, validity, head.uid), head)
        self._waiting = {spot: waits for spot, waits in self._waiting.items() if spot.uid in here}
        if here:
            first_open = min((spot.uid for spot in self._waiting), default=here[-1] + 1)
            async with self._store.transaction() as connection:
                await mailbox.advance(connection, self.name, validity, first_open - 1)

    async def _one(self, box: OpenBox, spot: Spot, head: Head) -> None:
        """One mail up to its verdict and \\Seen, or left for another look."""
        waits = self._waiting.get(spot)
        if waits is not None and self._monotonic() - waits.tried < AGAIN_S:
            return
        async with self._store.transaction() as connection:
            tries = await mailbox.begin(connection, spot)
        try:
            outcome = await self._judged(box, spot, head, tries)
        except StoreUnavailable:
            with suppress(StoreUnavailable):
                await self._ended(spot)
            raise
        await self._ended(spot)
        if isinstance(outcome, Later):
            now = self._monotonic()
            self._waiting[spot] = Waiting(waits.since if waits else now, now)
            return
        self._waiting.pop(spot, None)
        if outcome is not None:
            self._counted(outcome.verdict, outcome.reason)
            facts = {"reason": outcome.reason, "alerts": outcome.alerts, "answers": outcome.answers}
            self._log.event("mail_settled", box=self.name, uid=spot.uid, verdict=outcome.verdict, **facts)
            await box.mark_seen([spot.uid])
            if outcome.answers:
                self._owed()

    async def _ended(self, spot: Spot) -> None:
        async with self._store.transaction() as connection:
            await mailbox.end(connection, spot.mailbox, spot.uid_validity)

    async def _judged(self, box: OpenBox, spot: Spot, head: Head, tries: int) -> Outcome | Later | None:
        """The verdict; None when the mail is gone."""
        refusal = MailRefusal(reason=Reason.BROKEN, detail=f"given up after {MOST_TRIES} attempts")
        if tries > MOST_TRIES:
            return await self._taker.refuse(spot, head.header, head.size_bytes, refusal)
        try:
            return await self._taken(box, spot, head)
        except (BoxLost, StoreUnavailable):
            raise
        except Exception as fault:  # the top of this mail's work: one mail never stops the mailbox
            self._log.error("mail_broken", error=fault, box=self.name, uid=spot.uid)
            broken = MailRefusal(reason=Reason.BROKEN, detail=type(fault).__name__)
            return await self._taker.refuse(spot, head.header, head.size_bytes, broken)

    async def _taken(self, box: OpenBox, spot: Spot, head: Head) -> Outcome | Later | None:
        source = await self._taker.claimed(spot.mailbox, head.header)
        if not isinstance(source, MailRefusal) and head.size_bytes > self._most_bytes:
            source = MailRefusal(reason=Reason.TOO_LARGE)
        if isinstance(source, MailRefusal):
            return await self._taker.refuse(spot, head.header, head.size_bytes, source)
        raw = await box.mail(spot.uid, self._most_bytes)
        if raw is None:
            return None
        outcome = await self._taker.take(spot, raw, source)
        waits = self._waiting.get(spot)
        if isinstance(outcome, Later) and waits and self._monotonic() - waits.since > self._patience_s:
            refusal = MailRefusal(reason=Reason.PROOF_UNAVAILABLE, detail=outcome.words)
            return await self._taker.refuse(spot, raw, len(raw), refusal)
        return outcome

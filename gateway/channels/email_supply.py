"""What an e-mail link gets next: deliveries from the lane, held to their domains' pace, written as mails.

Knows: which mode may use the transport, which addresses are none, who waits for a domain or for a signature.
Never knows: relays, sockets, SQL. Nothing is lost here: what was taken leaves as an envelope or through `refuse` or
`later`.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.channels.base import Work, may_leave
from gateway.channels.email_domains import Domains, Later
from gateway.channels.email_signing import Signer, Unsigned
from gateway.channels.email_writer import Writer
from gateway.model import Delivery, Transport
from gateway.smtp.envelope import Envelope
from gateway.smtp.events import Fate, Result
from gateway.smtp.reply import Reply

# Refusals of our own, in the words of the reply that a server would have given.
_BAD_ADDRESS = Result(Fate.FAILED, Reply(553, b"5.1.3"))  # RFC 3463 §3.2
_WRONG_MODE = Result(Fate.FAILED, Reply(0))
_BATCH = 100  # mails that are signed together
_BATCHES = 4  # of them at the same time, or signed and waiting
_MOST_ROUNDS = 8  # looks into the lane for one fill: many may have to come again


class Supply:
    """`take` never blocks; `wake` is called when something that waited here may go."""

    def __init__(
        self,
        *,
        work: Work,
        writer: Writer,
        transport: Transport,
        domains: Domains,
        signer: Signer | None = None,
        refuse: Callable[[Delivery, Result, str], None],
        later: Callable[[Delivery, float], None],
        wake: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._writer = writer
        self._transport = transport
        self._domains = domains
        self._refuse = refuse
        self._later = later
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None
        self._signer = signer
        self._signing: dict[asyncio.Task[None], list[Envelope[Delivery] | None]] = {}
        self._signed: deque[Envelope[Delivery]] = deque()

    @property
    def held(self) -> int:
        """Deliveries that were taken and wait here."""
        return self._domains.held + self._unfinished

    @property
    def _unfinished(self) -> int:
        """Mails that are being signed, or are and wait for a link."""
        return len(self._signed) + sum(map(len, self._signing.values()))

    def take(self, most: int, now_s: int) -> tuple[list[Envelope[Delivery]], int]:
        """At most `most` mails that may go now, and how many deliveries were moved, as mails or otherwise."""
        if self._signer is None:
            return self._written_now(most, now_s)
        envelopes = [self._signed.popleft() for _ in range(min(most, len(self._signed)))]
        moved = len(envelopes)
        if _BATCHES * _BATCH - self._unfinished >= _BATCH:
            unsigned, taken = self._written_now(_BATCH, now_s)
            moved += taken
            if unsigned:
                task = self._loop.create_task(self._sign(self._signer, unsigned, now_s))
                self._signing[task] = list(unsigned)
        return envelopes, moved

    async def _sign(self, signer: Signer, envelopes: list[Envelope[Delivery]], now_s: int) -> None:
        """Put a batch where `take` finds it; what was taken back meanwhile is left out."""
        mails = [Unsigned(one.content[0], self._writer.form(one.ticket.text)) for one in envelopes]
        try:
            signatures = await signer.sign(mails, now_s)
        except Exception:  # the top of this task: a fault of signing must keep nobody from being told
            signatures = [b""] * len(mails)
        task = asyncio.current_task()
        assert task is not None
        for envelope, signature in zip(self._signing.pop(task), signatures, strict=True):
            if envelope is not None:
                head, *rest = envelope.content
                self._signed.append(envelope._replace(content=(signature + head, *rest)))
        self._wake()

    def _written_now(self, most: int, now_s: int) -> tuple[list[Envelope[Delivery]], int]:
        """Mails out of the lane and out of what waited for its domain, without signatures."""
        now = self._loop.time()
        self._domains.look(now)
        ready, moved = self._waited(most, now) if self._domains.held else ([], 0)
        for _ in range(_MOST_ROUNDS):
            fresh = self._work.take(most - len(ready)) if len(ready) < most else []
            if not fresh:
                break
            moved += len(fresh)
            ready += [delivery for delivery in fresh if self._admitted(delivery, now)]
        if self._domains.held:
            self._look_again(now)
        return [envelope for delivery in ready if (envelope := self._written(delivery, now_s)) is not None], moved

    def take_back(self, chosen: Callable[[Delivery], bool]) -> None:
        """Give back what waits here and is not to be sent now."""
        back = self._domains.take_back(chosen)
        back += [one.ticket for one in self._signed if chosen(one.ticket)]
        self._signed = deque(one for one in self._signed if not chosen(one.ticket))
        for batch in self._signing.values():
            for place, one in enumerate(batch):
                if one is not None and chosen(one.ticket):
                    batch[place] = None
                    back.append(one.ticket)
        for delivery in back:
            self._later(delivery, 0.0)

    def close(self) -> None:
        """Sign nothing more."""
        for task in self._signing:
            task.cancel()
        if self._signer is not None:
            self._signer.close()

    def _waited(self, most: int, now: float) -> tuple[list[Delivery], int]:
        ready, late = self._domains.due(most, now)
        for one in late:
            self._later(*one)
        return ready, len(ready) + len(late)

    def _admitted(self, delivery: Delivery, now: float) -> bool:
        verdict = self._domains.admit(delivery, now)
        if isinstance(verdict, Later):
            self._later(*verdict)
            return False
        return verdict

    def _written(self, delivery: Delivery, now_s: int) -> Envelope[Delivery] | None:
        """The mail, or None after its refusal was noted."""
        if not may_leave(delivery, self._transport):
            self._refuse(delivery, _WRONG_MODE, "mode does not allow this transport")
            return None
        envelope = self._writer.envelope(delivery, now_s)
        if envelope is None:
            self._refuse(delivery, _BAD_ADDRESS, _BAD_ADDRESS.reply.meaning)
        return envelope

    def _look_again(self, now: float) -> None:
        """One timer for all domains."""
        if self._timer is not None:
            self._timer.cancel()
        at = self._domains.next_at(now)
        self._timer = self._loop.call_at(max(at, now + 0.001), self._wake) if at is not None else None

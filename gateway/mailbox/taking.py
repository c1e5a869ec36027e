"""One mail from its bytes to its stored verdict: claimed source, proof, the one intake, the answers that are owed.

Knows: the order of these steps, and that a verdict and its answers are one transaction. Never knows: IMAP, SMTP.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.flows.acknowledging import CapAnswers, Told
from gateway.mailbox import mime
from gateway.mailbox.mime import Entity, Limits, Unreadable
from gateway.mailbox.proving import Carried, Later, Prover
from gateway.policy import mailproof
from gateway.policy.mailproof import SENTENCES, MailRefusal, MailSource, Reason
from gateway.policy.rights import Authority
from gateway.store import mailbox
from gateway.store.mailbox import OwedAnswer, SettledMail, Spot
from gateway.store.pool import Store

SOURCE = "mailbox"


Accept = Callable[[bytes, Authority, str], Awaitable[Told]]
"""The one intake: (bytes, authority, source) -> what it committed. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRules:
    """`sender`: the gateway's CAP sender in answers, "" = none are given; `answers_per_hour` to one source."""

    limits: Limits
    sender: str
    answers_per_hour: int


class Outcome(NamedTuple):
    """A mail's verdict, as it is counted: 'taken', 'refused' or 'repeated', and why."""

    verdict: str
    reason: str = ""
    alerts: int = 0
    answers: int = 0


class Taker:
    """The way of a mail. Every method raises StoreUnavailable, and then nothing was settled."""

    def __init__(self, store: Store, prover: Prover, accept: Accept, rules: TakeRules) -> None:
        self._store = store
        self._prover = prover
        self._accept = accept
        self._rules = rules
        self._worded = CapAnswers(store, sender=rules.sender)

    async def claimed(self, name: str, header: bytes) -> MailSource | MailRefusal:
        """The source that a mail with this header claims to be from: a mail of nobody known is never fetched."""
        entity = mime.read_entity(header, 0, len(header), self._rules.limits)
        if isinstance(entity, Unreadable):
            return MailRefusal(reason=Reason.UNREADABLE, detail=entity.words)
        address = mailproof.claimed_address(entity.values(b"from"))
        if isinstance(address, MailRefusal):
            return address
        async with self._store.connection() as connection:
            source = await mailbox.source_of_address(connection, name, address)
        return source or MailRefusal(reason=Reason.UNKNOWN_SENDER)

    async def take(self, spot: Spot, raw: bytes, source: MailSource) -> Outcome | Later:
        """Prove it, hand its alerts to the intake, settle it."""
        digest = hashlib.sha256(raw).digest()
        async with self._store.connection() as connection:
            known = await mailbox.is_known(connection, spot.mailbox, digest)
            authority = await mailbox.authority_of_source(connection, source.id)
        if known:
            settled = SettledMail(spot, digest, len(raw), None, "repeated")
            return await self._settle(settled, [])
        carried = await self._prover.carried(raw, source)
        if isinstance(carried, Later):
            return carried
        refusal = carried if isinstance(carried, MailRefusal) else None
        if refusal is None and authority is None:
            refusal = MailRefusal(reason=Reason.NO_RIGHT)
        if refusal is not None or authority is None or not isinstance(carried, Carried):
            assert refusal is not None
            return await self.refuse(spot, raw, len(raw), refusal)
        return await self._hand_on(spot, raw, source, authority, carried)

    async def _hand_on(
        self, spot: Spot, raw: bytes, source: MailSource, authority: Authority, carried: Carried
    ) -> Outcome:
        told = [(document, await self._accept(document, authority, SOURCE)) for document in carried.documents]
        header = mime.read_entity(raw, 0, len(raw), self._rules.limits)
        assert isinstance(header, Entity)
        answers = [answer for one in told for answer in await self._answers(source, header, *one)]
        settled = SettledMail(
            spot, hashlib.sha256(raw).digest(), len(raw), source, "taken",
            detail=f"{carried.unproven} more alerts were not proven" if carried.unproven else "",
            alerts=[(str(one.body.get("alert", "")), one.status) for _, one in told],
        )  # fmt: skip
        return await self._settle(settled, answers)

    async def refuse(self, spot: Spot, seen: bytes, size_bytes: int, refusal: MailRefusal) -> Outcome:
        """Settle a mail that is not taken; `seen` is what was read of it."""
        detail = refusal.detail or SENTENCES[refusal.reason]
        digest = hashlib.sha256(seen).digest()
        settled = SettledMail(spot, digest, size_bytes, None, "refused", refusal.reason.value, detail)
        return await self._settle(settled, [])

    async def _settle(self, settled: SettledMail, answers: Sequence[OwedAnswer]) -> Outcome:
        most = self._rules.answers_per_hour
        async with self._store.transaction() as connection:
            owed = await mailbox.settle(connection, settled, answers, answers_per_hour=most)
        return Outcome(settled.verdict, settled.reason, len(settled.alerts), owed or 0)

    async def _answers(self, source: MailSource, header: Entity, document: bytes, told: Told) -> list[OwedAnswer]:
        """What goes back for one alert: nothing or one answer."""
        machine = mailproof.is_automatic(
            header.value(b"auto-submitted"),
            header.value(b"precedence"),
            next(iter(header.values(b"return-path")), None),
        )
        if not self._rules.sender or not mailproof.may_answer(source, automatic=machine):
            return []
        worded = await self._worded.worded(document, told, source.entity_id)
        if worded is None:
            return []
        return [OwedAnswer(header.value(b"message-id"), worded.subject, worded.note, worded.document)]

"""Relaying: an alert that a trusted source brought becomes a draft of the entity's own, which a person posts.

Knows: which facts decide, in which order; that a draft is remembered, so that an Update or Cancel of its original can
follow it. Never knows: HTTP, SQL, what the template says.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.cap.model import CapAlert, CapReference
from gateway.cap.write import write
from gateway.flows.keeping import Check
from gateway.policy import rights
from gateway.policy.polling import HELD_WORDS, Arrived, Held, held
from gateway.policy.relay import NoDraft, Relayer, RelayTexts, draft_of
from gateway.policy.rights import Authority, Refusal
from gateway.store import sources
from gateway.store.pool import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A CAP document that its entity can post as it is."""

    identifier: str
    document: bytes


class Relaying:
    """Makes drafts. `lenient` reads what a source sent, `strict` judges what the entity would post."""

    def __init__(
        self,
        store: Store,
        *,
        lenient: Check,
        strict: Check,
        texts: Mapping[str, RelayTexts],
        sender_domain: str,
        utcnow: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._lenient = lenient
        self._strict = strict
        self._texts = texts
        self._domain = sender_domain
        self._utcnow = utcnow

    def held(self, row: Any) -> tuple[Held, ...]:
        """Why an alert of a source (a row of the store) can not be relayed now."""
        return held(arrived(row), self._utcnow())

    async def draft(self, authority: Authority, source: str, public_id: str) -> Drafted | Refusal | None:
        """The draft; why there is none; None when the entity has no such alert. Raises StoreUnavailable."""
        async with self._store.connection() as connection:
            row = await sources.alert(connection, authority.entity_id, source, public_id)
        if row is None:
            return None
        if refusal := rights.may_act(authority):
            return refusal
        if reasons := self.held(row):
            words = " ".join(HELD_WORDS[reason] for reason in reasons)
            return Refusal(reason=f"held-{reasons[0]}", message=words, status=409)
        now = self._utcnow()
        alert = (await self._lenient(row["raw"], now)).alert
        if alert is None:
            return Refusal(reason=f"held-{Held.INVALID}", message=HELD_WORDS[Held.INVALID], status=409)
        return await self._made(authority, row, alert, source, now)

    async def _made(
        self, authority: Authority, row: Any, alert: CapAlert, source: str, now: datetime
    ) -> Drafted | Refusal:
        relayer = Relayer(
            sender=next(iter(authority.identity.senders), f"{authority.slug}@{self._domain}"),
            identifier=f"{authority.slug}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            name=authority.name,
            texts=self._texts,
        )
        earlier = await self._earlier(authority, alert, source)
        draft = draft_of(alert, relayer, source=row["title"] or row["url"], earlier=earlier, now=now)
        if isinstance(draft, NoDraft):
            return Refusal(reason="no-draft", message=draft.message, status=409)
        document = write(draft)
        verdict = await self._strict(document, now)
        if not verdict.valid:
            message = "What the source sent can not become a valid alert without being changed."
            return Refusal(reason="invalid", message=message, status=422, findings=verdict.findings)
        async with self._store.transaction() as connection:
            await sources.put_draft(
                connection, entity_id=authority.entity_id, source_alert_id=row["id"], sender=draft.sender,
                identifier=draft.identifier, sent_at=draft.sent, token_id=authority.token_id,
            )  # fmt: skip
        return Drafted(identifier=draft.identifier, document=document)

    async def _earlier(self, authority: Authority, alert: CapAlert, source: str) -> list[CapReference]:
        """The entity's own accepted alerts that were made from those which this one refers to."""
        identities = [(one.sender, one.identifier) for one in alert.references]
        if not identities:
            return []
        async with self._store.connection() as connection:
            found = await sources.relayed(connection, authority.entity_id, authority.realm, source, identities)
        return [
            CapReference(sender=one.sender, identifier=one.identifier, sent=one.sent_at, sent_text=one.sent)
            for one in found
        ]


def arrived(row: Any) -> Arrived:
    """What decides whether an alert is held, from its row."""
    return Arrived(
        trusted=row["trusted"],
        valid=row["valid"],
        conflict=row["conflict"],
        status=row["status"] or "",
        msg_type=row["msg_type"] or "",
        scope=row["scope"] or "",
        envelope=row["envelope"],
        expires_at=row["expires_at"],
    )

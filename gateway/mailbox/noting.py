"""One mail of the return mailbox, from its bytes to what is kept of it: bounces, complaints, unsubscriptions.

Knows: that a notice and the mail's verdict are one transaction, and that only our own tags count.
Never knows: IMAP, which form a notification has, what follows for an address.
"""

import hashlib

from gateway.channels.email_writer import Tag
from gateway.mailbox.mime import Limits, Unreadable
from gateway.mailbox.notification import Said, read_notification
from gateway.mailbox.taking import Outcome
from gateway.policy.mailproof import SENTENCES, MailRefusal, Reason
from gateway.store import mailbox, suppression
from gateway.store.mailbox import SettledMail, Spot
from gateway.store.pool import Store


class Noter:
    """The way of a mail that comes back. Every method raises StoreUnavailable, and then nothing was settled."""

    def __init__(self, store: Store, *, secret: bytes, envelope_address: str, limits: Limits) -> None:
        """`secret` makes tags: without one anybody could silence an address, so it must not be empty."""
        if not secret:
            raise ValueError("email.verp_secret is needed to believe what comes back")
        self._store = store
        self._tag = Tag(secret)
        self._envelope_address = envelope_address
        self._limits = limits

    async def claimed(self, _name: str, _header: bytes) -> MailRefusal | None:
        """Every mail is read: whom it is about stands in its tag."""
        return None

    async def take(self, spot: Spot, raw: bytes, _source: None) -> Outcome:
        """Keep what it says."""
        found = read_notification(raw, self._envelope_address, self._limits)
        if isinstance(found, Unreadable):
            return await self.refuse(spot, raw, len(raw), MailRefusal(reason=Reason.NO_NOTICE, detail=found.words))
        settled = SettledMail(
            spot, hashlib.sha256(raw).digest(), len(raw), None, "taken", found.said.value, found.status
        )
        async with self._store.transaction() as connection:
            await mailbox.settle(connection, settled)
            for named in filter(None, map(self._tag.read, found.tags)):
                if await suppression.note(connection, *named, found.said.value, found.status) is not None:
                    return Outcome("taken", found.said.value)
        return Outcome("taken", "of-nothing-known")

    async def refuse(self, spot: Spot, seen: bytes, size_bytes: int, refusal: MailRefusal) -> Outcome:
        """Settle a mail that says nothing."""
        detail = refusal.detail or SENTENCES[refusal.reason]
        digest = hashlib.sha256(seen).digest()
        settled = SettledMail(spot, digest, size_bytes, None, "refused", refusal.reason.value, detail)
        async with self._store.transaction() as connection:
            await mailbox.settle(connection, settled)
        return Outcome("refused", refusal.reason.value)

    async def unsubscribe(self, tag: str) -> bool:
        """A person followed the link of a mail; False when the link is none of ours."""
        named = self._tag.read(tag)
        if named is None:
            return False
        async with self._store.transaction() as connection:
            return await suppression.note(connection, *named, Said.UNSUBSCRIBED.value, "") is not None

"""Invitations by mail: the link is made when its mail leaves, and nobody but who is invited ever sees it.

Knows: which are due, how often a failed one is tried again. Never knows: relays, what an invitation opens.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway.flows.courier import SendMail
from gateway.flows.waking import when_woken
from gateway.log import UnitLogger
from gateway.policy.invitation import mail_of
from gateway.store import invitations
from gateway.store.pool import Store

AT_ONCE = 20
LOOK_S = 30.0
FIRST_PAUSE_S = 30.0
MOST_ATTEMPTS = 6

Local = Callable[[datetime], datetime]


class Inviter:
    """Sends what is due; `wake` makes it look at once. `link` holds {invitation}; `service` is how mails call us."""

    def __init__(self, store: Store, send: SendMail, *, link: str, service: str, local: Local, log: UnitLogger) -> None:
        self.wake = asyncio.Event()
        self._store = store
        self._send = send
        self._link = link
        self._service = service
        self._local = local
        self._log = log

    async def run(self) -> None:
        """Send until cancelled."""
        await when_woken(self._all, self.wake, look_s=LOOK_S, log=self._log)

    async def _all(self) -> None:
        while await self.turn() == AT_ONCE:
            pass

    async def turn(self) -> int:
        """Send what is due now; how many there were. An earlier link of the same invitation works no more."""
        async with self._store.acting("inviter") as connection:
            due = await invitations.take_due(connection, AT_ONCE)
        for row, secret in due:
            await self._one(row, secret)
        return len(due)

    async def _one(self, row: Any, secret: str) -> None:
        sent = False
        try:
            subject, body = mail_of(
                row["language"], entity=row["entity"], service=self._service,
                link=self._link.replace("{invitation}", secret), until=self._local(row["expires_at"]),
            )  # fmt: skip
            sent = await self._send(row["email"], subject, body)
        except Exception as fault:  # the top of this mail's work: one never stops the others
            self._log.error("invitation_broken", error=fault, invitation=row["id"])
        again_s = None if sent or row["mail_attempts"] >= MOST_ATTEMPTS else FIRST_PAUSE_S * 2.0 ** row["mail_attempts"]
        if not sent:
            self._log.warning("invitation_not_sent", invitation=row["id"], again_in_s=again_s)
        async with self._store.acting("inviter") as connection:
            await invitations.settle(connection, row["entity_id"], row["id"], sent, again_s)

"""The courier: codes and links of citizens leave by the same providers as alerts do, soon and a few times at most.

Knows: which are due, how often a failed one is tried again. Never knows: providers, binds, relays; who is registered.
Only a node that holds the real transports sends: a code that a simulator swallowed would prove nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from gateway.flows.waking import when_woken
from gateway.log import UnitLogger
from gateway.model import ChannelName
from gateway.policy.registration import RegistrationRules, code_of, mail_of, sms_of
from gateway.store import citizens
from gateway.store.pool import Store

AT_ONCE = 20
LOOK_S = 5.0
FIRST_PAUSE_S = 5.0
MOST_ATTEMPTS = 4

SendSms = Callable[[str, str, datetime], Awaitable[bool]]
"""Number, text, until when it is worth delivering -> whether a provider took it."""
SendMail = Callable[[str, str, str], Awaitable[bool]]
"""Address, subject, text -> whether a relay took it."""


def _always() -> bool:
    """There is a way out for text messages."""
    return True


class Courier:
    """Sends what is due; `wake` makes it look at once. While `sms_able()` is false text messages are left to others, or
    to later: they could only fail."""

    def __init__(
        self,
        store: Store,
        rules: RegistrationRules,
        *,
        sms: SendSms | None,
        mail: SendMail | None,
        log: UnitLogger,
        sms_able: Callable[[], bool] = _always,
    ) -> None:
        self.wake = asyncio.Event()
        self._store = store
        self._rules = rules
        self._sms = sms
        self._mail = mail
        self._log = log
        self._sms_able = sms_able
        ways = {ChannelName.SMS: sms, ChannelName.EMAIL: mail}
        self._channels = [channel for channel, send in ways.items() if send is not None]

    async def run(self) -> None:
        """Send until cancelled; what has run out is forgotten on the way."""
        await when_woken(self._all, self.wake, look_s=LOOK_S, log=self._log)

    async def _all(self) -> None:
        while await self.turn() == AT_ONCE:
            pass
        async with self._store.transaction() as connection:
            await citizens.forget(connection)

    async def turn(self) -> int:
        """Send what is due now; how many there were."""
        channels = [one for one in self._channels if one is not ChannelName.SMS or self._sms_able()]
        async with self._store.transaction() as connection:
            due = await citizens.proofs_due(connection, channels, AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for row in due:
                tasks.create_task(self._one(row))
        return len(due)

    async def _one(self, row: Any) -> None:
        sent = not row["wanted"]
        if row["wanted"]:
            try:
                sent = await self._send(row)
            except Exception as fault:  # the top of this message's work: one never stops the others
                self._log.error("code_broken", error=fault, proof=row["id"])
        again_s = None if sent or row["attempts"] >= MOST_ATTEMPTS else FIRST_PAUSE_S * 2.0 ** row["attempts"]
        if not sent:
            self._log.warning("code_not_sent", proof=row["id"], again_in_s=again_s)
        async with self._store.transaction() as connection:
            await citizens.proof_again(connection, row["id"], again_s)

    async def _send(self, row: Any) -> bool:
        rules, language = self._rules, row["language"]
        if row["channel"] == citizens.SMS:
            assert self._sms is not None
            code = code_of(rules.secret, row["nonce"], ChannelName.SMS)
            return await self._sms(row["endpoint"], sms_of(rules, language, code), row["expires_at"])
        assert self._mail is not None
        code = code_of(rules.secret, row["nonce"], ChannelName.EMAIL)
        return await self._mail(row["endpoint"], *mail_of(rules, language, row["handle"], code))

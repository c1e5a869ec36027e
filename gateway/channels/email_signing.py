"""DKIM for the e-mail channel: which keys sign at what time, and mails signed by processes beside this one.

Knows: keys that take over from each other, batches, a worker that may die. Never knows: relays, sockets, deliveries.
A mail that can not be signed leaves without a signature: an alert that is late helps nobody. RFC 6376, RFC 8463.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway.ending import before
from gateway.processes import kill, worker_pool
from gateway.smtp.message import parse_address
from gateway.smtp.signing import Form, Key, private, sign

DEADLINE_S = 5.0
_ALWAYS = datetime.min.replace(tzinfo=UTC)


class DkimSettings(BaseModel):
    """One key. Of those of one domain and algorithm, the one whose `starts` was last is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: str
    selector: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9-]{1,63}){0,3}$")
    key: SecretStr
    starts: AwareDatetime | None = None

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        if not value.isascii() or value != value.lower() or parse_address(f"x@{value}") is None:
            raise ValueError("not a domain in lower case")
        return value

    @field_validator("key")
    @classmethod
    def _may_sign(cls, value: SecretStr) -> SecretStr:
        private(value.get_secret_value().encode())
        return value

    def of_kit(self) -> Key:
        """The same in the words of the SMTP kit."""
        return Key(domain=self.domain, selector=self.selector, pem=self.key.get_secret_value().encode())


def keys_at(known: Sequence[DkimSettings], at: datetime) -> tuple[Key, ...]:
    """The keys that sign at this time, one for each domain and algorithm."""
    chosen: dict[tuple[str, str], Key] = {}
    for one in sorted(known, key=lambda one: one.starts or _ALWAYS):
        if one.starts is None or one.starts <= at:
            key = one.of_kit()
            chosen[key.domain, key.algorithm] = key
    return tuple(chosen.values())


class Unsigned(NamedTuple):
    """The fields that a mail has for itself, and what it shares with others."""

    head: bytes
    form: Form


class Signer:
    """Signs batches in `workers` processes, which start with the first batch; `failed` counts mails left unsigned."""

    def __init__(self, known: Sequence[DkimSettings], workers: int) -> None:
        self._known = tuple(known)
        self._count = workers
        self._pool = worker_pool(workers)
        self.failed = 0

    async def sign(self, mails: Sequence[Unsigned], now_s: int) -> list[bytes]:
        """For each mail the fields to stand before its head; empty where there is no signature."""
        keys = keys_at(self._known, datetime.fromtimestamp(now_s, UTC))
        forms = list(dict.fromkeys(mail.form for mail in mails))  # few, and large: each travels once
        places = {form: place for place, form in enumerate(forms)}
        batch = [(mail.head, places[mail.form]) for mail in mails]
        for _ in range(2):  # a worker may have died before this batch came
            try:
                loop = asyncio.get_running_loop()
                signing = loop.run_in_executor(self._pool, sign_batch, batch, forms, keys, now_s)
                return await before(DEADLINE_S, signing)
            except (BrokenExecutor, TimeoutError):
                kill(self._pool)
                self._pool = worker_pool(self._count)
        self.failed += len(mails)
        return [b""] * len(mails)

    def close(self) -> None:
        """End the processes."""
        kill(self._pool)


def sign_batch(
    batch: Sequence[tuple[bytes, int]], forms: Sequence[Form], keys: Sequence[Key], now_s: int
) -> list[bytes]:
    """What a worker runs."""
    return [sign(head, forms[place], keys, now_s) for head, place in batch]

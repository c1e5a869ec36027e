"""What a webhook is told and how it is signed, when it is tried again, when it is left alone.

Knows: Standard Webhooks, the kinds of events, the schedule of retries. Never knows: clocks (`now` is an argument),
sockets, stores.
Standard: Standard Webhooks 1.0 (headers webhook-id, webhook-timestamp, webhook-signature; symmetric signatures v1).
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.policy.subscription import Answer

PREFIX = "whsec_"
SECRET_BYTES = 32
URL_MOST_CHARACTERS = 1_000
_GONE, _ASKED_TO_WAIT = 410, (429, 503)
_MOST_ASKED_PAUSE_S = 3_600
PAUSES_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""After the first, second, ... failure; after the last one a delivery is given up: 28 hours in all."""


class EventType(StrEnum):
    """What is told. `released`: it may be sent from now on; `closed`: the report is final."""

    ACCEPTED = "campaign.accepted"
    HELD = "campaign.held"
    AGREED = "campaign.agreed"
    GLASS_BROKEN = "campaign.glass-broken"
    RELEASED = "campaign.released"
    PAUSED = "campaign.paused"
    RESUMED = "campaign.resumed"
    STOPPED = "campaign.stopped"
    EXPIRED = "campaign.expired"
    CONTRADICTED = "campaign.contradicted"
    CLOSED = "campaign.closed"
    PING = "webhook.ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """A webhook that was not reached for `disable_after_s` is switched off; a secret that was replaced is signed with
    for `old_secret_s` more; `plain_http`: addresses without TLS are taken as well."""

    disable_after_s: float = 432_000.0
    old_secret_s: float = 86_400.0
    plain_http: bool = False


class Told(NamedTuple):
    """What became of one attempt: due again, or settled. `gone`: it wants nothing more."""

    due: datetime | None
    settled: str | None
    reached: bool
    gone: bool


def new_secret(random: bytes) -> str:
    """A secret as it is shown, from SECRET_BYTES random ones."""
    return PREFIX + base64.b64encode(random).decode()


def headers(message: str, body: bytes, secrets: list[str], now: datetime) -> dict[str, str]:
    """The headers of an attempt; while a secret is being replaced there are two signatures."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def ping(webhook: str, now: datetime) -> str:
    """A message that says nothing but that messages arrive."""
    data: dict[str, Any] = {"webhook": webhook}
    told = {"type": EventType.PING.value, "timestamp": now.astimezone(UTC).isoformat(), "data": data}
    return json.dumps(told)


def after(answer: Answer, attempts: int, now: datetime) -> Told:
    """What an answer means; `attempts` counts this one. Any 2xx is success, 410 the wish to hear nothing more."""
    if 200 <= answer.status < 300:
        return Told(None, "delivered", reached=True, gone=False)
    if answer.status == _GONE:
        return Told(None, "given-up", reached=False, gone=True)
    if attempts > len(PAUSES_S):
        return Told(None, "given-up", reached=False, gone=False)
    pause_s = max(PAUSES_S[attempts - 1], _asked_pause_s(answer))
    return Told(now + timedelta(seconds=pause_s), None, reached=False, gone=False)


def _asked_pause_s(answer: Answer) -> float:
    """The seconds of a Retry-After, within bounds; a date in it is not read."""
    said = answer.headers.get("retry-after", "")
    if answer.status not in _ASKED_TO_WAIT or not (said.isascii() and said.isdigit() and len(said) < 10):
        return 0.0
    return float(min(_MOST_ASKED_PAUSE_S, int(said)))

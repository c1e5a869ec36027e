"""Our side of a subscription with somebody else's hub: what we ask, what we confirm, which deliveries we believe.

Knows: WebSub as a subscriber. Never knows: clocks (`now` is an argument), sockets, the store.
Standard: W3C WebSub (23 January 2018), §5.1 (request), §5.3 (verification of intent), §7 (content), §7.1 (signatures).
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlencode

LEASE_S = 864_000
LEASE_MOST_S = 5_184_000
CHALLENGE_CHARACTERS = 1_000
_RENEW_AT = 0.8
_ASK_AGAIN_S = 3_600.0
_DENIED_S = 86_400.0
# WebSub §7.1: the methods that a subscriber recognises
_METHODS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


class HubState(StrEnum):
    """How far a subscription has come."""

    NONE = "none"
    ASKED = "asked"
    ACTIVE = "active"
    DENIED = "denied"


class Subscription(NamedTuple):
    """What we know of a subscription of ours."""

    hub: str
    topic: str
    state: HubState
    asked_at: datetime | None
    until: datetime | None


class Confirmed(NamedTuple):
    """The hub's question is one that we expect: answer with `challenge`; the subscription lasts for `lease_s`."""

    challenge: str
    lease_s: int


def in_force(subscription: Subscription, now: datetime) -> bool:
    """Whether the hub tells us of news at present."""
    return subscription.state is HubState.ACTIVE and subscription.until is not None and subscription.until > now


def is_to_ask(subscription: Subscription, hub: str, topic: str, now: datetime) -> bool:
    """Whether to ask this hub for this topic now: when it is another one, when the lease ends soon, when the last
    request brought nothing for an hour (a day, when the hub said no)."""
    if (hub, topic) != (subscription.hub, subscription.topic) or subscription.asked_at is None:
        return True
    since_s = (now - subscription.asked_at).total_seconds()
    if in_force(subscription, now) and subscription.until is not None:
        left_s = (subscription.until - now).total_seconds()
        return left_s < (1.0 - _RENEW_AT) * (since_s + left_s) and since_s > _ASK_AGAIN_S
    return since_s > (_DENIED_S if subscription.state is HubState.DENIED else _ASK_AGAIN_S)


def request(hub_topic: str, callback: str, secret: str) -> bytes:
    """The form that asks a hub for a subscription."""
    # WebSub §5.1
    fields = {
        "hub.mode": "subscribe",
        "hub.topic": hub_topic,
        "hub.callback": callback,
        "hub.secret": secret,
        "hub.lease_seconds": str(LEASE_S),
    }
    return urlencode(fields).encode()


def verification(pairs: Iterable[tuple[str, str]], subscription: Subscription) -> Confirmed | HubState | None:
    """What a hub's question means: Confirmed when we asked for this, HubState.DENIED when it says no, None when the
    question is not about anything that we asked."""
    query = dict(pairs)
    if query.get("hub.topic") != subscription.topic or not subscription.topic:
        return None
    if subscription.state not in {HubState.ASKED, HubState.ACTIVE}:
        return None
    match query.get("hub.mode"):
        case "denied":
            # WebSub §5.2
            return HubState.DENIED
        case "subscribe":
            challenge, lease = query.get("hub.challenge", ""), query.get("hub.lease_seconds", "")
            if not 1 <= len(challenge) <= CHALLENGE_CHARACTERS or not challenge.isprintable():
                return None
            # WebSub §5.3: the lease is the hub's to say; one that says none is held to what we asked
            lease_s = int(lease) if lease.isascii() and lease.isdigit() and len(lease) <= 9 else LEASE_S
            return Confirmed(challenge, min(lease_s, LEASE_MOST_S))
    return None


def lease_end(confirmed: Confirmed, now: datetime) -> datetime:
    """Until when a confirmed subscription lasts."""
    return now + timedelta(seconds=confirmed.lease_s)


def is_signed(secret: str, body: bytes, header: str) -> bool:
    """Whether X-Hub-Signature is the HMAC of the body under our secret."""
    # WebSub §7.1
    method, equals, said = header.strip().partition("=")
    digest = _METHODS.get(method.lower())
    if not secret or not equals or digest is None or not said.isascii():
        return False
    return hmac.compare_digest(hmac.new(secret.encode(), body, digest).hexdigest(), said.strip().lower())

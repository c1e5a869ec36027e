"""Subscriptions with the hubs of others."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.push import (
    LEASE_MOST_S,
    LEASE_S,
    Confirmed,
    HubState,
    Subscription,
    in_force,
    is_signed,
    is_to_ask,
    lease_end,
    request,
    verification,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HUB, TOPIC = "https://hub.example/", "https://a.example/feed"


def subscription(state: HubState = HubState.ACTIVE, asked_s: float = 7_200, left_s: float = 864_000) -> Subscription:
    return Subscription(HUB, TOPIC, state, NOW - timedelta(seconds=asked_s), NOW + timedelta(seconds=left_s))


def test_a_subscription_is_in_force_until_its_lease_ends() -> None:
    assert in_force(subscription(), NOW)
    assert not in_force(subscription(left_s=0), NOW)
    assert not in_force(subscription(HubState.ASKED), NOW)
    assert not in_force(Subscription(HUB, TOPIC, HubState.ACTIVE, NOW, None), NOW)


@pytest.mark.parametrize(
    ("now_is", "asks"),
    [
        (Subscription("", "", HubState.NONE, None, None), True),
        (subscription(), False),
        (subscription(asked_s=800_000, left_s=64_000), True),
        (subscription(asked_s=600_000, left_s=264_000), False),
        (subscription(asked_s=1_000, left_s=100), False),
        (subscription(left_s=-1), True),
        (subscription(HubState.ASKED, asked_s=60), False),
        (subscription(HubState.ASKED, asked_s=3_700), True),
        (subscription(HubState.DENIED, asked_s=3_700), False),
        (subscription(HubState.DENIED, asked_s=90_000), True),
    ],
)
def test_a_hub_is_asked_when_that_can_help(now_is: Subscription, asks: bool) -> None:
    assert is_to_ask(now_is, HUB, TOPIC, NOW) is asks


def test_another_hub_or_topic_is_asked_at_once() -> None:
    assert is_to_ask(subscription(), "https://other.example/", TOPIC, NOW)
    assert is_to_ask(subscription(), HUB, "https://a.example/other", NOW)


def test_the_request_has_what_a_hub_wants() -> None:
    form = parse_qs(request(TOPIC + "?a=b&c", "https://we.example/x", "s&cret").decode(), strict_parsing=True)
    assert form == {
        "hub.mode": ["subscribe"],
        "hub.topic": [TOPIC + "?a=b&c"],
        "hub.callback": ["https://we.example/x"],
        "hub.secret": ["s&cret"],
        "hub.lease_seconds": [str(LEASE_S)],
    }


def question(**changes: str) -> list[tuple[str, str]]:
    usual = {"mode": "subscribe", "topic": TOPIC, "challenge": "abc", "lease_seconds": "600"} | changes
    return [(f"hub.{name}", value) for name, value in usual.items()]


def test_what_was_asked_for_is_confirmed_for_as_long_as_the_hub_says() -> None:
    assert verification(question(), subscription(HubState.ASKED)) == Confirmed("abc", 600)
    assert verification(question(lease_seconds=""), subscription()) == Confirmed("abc", LEASE_S)
    assert verification(question(lease_seconds="99999999"), subscription()) == Confirmed("abc", LEASE_MOST_S)
    assert lease_end(Confirmed("abc", 600), NOW) == NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"topic": "https://other.example/"}, HubState.ASKED),
        ({"mode": "unsubscribe"}, HubState.ACTIVE),
        ({"mode": ""}, HubState.ASKED),
        ({"challenge": ""}, HubState.ASKED),
        ({"challenge": "x" * 1_001}, HubState.ASKED),
        ({"challenge": "a\r\nSet-Cookie: b"}, HubState.ASKED),
        ({}, HubState.NONE),
        ({}, HubState.DENIED),
    ],
)
def test_what_was_not_asked_for_is_not_confirmed(changes: dict[str, str], state: HubState) -> None:
    assert verification(question(**changes), subscription(state)) is None


def test_nothing_is_confirmed_for_a_source_without_a_topic() -> None:
    assert verification(question(topic=""), Subscription("", "", HubState.ASKED, NOW, None)) is None


def test_a_no_is_heard() -> None:
    assert verification(question(mode="denied"), subscription(HubState.ASKED)) is HubState.DENIED


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_a_delivery_is_believed_with_any_recognised_signature(method: str) -> None:
    said = hmac.new(b"secret", b"body", getattr(hashlib, method)).hexdigest()
    assert is_signed("secret", b"body", f"{method}={said}")
    assert is_signed("secret", b"body", f" {method.upper()}={said.upper()} ")
    assert not is_signed("secret", b"body.", f"{method}={said}")
    assert not is_signed("secre", b"body", f"{method}={said}")
    assert not is_signed("", b"body", f"{method}={hmac.new(b'', b'body', method).hexdigest()}")


@given(st.text(max_size=100) | st.sampled_from(["", "sha256", "sha256=", "md5=00", "=", "sha256=é"]))
def test_no_other_header_is_a_signature(header: str) -> None:
    assert not is_signed("secret", b"body", header)

"""What the hub decides: forms read, leases bounded, challenges held against answers, pauses that grow and end."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.subscription import (
    Answer,
    Fate,
    HubMode,
    HubRules,
    Unreadable,
    Wish,
    after_delivery,
    after_verification,
    callback_problem,
    clamped,
    pause_s,
    read_request,
    signature,
    verification_url,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RULES = HubRules()
TOPIC = "https://alerts.example/cap/feed.atom"
CALLBACK = "https://Reader.Example:8443/hook?id=7"
FORM = {"hub.mode": "subscribe", "hub.topic": TOPIC, "hub.callback": CALLBACK}


def read(**changes: str) -> Wish | Unreadable:
    form = FORM | {f"hub.{name}": value for name, value in changes.items()}
    return read_request(form.items(), RULES)


def wish(**changes: str) -> Wish:
    found = read(**changes)
    assert isinstance(found, Wish)
    return found


# requests -----------------------------------------------------------------------------------------------------------


def test_a_form_becomes_a_wish() -> None:
    assert wish(lease_seconds="7200", secret="s3cret") == Wish(
        mode=HubMode.SUBSCRIBE,
        topic=TOPIC,
        callback=CALLBACK,
        host="reader.example",
        lease_s=7200,
        secret="s3cret",
    )
    assert wish(mode="unsubscribe").mode is HubMode.UNSUBSCRIBE


def test_fields_that_are_not_of_the_standard_are_passed_over() -> None:
    pairs = [*FORM.items(), ("hub.verify", "async"), ("foo", "1"), ("foo", "2"), ("hub.mode", "subscribe")]
    assert isinstance(read_request(pairs, RULES), Wish)


def test_a_field_that_is_given_twice_differently_is_refused() -> None:
    pairs = [*FORM.items(), ("hub.callback", "https://other.example/")]
    assert read_request(pairs, RULES) == Unreadable("hub.callback is given twice")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mode": "publish"}, "hub.mode"),
        ({"mode": ""}, "hub.mode"),
        ({"topic": ""}, "hub.topic"),
        ({"topic": "x" * 501}, "hub.topic"),
        ({"callback": ""}, "hub.callback"),
        ({"secret": "x" * 200}, "hub.secret"),
        ({"secret": "é" * 100}, "hub.secret"),
        ({"secret": "a\r\nX-Evil: 1"}, "hub.secret"),
        ({"lease_seconds": "-1"}, "hub.lease_seconds"),
        ({"lease_seconds": "1e9"}, "hub.lease_seconds"),
        ({"lease_seconds": "٣"}, "hub.lease_seconds"),
        ({"lease_seconds": "9" * 5000}, "hub.lease_seconds"),
    ],
)
def test_a_form_that_can_not_be_right_is_refused_by_the_field(changes: dict[str, str], word: str) -> None:
    found = read(**changes)
    assert isinstance(found, Unreadable) and found.detail.startswith(word)


@pytest.mark.parametrize(
    "callback",
    [
        "/hook", "ftp://a.example/", "https://", "https:///hook", "https://a b.example/", "https://a.example/\r\nX: 1",
        "https://u:p@a.example/", "https://a.example/#x", "https://a.example\\@b.example/", "https://a.example:0/",
        "https://a.example:99999/", "https://a.example:x/", "https://é.example/", "https://a.example/" + "x" * 1000,
        "https://[::1/", "https://[v1.x]/", "javascript://a.example/%0aalert(1)", "https://a.example/\x7f",
    ],
)  # fmt: skip
def test_a_callback_of_the_wrong_form_is_refused(callback: str) -> None:
    assert callback_problem(callback)
    assert isinstance(read(callback=callback), Unreadable)


@pytest.mark.parametrize(
    "callback", ["http://a.example", "HTTPS://a.example/", "https://a.example:8443/?a=b&c", "https://[2606::1]:8443/x"]
)
def test_a_callback_of_the_right_form_is_taken(callback: str) -> None:
    assert callback_problem(callback) == ""


FIELDS = st.one_of(st.sampled_from([*FORM, "hub.secret", "hub.lease_seconds"]), st.text())


@given(st.lists(st.tuples(FIELDS, st.text())))
def test_no_form_breaks_the_reading(pairs: list[tuple[str, str]]) -> None:
    found = read_request([*FORM.items(), *pairs], RULES)
    if isinstance(found, Wish):
        assert RULES.lease_min_s <= found.lease_s <= RULES.lease_max_s
        assert found.host and found.host == found.host.lower()


@given(st.text())
def test_a_callback_that_is_taken_is_plain_ascii_of_one_host(text: str) -> None:
    if callback_problem("https://" + text) == "":
        parts = urlsplit("https://" + text)
        assert text.isascii() and text.isprintable() and " " not in text
        assert parts.hostname and parts.username is None and not parts.fragment


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(wish(secret="s3cret"))


# leases -------------------------------------------------------------------------------------------------------------


@given(st.one_of(st.none(), st.integers(min_value=0, max_value=10**12)))
def test_every_lease_lies_within_the_bounds(asked: int | None) -> None:
    given_s = clamped(asked, RULES)
    assert RULES.lease_min_s <= given_s <= RULES.lease_max_s
    if asked is None:
        assert given_s == RULES.lease_default_s
    elif RULES.lease_min_s <= asked <= RULES.lease_max_s:
        assert given_s == asked


# verification -------------------------------------------------------------------------------------------------------


def test_the_question_keeps_the_callbacks_own_query_in_front() -> None:
    url = verification_url(wish(lease_seconds="7200"), "ch&llenge=")
    assert url.startswith(CALLBACK + "&hub.mode=subscribe")
    asked = parse_qs(urlsplit(url).query)
    assert asked == {
        "id": ["7"],
        "hub.mode": ["subscribe"],
        "hub.topic": [TOPIC],
        "hub.challenge": ["ch&llenge="],
        "hub.lease_seconds": ["7200"],
    }


def test_an_unsubscription_is_asked_about_without_a_lease() -> None:
    url = verification_url(wish(mode="unsubscribe", callback="https://a.example/h"), "c")
    assert url.startswith("https://a.example/h?hub.mode=unsubscribe") and "lease" not in url


@pytest.mark.parametrize(
    ("answer", "attempts", "fate"),
    [
        (Answer(status=200, body=b"chal"), 1, Fate.DONE),
        (Answer(status=204, body=b" chal\n"), 3, Fate.DONE),
        (Answer(status=200, body=b"chall"), 1, Fate.REFUSED),
        (Answer(status=200, body=b""), 1, Fate.REFUSED),
        (Answer(status=301, body=b"chal"), 1, Fate.REFUSED),
        (Answer(status=404, body=b"chal"), 1, Fate.REFUSED),
        (Answer(status=500), 1, Fate.RETRY),
        (Answer(status=0), 2, Fate.RETRY),
        (Answer(status=0), 3, Fate.REFUSED),
        (Answer(status=503), 3, Fate.REFUSED),
    ],
)
def test_only_the_challenge_itself_confirms(answer: Answer, attempts: int, fate: Fate) -> None:
    found = after_verification(answer, "chal", attempts=attempts, rules=RULES, now=NOW)
    assert found.fate is fate
    assert (found.due is not None) == (fate is Fate.RETRY)


# content ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(status: int) -> None:
    assert after_delivery(Answer(status=status), failures=11, rules=RULES, now=NOW).fate is Fate.DONE


def test_410_ends_a_subscription_at_once() -> None:
    assert after_delivery(Answer(status=410), failures=0, rules=RULES, now=NOW).fate is Fate.DROPPED


@pytest.mark.parametrize("status", [0, 302, 400, 404, 500, 503])
def test_failures_in_a_row_have_growing_pauses_and_an_end(status: int) -> None:
    pauses = []
    for failures in range(RULES.failures):
        found = after_delivery(Answer(status=status), failures=failures, rules=RULES, now=NOW)
        if found.due is None:
            assert found.fate is Fate.DROPPED
            break
        pauses.append((found.due - NOW).total_seconds())
    assert len(pauses) == RULES.failures - 1
    assert pauses == sorted(pauses)
    assert pauses[0] == 5.0 and pauses[-1] == 3600.0


@pytest.mark.parametrize(
    ("status", "said", "pause"),
    [(503, "60", 60), (429, "999999", 3600), (503, "soon", 5), (500, "60", 5), (503, "1", 5)],
)
def test_a_subscriber_may_ask_for_a_longer_pause_within_bounds(status: int, said: str, pause: int) -> None:
    found = after_delivery(Answer(status=status, headers={"retry-after": said}), failures=0, rules=RULES, now=NOW)
    assert found.due == NOW + timedelta(seconds=pause)


@given(st.integers(min_value=1, max_value=10**6))
def test_no_pause_is_longer_than_the_longest(failures: int) -> None:
    assert 0 < pause_s(failures, RULES) <= RULES.retry_max_s


@given(st.text(min_size=1), st.binary())
def test_a_signature_is_the_hmac_of_the_body(secret: str, body: bytes) -> None:
    try:
        key = secret.encode()
    except UnicodeEncodeError:
        return
    assert signature(secret, body) == "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def test_ten_thousand_silent_subscribers_are_all_dropped_in_bounded_time() -> None:
    rules = replace(RULES, failures=12)
    left, asked = 10_000, 0
    failures, at = 0, NOW
    while left:
        found = after_delivery(Answer(), failures=failures, rules=rules, now=at)
        asked += left
        if found.fate is Fate.DROPPED:
            left = 0
        else:
            assert found.due is not None
            failures, at = failures + 1, found.due
    assert asked == 120_000
    assert at - NOW < timedelta(hours=24)

"""Messages of webhooks: signed as Standard Webhooks says, by its own library's word; tried again, and not for ever."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.policy.subscription import Answer
from gateway.policy.webhooks import PAUSES_S, PREFIX, SECRET_BYTES, Told, after, headers, new_secret, ping

NOW = datetime.now(UTC)
SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES).map(new_secret)


@given(SECRETS, SECRETS, st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_another_library_believes_a_message_under_either_secret(new: str, old: str, data: dict[str, str]) -> None:
    body = json.dumps({"type": "campaign.closed", "data": data})
    signed = headers("msg_1", body.encode(), [new, old], datetime.now(UTC))
    for secret in (new, old):
        assert secret.startswith(PREFIX)
        assert Webhook(secret).verify(body, signed) == json.loads(body)


@given(SECRETS, st.sampled_from(["id", "time", "body", "secret"]))
def test_another_library_believes_nothing_that_was_changed(secret: str, what: str) -> None:
    body = '{"type": "webhook.ping"}'
    now = datetime.now(UTC)  # the library believes nothing that is older than minutes
    signed = headers("msg_1", body.encode(), [secret], now)
    match what:
        case "id":
            signed["webhook-id"] = "msg_2"
        case "time":
            signed["webhook-timestamp"] = str(int(now.timestamp()) - 1)
        case "body":
            body += " "
        case _:
            secret = new_secret(bytes(SECRET_BYTES - 1) + b"!")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, signed)


def test_a_ping_says_what_it_is_and_nothing_else() -> None:
    told = json.loads(ping("wh_1", NOW))
    assert told == {"type": "webhook.ping", "timestamp": NOW.isoformat(), "data": {"webhook": "wh_1"}}


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_settles_a_message(status: int) -> None:
    assert after(Answer(status=status), 1, NOW) == Told(None, "delivered", True, False)


def test_410_ends_the_webhook() -> None:
    assert after(Answer(status=410), 1, NOW) == Told(None, "given-up", False, True)


@pytest.mark.parametrize("status", [0, 301, 400, 404, 500])
def test_anything_else_is_tried_again_with_longer_and_longer_pauses_and_then_given_up(status: int) -> None:
    answer = Answer(status=status, headers={"retry-after": "600"})
    told = [after(answer, attempts, NOW) for attempts in range(1, len(PAUSES_S) + 2)]
    assert [one.due for one in told] == [*(NOW + timedelta(seconds=pause) for pause in PAUSES_S), None]
    assert [one.settled for one in told] == [None] * len(PAUSES_S) + ["given-up"]
    assert sum(PAUSES_S) > 86_400


@pytest.mark.parametrize(
    ("status", "asked", "pause_s"),
    [(429, "60", 60), (503, "60", 60), (503, "1", 5), (503, "99999", 3_600), (503, "soon", 5), (503, "", 5)],
)
def test_who_asks_for_a_pause_gets_it_within_bounds(status: int, asked: str, pause_s: float) -> None:
    told = after(Answer(status=status, headers={"retry-after": asked}), 1, NOW)
    assert told.due == NOW + timedelta(seconds=pause_s)

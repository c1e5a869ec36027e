"""The hub's door: forms of every shape get an answer that says why, and nothing is kept that could not be right."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import StoreUnavailable
from gateway.flows.hub import Taken
from gateway.flows.publishing import PUBLIC, FeedName
from gateway.policy.subscription import HubRules, Wish
from gateway.web.hub import BODY_MAX_BYTES, HubPages
from gateway.web.outward import Guard
from gateway.web.topic import Topic, read_topic

Client = TestClient[web.Request, web.Application]
US = "https://alerts.example"
FORM = {"hub.mode": "subscribe", "hub.topic": f"{US}/cap/feed.atom", "hub.callback": "https://reader.example/hook"}


class Kept:
    """What came through the door; it can be full or away."""

    def __init__(self) -> None:
        self.wishes: list[tuple[Wish, FeedName]] = []
        self.answer = Taken.ACCEPTED
        self.away = False

    async def take(self, wish: Wish, feed: FeedName) -> Taken:
        if self.away:
            raise StoreUnavailable("away")
        self.wishes.append((wish, feed))
        return self.answer


async def topic(url: str) -> Topic | None:
    return read_topic(url, US)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def client(kept: Kept) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(HubPages(take=kept.take, topic=topic, refusal=Guard().refusal, rules=HubRules()).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_wish_is_kept_and_answered_202(client: Client, kept: Kept) -> None:
    answer = await client.post("/cap/hub", data=FORM | {"hub.lease_seconds": "9", "hub.secret": "k"})
    assert answer.status == 202
    ((wish, feed),) = kept.wishes
    assert feed == PUBLIC
    assert (wish.topic, wish.callback, wish.lease_s, wish.secret) == (
        FORM["hub.topic"],
        FORM["hub.callback"],
        3600,
        "k",
    )


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"hub.mode": "publish"}, 400, "hub.mode"),
        ({"hub.topic": f"{US}/cap/feed.html"}, 404, "hub.topic"),
        ({"hub.topic": "https://elsewhere.example/feed"}, 404, "hub.topic"),
        ({"hub.callback": "http://127.0.0.1/"}, 400, "hub.callback"),
        ({"hub.callback": "http://169.254.169.254/latest/meta-data"}, 400, "hub.callback"),
        ({"hub.callback": "http://[::1]:8080/"}, 400, "hub.callback"),
        ({"hub.callback": "http://[::ffff:127.0.0.1]/"}, 400, "hub.callback"),
        ({"hub.callback": "http://2130706433/"}, 400, "hub.callback"),
        ({"hub.callback": "http://0177.0.0.1/"}, 400, "hub.callback"),
        ({"hub.callback": "http://0x7f.1/"}, 400, "hub.callback"),
        ({"hub.callback": "https://reader.example:25/"}, 400, "hub.callback"),
    ],
)
async def test_what_can_not_be_right_is_refused_in_plain_words(
    client: Client, kept: Kept, changes: dict[str, str], status: int, word: str
) -> None:
    answer = await client.post("/cap/hub", data=FORM | changes)
    assert answer.status == status
    assert answer.content_type == "text/plain" and (await answer.text()).startswith(word)
    assert kept.wishes == []


@pytest.mark.parametrize(
    ("taken", "status", "pause"), [(Taken.FULL, 503, "3600"), (Taken.TOO_MANY, 429, "60"), (Taken.ACCEPTED, 202, None)]
)
async def test_a_full_hub_says_when_to_come_back(
    client: Client, kept: Kept, taken: Taken, status: int, pause: str | None
) -> None:
    kept.answer = taken
    answer = await client.post("/cap/hub", data=FORM)
    assert (answer.status, answer.headers.get("Retry-After")) == (status, pause)


async def test_a_store_that_is_away_is_503(client: Client, kept: Kept) -> None:
    kept.away = True
    assert (await client.post("/cap/hub", data=FORM)).status == 503


async def test_other_bodies_are_refused_before_they_are_read_whole(client: Client) -> None:
    assert (await client.post("/cap/hub", json=FORM)).status == 415
    assert (await client.post("/cap/hub", data=FORM | {"x": "y" * BODY_MAX_BYTES})).status == 413
    many = "&".join(f"a{n}=1" for n in range(200))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/cap/hub", data=many, headers=headers)).status == 400
    assert (await client.post("/cap/hub", data=b"hub.mode=%ff", headers=headers)).status == 400
    assert (await client.post("/cap/hub", data=b"hub.mode=\xff", headers=headers)).status == 400

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"a" * 1000

    assert (await client.post("/cap/hub", data=endless(), headers=headers)).status == 413
    assert (await client.get("/cap/hub")).status == 405


NAMES = st.one_of(st.sampled_from([*FORM, "hub.lease_seconds", "hub.secret", "hub.challenge"]), st.text(max_size=10))
ODD = ["unsubscribe", "0", "-1", "http://[", "\x00"]
VALUES = st.one_of(st.sampled_from([*FORM.values(), *ODD]), st.text(max_size=40))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=20))
async def test_no_form_breaks_the_door(client: Client, kept: Kept, pairs: list[tuple[str, str]], tail: bytes) -> None:
    body = urlencode([*pairs]).encode() + tail
    answer = await client.post("/cap/hub", data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status in {202, 400, 404}
    for wish, _ in kept.wishes:
        assert Guard().refusal(wish.callback) == "" and read_topic(wish.topic, US) is not None

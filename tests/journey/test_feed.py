"""The public feed while alerts come in: what it shows, and how soon."""

from datetime import timedelta

import pytest

from gateway.store.embedded import Cluster
from tests.support.line import Line, cap, now, people, reference, whole_line
from tests.support.waiting import PATIENCE_S, stretched, until, watching_stalls


async def shows(line: Line, path: str, words: str) -> bool:
    """Whether a page of the public feed contains these words."""
    async with line.session.get(line.url + path) as answer:
        assert answer.status == 200
        return words in await answer.text()


async def seen_after(line: Line, path: str, words: str) -> float:
    """Seconds until a page shows these words, without those in which the machine stood still."""
    async with watching_stalls() as stalls:
        began = stalls.clock()
        while not await shows(line, path, words):
            assert stalls.clock() - began < PATIENCE_S, f"{path} never showed {words}"
        return stalls.clock() - began


async def test_an_alert_is_public_within_a_second(pg: Cluster) -> None:
    """In every format, with its own bytes behind it; the sending does not have to be over."""
    async with whole_line(pg, people(200), sms={"rate_per_s": 20}) as line:
        raw = cap("one", words="Fire in the harbour")
        status, body = await line.ask("POST", "/v1/alerts", raw=raw)
        assert status == 201
        for suffix in ("atom", "rss", "json", "geojson"):
            assert await seen_after(line, f"/cap/feed.{suffix}", "Fire in the harbour") <= stretched(1.0)
        async with line.session.get(f"{line.url}/cap/alerts/{body['alert']}.xml") as answer:
            assert await answer.read() == raw
        assert (await line.campaign(body["campaign"]))["state"] != "closed"


async def test_a_cancel_is_shown_with_the_alert_it_ends(pg: Cluster) -> None:
    """Those who read the feed hear that it is over."""
    async with whole_line(pg, people(3)) as line:
        sent = now()
        await line.post(cap("one", words="Fire in the harbour", sent=sent))
        cancel = cap("two", words="It is over", msg_type="Cancel", references=reference("one", sent), area="")
        await line.post(cancel)
        assert await seen_after(line, "/cap/feed.atom", "It is over") <= stretched(1.0)


async def test_an_exercise_has_a_feed_of_its_own(pg: Cluster) -> None:
    """Nobody takes it for the real thing."""
    async with whole_line(pg, people(3)) as line:
        await line.post(cap("one", words="Sirens", status="Exercise"))
        assert await seen_after(line, "/cap/exercise/feed.atom", "Sirens") <= stretched(1.0)
        assert not await shows(line, "/cap/feed.atom", "Sirens")


@pytest.mark.parametrize(
    ("realm", "status", "scope"),
    [("test", "Actual", "Public"), ("test", "Exercise", "Public"), ("live", "Test", "Public"),
     ("live", "Draft", "Public"), ("live", "System", "Public"), ("live", "Actual", "Private")],
)  # fmt: skip
async def test_nothing_else_is_public(pg: Cluster, realm: str, status: str, scope: str) -> None:
    """Neither rehearsals nor tests nor what is for groups only; a public alert that comes after them shows alone."""
    async with whole_line(pg, people(3)) as line:
        addresses = "plp-centre" if scope == "Private" else ""
        hidden = cap("one", words="Hidden words", status=status, scope=scope, addresses=addresses)
        who = "demo-police" if scope == "Private" else "demo-commune"
        await line.post(hidden, realm=realm, who=who)
        await line.post(cap("two", words="Shown words"))
        for suffix in ("atom", "rss", "json", "geojson"):
            await seen_after(line, f"/cap/feed.{suffix}", "Shown words")
            assert not await shows(line, f"/cap/feed.{suffix}", "Hidden words")
        if status != "Exercise":
            assert not await shows(line, "/cap/exercise/feed.atom", "Hidden words")


async def test_an_alert_leaves_the_feed_when_it_expires(pg: Cluster) -> None:
    """By itself."""
    life_s = stretched(3)
    async with whole_line(pg, people(1)) as line:
        await line.post(cap("one", words="Short lived", lasts=timedelta(seconds=life_s)))
        await seen_after(line, "/cap/feed.atom", "Short lived")
        async with watching_stalls() as stalls:
            began = stalls.clock()
            while await shows(line, "/cap/feed.atom", "Short lived"):
                assert stalls.clock() - began < life_s + stretched(3)
        assert line.received("sms") or await until(lambda: bool(line.received("sms"))) >= 0

"""Feeds that come in, from a server on the loopback: conditions, intervals, links, pages, hubs."""

import asyncio
import gzip
import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.errors import StoreUnavailable
from gateway.flows.sources import Heard
from gateway.policy.polling import SourceRules
from gateway.store.embedded import Cluster
from tests.flows.feed_server import atom, holding, linked
from tests.flows.source_scene import CALLBACK, SourceScene, a_source_scene


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[SourceScene]:
    async with a_source_scene(pg) as found:
        yield found


async def test_an_embedded_alert_is_kept_raw_with_its_verdict(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(holding(scene.document())))
    assert await scene.poll() == 1
    (alert,) = await scene.alerts()
    assert (alert["sender"], alert["identifier"], alert["valid"], alert["conflict"]) == (
        "kmi@upstream.example", "U-1", True, False,
    )  # fmt: skip
    assert hashlib.sha256(alert["raw"]).digest() == alert["sha256"]
    assert (await scene.row())["title"] == "Upstream"
    assert await scene.receipts() == [("feed", 200, 1, 1)]


async def test_a_feed_that_has_not_changed_is_not_sent_again(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(), etag='"1"')
    for seconds in (0, 30, 45, 67.5):
        assert await scene.poll(seconds) == 1
    assert (scene.server.asked["/feed"], scene.server.unchanged["/feed"]) == (4, 3)
    assert await scene.receipts() == [("feed", 200, 0, 0)], "an answer that says nothing new leaves no receipt"


async def test_the_interval_grows_while_nothing_is_new_and_falls_with_news(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(updated="2026-11-21T12:00:00Z"))
    intervals = []
    for number in range(4):
        assert await scene.poll(300) == 1
        assert await scene.poll() == 0, "it is not due"
        intervals.append((await scene.row())["interval_s"])
        # a feed that is written anew with nothing new in it is no news
        scene.server.put("/feed", atom(updated=f"2026-11-21T12:0{number}:30Z"))
    assert intervals == [30.0, 45.0, 67.5, 101.25]
    scene.server.put("/feed", atom(holding(scene.document())))
    await scene.poll(300)
    row = await scene.row()
    assert (row["interval_s"], row["changed_at"]) == (30.0, scene.scene.clock.now)


async def test_a_linked_alert_is_fetched_once(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(linked(1)))
    scene.server.put("/alerts/1.xml", scene.document())
    await scene.poll()
    scene.server.put("/feed", atom(linked(1), linked(2), updated="2026-11-21T13:00:00Z"))
    scene.server.put("/alerts/2.xml", scene.document("U-2"))
    await scene.poll(60)
    assert [row["identifier"] for row in await scene.alerts()] == ["U-1", "U-2"]
    assert (scene.server.asked["/alerts/1.xml"], scene.server.asked["/alerts/2.xml"]) == (1, 1)
    assert await scene.receipts() == [
        ("feed", 200, 0, 0),
        ("link", 200, 1, 1),
        ("feed", 200, 0, 0),
        ("link", 200, 1, 1),
    ]


async def test_an_entry_that_was_changed_is_fetched_again(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(linked(1)))
    scene.server.put("/alerts/1.xml", scene.document())
    await scene.poll()
    scene.server.put("/feed", atom(linked(1, updated="2026-11-21T12:30:00Z")))
    scene.server.put("/alerts/1.xml", scene.document("U-1b"))
    await scene.poll(60)
    assert [row["identifier"] for row in await scene.alerts()] == ["U-1", "U-1b"]


async def test_an_alert_that_the_entry_calls_over_or_known_is_not_fetched(scene: SourceScene) -> None:
    alert = scene.alert()
    known = f"<cap:identifier>U-1</cap:identifier><cap:sent>{alert.sent.isoformat()[:19]}-00:00</cap:sent>"
    over = "<cap:expires>2020-01-01T00:00:00-00:00</cap:expires>"
    scene.server.put("/feed", atom(holding(scene.document())))
    await scene.poll()
    scene.server.put("/feed", atom(linked(1, known), linked(2, over)))
    await scene.poll(60)
    assert await scene.states() == ["known", "expired"]
    assert scene.server.asked["/alerts/1.xml"] + scene.server.asked["/alerts/2.xml"] == 0


async def test_a_link_that_fails_is_tried_again_by_itself(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(linked(1)), etag='"1"')
    await scene.poll()
    assert await scene.states() == ["waiting"]
    scene.server.put("/alerts/1.xml", scene.document())
    assert await scene.poll(30) == 1, "due when the entry is, not when the feed would be"
    assert await scene.states() == ["fetched"]
    assert scene.server.unchanged["/feed"] == 1
    assert (await scene.row())["interval_s"] == 30.0, "that was news"


async def test_a_link_that_never_works_is_given_up(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(linked(1), linked(2), linked(3)), etag='"1"')
    scene.server.put("/alerts/2.xml", b"", status=410)
    scene.server.put("/alerts/3.xml", "<html><body>Sign in</body></html>")
    await scene.poll()
    assert await scene.states() == ["waiting", "gone", "refused"]
    for _ in range(4):
        await scene.poll(300)
    assert await scene.states() == ["gone", "gone", "refused"]
    assert scene.server.asked["/alerts/1.xml"] == 3
    assert await scene.alerts() == []


async def test_what_looks_like_an_alert_is_kept_even_when_it_can_not_be_read(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(linked(1)))
    scene.server.put("/alerts/1.xml", scene.document()[:-20])
    await scene.poll()
    (alert,) = await scene.alerts()
    assert (alert["valid"], alert["findings"][0]["id"]) == (False, "XML")


async def test_an_envelope_behind_a_link_gives_its_alerts(scene: SourceScene) -> None:
    inside = "".join(
        f"<contentObject><xmlContent><embeddedXMLContent>{scene.document(name).decode().partition('?>')[2]}"
        "</embeddedXMLContent></xmlContent></contentObject>"
        for name in ("U-1", "U-2")
    )
    envelope = "urn:oasis:names:tc:emergency:EDXL:DE:1.0"
    status = "<distributionStatus>Exercise</distributionStatus>"
    scene.server.put("/alerts/1.xml", f"<EDXLDistribution xmlns='{envelope}'>{status}{inside}</EDXLDistribution>")
    scene.server.put("/feed", atom(linked(1)))
    await scene.poll()
    found = await scene.alerts()
    assert [(row["identifier"], row["envelope"]) for row in found] == [("U-1", "Exercise"), ("U-2", "Exercise")]


async def test_further_pages_are_read_and_a_circle_of_pages_ends(scene: SourceScene) -> None:
    pages = [atom(holding(scene.document(f"U-{n}")), head=f"<link rel='next' href='/page{n + 1}'/>") for n in range(3)]
    scene.server.put("/feed", pages[0])
    scene.server.put("/page1", pages[1])
    scene.server.put("/page2", pages[2].replace("/page3", "/page1"))
    await scene.poll()
    assert [row["identifier"] for row in await scene.alerts()] == ["U-0", "U-1", "U-2"]
    assert scene.server.asked["/page1"] == 1


async def test_a_feed_whose_page_is_missing_is_read_again_whole(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(head="<link rel='next' href='/page1'/>"), etag='"1"')
    await scene.poll()
    assert (await scene.row())["problem"] == "a further page: HTTP 404"
    scene.server.put("/page1", atom(holding(scene.document())))
    await scene.poll(60)
    assert len(await scene.alerts()) == 1


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 500, "HTTP 500"),
        (b"<html/>", 200, "the root element 'html' is that of no feed and no alert"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><feed/>", 200, "a DOCTYPE (or what looks like one)"),
        (b"x" * 10_485_761, 200, "more than 10485760 bytes"),
    ],
)
async def test_a_feed_that_fails_is_asked_less_and_less(
    scene: SourceScene, body: bytes, status: int, problem: str
) -> None:
    scene.server.put("/feed", body, status=status)
    await scene.poll()
    row = await scene.row()
    assert row["problem"].startswith(problem)
    assert (row["failures"], (row["due_at"] - scene.scene.clock.now).total_seconds()) == (1, 60.0)
    await scene.poll(60)
    row = await scene.row()
    assert (row["failures"], (row["due_at"] - scene.scene.clock.now).total_seconds()) == (2, 120.0)
    scene.server.put("/feed", atom())
    await scene.poll(120)
    row = await scene.row()
    assert (row["failures"], row["problem"]) == (0, "")


async def test_a_server_that_is_not_there_is_a_failure_like_others(scene: SourceScene) -> None:
    await scene.scene.rows("UPDATE source SET url = 'http://127.0.0.1:1/feed' RETURNING id")
    await scene.poll()
    assert (await scene.row())["failures"] == 1


async def test_a_server_that_asks_for_patience_gets_it(scene: SourceScene) -> None:
    scene.server.put("/feed", b"", status=503, Retry_After="1200")
    await scene.poll()
    assert await scene.poll(1_199) == 0
    assert await scene.poll(1) == 1


async def test_a_feed_that_moved_or_is_compressed_is_read(scene: SourceScene) -> None:
    scene.server.put("/feed", b"", status=301, Location="/new")
    scene.server.put("/new", gzip.compress(atom(holding(scene.document())).encode()), Content_Encoding="gzip")
    await scene.poll()
    assert len(await scene.alerts()) == 1


async def test_a_poll_that_lasts_too_long_is_a_failure(pg: Cluster) -> None:
    async with a_source_scene(pg, rules={"poll_s": 0.0}) as scene:
        await scene.poll()
        row = await scene.row()
    assert (row["failures"], row["problem"]) == (1, "the poll took too long")


async def test_a_poll_without_a_store_ends_quietly_and_is_made_again(
    scene: SourceScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.server.put("/feed", atom(holding(scene.document()), linked(1), linked(2)))
    scene.server.put("/alerts/1.xml", scene.document("U-2"))

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(scene.keeper, "document", away)
        assert await scene.poll() == 1
    assert await scene.poll(179) == 0, "the lease of the poll that failed"
    assert await scene.poll(1) == 1
    assert len(await scene.alerts()) == 2


async def test_a_fault_of_our_own_costs_one_poll_and_not_the_node(
    scene: SourceScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a fault")

    with monkeypatch.context() as patched:
        patched.setattr(scene.keeper, "feed", broken)
        scene.server.put("/feed", atom())
        assert await scene.poll() == 1
    assert (await scene.row())["problem"] == "a fault of the gateway; its log has it"
    assert await scene.poll(60) == 1
    assert (await scene.row())["problem"] == ""


async def test_only_so_many_links_are_followed_in_one_poll(pg: Cluster) -> None:
    async with a_source_scene(pg, rules={"entries": 2}) as scene:
        scene.server.put("/feed", atom(*(linked(n) for n in range(5))), etag='"1"')
        for number in range(5):
            scene.server.put(f"/alerts/{number}.xml", scene.document(f"U-{number}"))
        kept = []
        for _ in range(3):
            await scene.poll(1)
            kept.append(len(await scene.alerts()))
    assert kept == [2, 4, 5]


async def test_the_runner_polls_what_is_due_and_can_be_woken(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(holding(scene.document())), etag='"1"')
    running = asyncio.create_task(scene.sources.run())
    async with asyncio.timeout(60):
        while (await scene.row())["polled_at"] is None:
            await asyncio.sleep(0)
        scene.scene.clock.on(400)
        scene.sources.wake.set()
        while scene.server.unchanged["/feed"] == 0:
            await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(await scene.alerts()) == 1


# Hubs -----------------------------------------------------------------------------------------------------------


async def subscribed(scene: SourceScene) -> tuple[str, str]:
    """The key and the secret of a subscription that its hub has confirmed."""
    await scene.trust()
    scene.server.put("/feed", atom(head="<link rel='hub' href='/hub'/><link rel='self' href='/feed'/>"), etag='"1"')
    await scene.poll()
    (form,) = scene.server.forms
    key = form["hub.callback"].removeprefix(f"{CALLBACK}/")
    query = {
        "hub.mode": "subscribe",
        "hub.topic": form["hub.topic"],
        "hub.challenge": "ch",
        "hub.lease_seconds": "9000",
    }
    assert await scene.sources.confirm(key, query.items()) == "ch"
    return key, form["hub.secret"]


def signed(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_the_hub_of_a_trusted_feed_is_asked_and_polls_become_rare(scene: SourceScene) -> None:
    await subscribed(scene)
    assert scene.server.forms[0]["hub.topic"] == f"{scene.server.url}/feed"
    await scene.poll(60)
    row = await scene.row()
    assert (row["hub_state"], len(scene.server.forms)) == ("active", 1)
    assert (row["due_at"] - scene.scene.clock.now).total_seconds() == 1_800.0


async def test_the_hub_of_a_feed_in_quarantine_is_not_asked(scene: SourceScene) -> None:
    scene.server.put("/feed", atom(head="<link rel='hub' href='/hub'/>"))
    await scene.poll()
    assert scene.server.forms == []


async def test_a_hub_over_plain_http_is_not_asked_by_default(pg: Cluster) -> None:
    async with a_source_scene(pg, rules={"hub_schemes": SourceRules().hub_schemes}) as scene:
        await scene.trust()
        scene.server.put("/feed", atom(head="<link rel='hub' href='/hub'/>"))
        await scene.poll()
        assert scene.server.forms == []


async def test_a_question_that_we_did_not_cause_gets_no_yes(scene: SourceScene) -> None:
    key, _ = await subscribed(scene)
    topic = f"{scene.server.url}/feed"
    other = {"hub.mode": "subscribe", "hub.topic": topic + "2", "hub.challenge": "x"}
    assert await scene.sources.confirm(key, other.items()) is None
    assert await scene.sources.confirm("unknown", (other | {"hub.topic": topic}).items()) is None


async def test_a_hub_that_says_no_is_believed(scene: SourceScene) -> None:
    key, _ = await subscribed(scene)
    denied = {"hub.mode": "denied", "hub.topic": f"{scene.server.url}/feed"}
    assert await scene.sources.confirm(key, denied.items()) == ""
    assert (await scene.row())["hub_state"] == "denied"


async def test_what_a_hub_brings_is_kept_and_its_links_are_fetched_at_once(scene: SourceScene) -> None:
    key, secret = await subscribed(scene)
    body = atom(holding(scene.document()), linked(1)).encode()
    scene.server.put("/alerts/1.xml", scene.document("U-2"))
    assert await scene.sources.pushed(key, body, signed(secret, body)) is Heard.KEPT
    assert len(await scene.alerts()) == 1
    assert scene.sources.wake.is_set()
    assert await scene.poll() == 1
    assert [row["identifier"] for row in await scene.alerts()] == ["U-1", "U-2"]
    assert ("push", 200, 1, 1) in await scene.receipts()


async def test_what_is_not_signed_as_agreed_is_ignored(scene: SourceScene) -> None:
    key, secret = await subscribed(scene)
    body = atom(holding(scene.document())).encode()
    for signature in ("", "sha256=" + "0" * 64, signed("other", body), signed(secret, body + b" ")):
        assert await scene.sources.pushed(key, body, signature) is Heard.IGNORED
    assert await scene.sources.pushed("unknown", body, signed(secret, body)) is Heard.UNKNOWN
    assert await scene.alerts() == []


async def test_a_call_without_a_feed_makes_us_look_ourselves(scene: SourceScene) -> None:
    key, secret = await subscribed(scene)
    scene.server.put("/feed", atom(holding(scene.document())), etag='"2"')
    assert await scene.sources.pushed(key, b"", signed(secret, b"")) is Heard.UNREADABLE
    assert await scene.poll() == 1
    assert len(await scene.alerts()) == 1

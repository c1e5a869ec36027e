"""Sources on a real server."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model import Realm
from gateway.store import alerts, sources
from gateway.store.pool import Connection
from gateway.store.sources import NewEntry, NewSourceAlert, Receipt, Source
from tests.store import made

pytestmark = pytest.mark.both_servers
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "https://a.example/feed"


async def a_source(connection: Connection, slug: str = "brugge", **more: Any) -> Source:
    entity_id = await made.entity(connection, slug)
    assert await sources.add(connection, entity_id=entity_id, url=URL, now=NOW, **more)
    source = await sources.lease(connection, NOW, NOW + timedelta(minutes=3))
    assert source is not None
    return source


def an_alert(content: bytes = b"<alert/>", **more: Any) -> NewSourceAlert:
    digest = hashlib.sha256(content).digest()
    usual: dict[str, Any] = {
        "valid": True, "content": digest, "sha256": digest, "raw": content, "sender": "s", "identifier": "A-1",
        "sent": "2026-11-21T11:00:00-00:00", "sent_at": NOW, "expires_at": None, "status": "Actual",
        "msg_type": "Alert", "scope": "Public", "version": "1.2", "envelope": "", "headline": "H", "findings": [],
    }  # fmt: skip
    return NewSourceAlert(**(usual | more))


async def test_an_entity_reads_an_address_once(connection: Connection) -> None:
    source = await a_source(connection)
    assert await sources.add(connection, entity_id=source.entity_id, url=URL, now=NOW) is None
    other = await made.entity(connection, "gent")
    assert await sources.add(connection, entity_id=other, url=URL, now=NOW) is not None
    assert [row.entity for row in await sources.listed(connection)] == ["brugge", "gent"]
    assert [row.entity for row in await sources.listed(connection, slug="gent")] == ["gent"]
    assert [row.public_id for row in await sources.listed(connection, entity_id=source.entity_id)] == [source.public_id]


async def test_a_source_is_leased_to_one_reader_until_the_lease_ends(connection: Connection) -> None:
    await a_source(connection)
    until = NOW + timedelta(minutes=6)
    assert await sources.lease(connection, NOW + timedelta(minutes=2), until) is None
    assert await sources.lease(connection, NOW + timedelta(minutes=3), until) is not None


async def test_a_poll_gives_the_lease_back_and_sets_the_next(connection: Connection) -> None:
    source = await a_source(connection)
    due = NOW + timedelta(seconds=45)
    await sources.read(connection, source.id, etag='"1"', last_modified="x", digest=b"d" * 32, title="Feed")
    await sources.polled(
        connection, source.id, interval_s=45, failures=0, due_at=due, now=NOW, problem="p", changed=True
    )
    assert await sources.lease(connection, NOW, due) is None
    again = await sources.lease(connection, due, due + timedelta(minutes=3))
    assert again is not None
    assert (again.etag, again.last_modified, again.digest, again.interval_s) == ('"1"', "x", b"d" * 32, 45)
    (row,) = await sources.listed(connection)
    assert (row.title, row.problem, row.changed_at, row.polled_at) == ("Feed", "p", NOW, NOW)


async def test_a_paused_source_is_not_read_and_goes_on_at_once(connection: Connection) -> None:
    source = await a_source(connection)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await sources.pause(connection, source.public_id, paused=True)
    assert await sources.lease(connection, later, later) is None
    assert await sources.pause(connection, source.public_id, paused=False)
    assert await sources.lease(connection, later, later) is not None
    assert not await sources.pause(connection, "so_none", paused=True)


async def test_trust_can_be_given_and_taken_back(connection: Connection) -> None:
    source = await a_source(connection)
    for trusted in (True, False):
        assert await sources.trust(connection, source.public_id, trusted=trusted)
        assert [row.trusted for row in await sources.listed(connection)] == [trusted]
    assert not await sources.trust(connection, "so_none", trusted=True)


async def test_an_alert_is_kept_once_and_a_contradiction_is_flagged(connection: Connection) -> None:
    source = await a_source(connection)
    assert await sources.put_alert(connection, source, an_alert(), NOW) is False
    assert await sources.put_alert(connection, source, an_alert(raw=b"<alert />"), NOW) is None
    assert await sources.put_alert(connection, source, an_alert(b"other"), NOW) is True
    assert await sources.put_alert(connection, source, an_alert(b"third", identifier="A-2"), NOW) is False
    unread = {"sender": None, "identifier": None, "sent": None, "sent_at": None, "valid": False}
    assert await sources.put_alert(connection, source, an_alert(b"x", **unread), NOW) is False
    assert await sources.put_alert(connection, source, an_alert(b"y", **unread), NOW) is False
    assert await sources.alerts_since(connection, source.id, NOW - timedelta(days=1)) == 5
    assert await sources.alerts_since(connection, source.id, NOW) == 0


async def test_the_application_can_not_change_what_came(connection: Connection) -> None:
    source = await a_source(connection)
    await sources.put_alert(connection, source, an_alert(), NOW)
    for statement in (
        "UPDATE source_alert SET raw = ''",
        "DELETE FROM source_alert",
        "UPDATE source_receipt SET url = ''",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute(statement)


async def test_alerts_are_paged_from_the_newest_and_belong_to_their_entity(connection: Connection) -> None:
    source = await a_source(connection, trusted=True)
    for number in range(5):
        await sources.put_alert(connection, source, an_alert(b"%d" % number, identifier=f"A-{number}"), NOW)
    first = await sources.alerts(connection, source.entity_id, source.public_id, 0, 3)
    rest = await sources.alerts(connection, source.entity_id, source.public_id, first[-1]["id"], 3)
    assert [row["identifier"] for row in (*first, *rest)] == ["A-4", "A-3", "A-2", "A-1", "A-0"]
    other = await made.entity(connection, "gent")
    assert await sources.alerts(connection, other, source.public_id, 0, 3) == []
    assert await sources.alert(connection, other, source.public_id, first[0]["public_id"]) is None
    mine = await sources.alert(connection, source.entity_id, source.public_id, first[0]["public_id"])
    assert (mine["raw"], mine["trusted"]) == (b"4", True)
    assert await sources.is_there(connection, source.entity_id, source.public_id)
    assert not await sources.is_there(connection, other, source.public_id)


async def test_what_is_known_is_found_by_identifier_and_time(connection: Connection) -> None:
    source = await a_source(connection)
    await sources.put_alert(connection, source, an_alert(), NOW)
    known, unknown = ("A-1", "2026-11-21T11:00:00-00:00"), ("A-1", "2026-11-21T12:00:00-00:00")
    assert await sources.known(connection, source.id, [known, unknown]) == {known}
    digest = an_alert().sha256
    assert await sources.known_bytes(connection, source.id, [digest, b"x" * 32]) == {digest}


async def test_an_entry_is_new_once_and_fetched_when_it_is_due(connection: Connection) -> None:
    source = await a_source(connection)
    keys = [bytes([n]) * 32 for n in range(3)]
    assert await sources.new_entries(connection, source.id, keys, NOW) == set(keys)
    rows = [NewEntry(keys[0], URL, "waiting"), NewEntry(keys[1], URL, "expired"), NewEntry(keys[2], URL, "waiting")]
    await sources.put_entries(connection, source, rows, NOW)
    assert await sources.new_entries(connection, source.id, [*keys, b"n" * 32], NOW) == {b"n" * 32}
    assert {entry.key for entry in await sources.due_entries(connection, source.id, NOW, 9)} == {keys[0], keys[2]}
    assert len(await sources.due_entries(connection, source.id, NOW, 1)) == 1
    later = NOW + timedelta(minutes=1)
    await sources.settle_entry(connection, source.id, keys[0], "waiting", later)
    await sources.settle_entry(connection, source.id, keys[2], "fetched", NOW)
    assert await sources.due_entries(connection, source.id, NOW, 9) == []
    assert await sources.next_entry_at(connection, source.id) == later
    assert [entry.attempts for entry in await sources.due_entries(connection, source.id, later, 9)] == [1]


async def test_old_receipts_and_entries_are_forgotten(connection: Connection) -> None:
    source = await a_source(connection)
    for at in (NOW - timedelta(days=40), NOW):
        await sources.put_receipt(connection, source, Receipt(via="feed", url=URL, http_status=200, size_bytes=9), at)
        await sources.put_entries(
            connection, source, [NewEntry(hashlib.sha256(str(at).encode()).digest(), URL, "gone")], at
        )
    month = NOW - timedelta(days=30)
    await sources.forget(connection, source.id, receipts=month, entries=month)
    assert await connection.fetchval("SELECT count(*) FROM source_receipt") == 1
    assert await connection.fetchval("SELECT count(*) FROM source_entry") == 1


async def test_a_subscription_keeps_its_key_while_it_is_renewed(connection: Connection) -> None:
    source = await a_source(connection)
    hub = {"hub": "https://hub.example/", "topic": URL}
    first = await sources.ask_hub(connection, source.id, **hub, key="k1", secret="s1", now=NOW)
    await sources.hub_answered(connection, source.id, "active", NOW + timedelta(days=1))
    renewed = await sources.ask_hub(connection, source.id, **hub, key="k2", secret="s2", now=NOW)
    assert (first, renewed) == (("k1", "s1"), ("k1", "s1"))
    found = await sources.by_key(connection, "k1")
    assert found is not None
    assert (found.hub_state, found.hub_secret, "s1" in repr(found)) == ("active", "s1", False)
    moved = await sources.ask_hub(
        connection, source.id, hub="https://b.example/", topic=URL, key="k3", secret="s3", now=NOW
    )
    assert moved == ("k3", "s3")
    assert await sources.by_key(connection, "k1") is None
    gone = await sources.by_key(connection, "k3")
    assert gone is not None
    assert gone.hub_state == "asked"


async def test_a_source_with_news_is_due_at_once(connection: Connection) -> None:
    source = await a_source(connection)
    later = NOW + timedelta(hours=1)
    await sources.polled(
        connection, source.id, interval_s=30, failures=0, due_at=later, now=NOW, problem="", changed=False
    )
    await sources.wake(connection, source.id, NOW)
    assert await sources.lease(connection, NOW, later) is not None


async def test_what_was_made_of_an_alert_is_found_when_it_was_posted(connection: Connection) -> None:
    source = await a_source(connection)
    await sources.put_alert(connection, source, an_alert(), NOW)
    number = await connection.fetchval("SELECT id FROM source_alert")
    for identifier in ("own-1", "own-2"):
        await sources.put_draft(
            connection, entity_id=source.entity_id, source_alert_id=number, sender="o@x", identifier=identifier,
            sent_at=NOW, token_id=None,
        )  # fmt: skip
    where = (source.entity_id, Realm.LIVE, source.public_id, [("s", "A-1")])
    assert await sources.relayed(connection, *where) == []
    await alerts.insert_alert(connection, made.an_alert(source.entity_id, "own-2", sender="o@x"))
    assert [one.identifier for one in await sources.relayed(connection, *where)] == ["own-2"]
    assert await sources.relayed(connection, source.entity_id, Realm.TEST, source.public_id, [("s", "A-1")]) == []

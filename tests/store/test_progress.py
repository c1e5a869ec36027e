"""Counts, ends and reports, on a real server."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import CampaignState, ChannelName, Closure
from gateway.store import alerts, deliveries, progress
from gateway.store.pool import Connection
from tests.store import made

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL


@pytest.mark.both_servers
async def test_counts_are_the_sum_of_their_shards_and_retries_are_queued(
    connection: Connection, entity_id: int
) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS, EMAIL])
    await made.rows(connection, campaign, entity_id, SMS, lo=1, hi=7, size=5)
    moved = (
        "UPDATE progress SET queued = -4, retry_wait = 1, in_flight = 2, submitted = 1, awaiting = 1 WHERE shard = 1"
    )
    await connection.execute(moved + " AND channel = 1")
    zero = dict.fromkeys((*progress.COUNTS, "awaiting"), 0)
    found = await progress.counts(connection, [campaign, 999])
    some = {"planned": 7, "queued": 4, "in_flight": 2, "submitted": 1, "awaiting": 1}
    assert found == {campaign: {SMS: zero | some, EMAIL: zero}, 999: {}}
    assert set(await progress.queue_depths(connection)) == {(SMS, "urgent", 4), (EMAIL, "urgent", 0)}


async def test_a_node_of_the_version_before_makes_two_count_rows_and_the_database_adds_the_others(
    connection: Connection, entity_id: int
) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS])
    shards = "SELECT array_agg(shard ORDER BY shard) FROM progress WHERE campaign_id = $1"
    assert await connection.fetchval(shards, campaign) == list(deliveries.SHARDS)
    older = "INSERT INTO progress (campaign_id, channel, shard, entity_id) VALUES ($1, 1, 0, $2), ($1, 1, 1, $2)"
    await connection.execute(older, campaign + 1, entity_id)
    assert await connection.fetchval(shards, campaign + 1) == list(deliveries.SHARDS)


async def test_what_a_closed_campaign_left_unknown_is_told_for_an_hour(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS])
    await connection.execute("UPDATE progress SET unknown = 3 WHERE shard = 1")
    assert await progress.unknown_total(connection) == {SMS: 3}
    await alerts.set_state(connection, campaign, CampaignState.SENDING, CampaignState.CLOSED)
    assert await progress.unknown_total(connection) == {SMS: 3}
    assert await progress.queue_depths(connection) == []
    await connection.execute("UPDATE campaign SET closed_at = now() - interval '61 minutes'")
    assert await progress.unknown_total(connection) == {}


async def test_a_milestone_is_noted_once(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id)
    await progress.insert_milestones(connection, campaign, entity_id, [(SMS, 50)])
    (first,) = await progress.milestones(connection, campaign)
    await progress.insert_milestones(connection, campaign, entity_id, [(SMS, 50), (SMS, 90), (EMAIL, 50)])
    found = await progress.milestones(connection, campaign)
    assert [(m["channel"], m["percent"]) for m in found] == [(1, 50), (1, 90), (3, 50)]
    assert found[0]["at"] == first["at"]


async def test_an_open_campaign_says_what_its_end_waits_for(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await made.rows(connection, campaign, entity_id, SMS, lo=1, hi=2, size=1)
    (row,) = await progress.open_campaigns(connection)
    assert (row["past"], row["retries"], row["withdrawn"]) == (True, False, False)
    await connection.execute(
        "INSERT INTO retry (campaign_id, seq, entity_id, channel, transport, not_before) "
        "VALUES ($1, 1, $2, 1, 1, now())",
        campaign,
        entity_id,
    )
    (row,) = await progress.open_campaigns(connection)
    assert row["retries"]
    await alerts.set_state(connection, campaign, CampaignState.SENDING, CampaignState.CLOSING, closure=Closure.STOPPED)
    await deliveries.withdraw_chunks(connection, campaign, expired=False)
    (row,) = await progress.open_campaigns(connection)
    assert (row["retries"], row["withdrawn"], row["closure"]) == (True, True, "stopped")
    while await deliveries.sweep(connection, campaign, expired=False):
        pass
    (row,) = await progress.open_campaigns(connection)
    assert (row["retries"], row["withdrawn"]) == (False, False)
    await alerts.set_state(connection, campaign, CampaignState.CLOSING, CampaignState.CLOSED)
    assert await progress.open_campaigns(connection) == []


@pytest.mark.both_servers
async def test_the_report_counts_every_delivery_once(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS, EMAIL])
    await made.rows(connection, campaign, entity_id, SMS, lo=1, hi=6, size=6)
    await made.rows(connection, campaign, entity_id, EMAIL, lo=7, hi=8, size=6)
    await connection.execute(
        "UPDATE delivery SET state = CASE WHEN seq <= 4 THEN 3 ELSE 4 END, code = CASE WHEN seq = 5 THEN 11 END, "
        "attempt = CASE WHEN seq = 1 THEN 2 ELSE 1 END, flags = CASE WHEN seq = 1 THEN 1 ELSE 0 END, "
        "submitted_at = now() + seq * interval '1 s', done_at = now() + seq * interval '2 s'"
    )
    rows = await progress.report_rows(connection, campaign)
    assert [
        (r["channel"], r["language"], r["state"], r["code"], r["deliveries"], r["resent"], r["retried"]) for r in rows
    ] == [
        (1, "nl", 3, None, 4, 1, 1),
        (1, "nl", 4, 11, 1, 0, 0),
        (1, "nl", 4, None, 1, 0, 0),
        (3, "nl", 4, None, 2, 0, 0),
    ]
    times = await progress.report_times(connection, campaign)
    assert [t["channel"] for t in times] == [1, 3]
    assert [round(s) for s in times[0]["submit_s"]] == [3, 6, 6]
    assert [round(s) for s in times[0]["deliver_s"]] == [4, 8, 8]
    assert times[1]["deliver_s"] is None
    assert len(await progress.texts(connection, campaign)) == 4


async def test_texts_of_one_language_are_one_row_with_the_parts_of_each(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS], languages=("nl", "nl", "fr"))
    await made.rows(connection, campaign, entity_id, SMS, lo=1, hi=9, size=50)
    await connection.execute("UPDATE delivery SET text_key = CASE WHEN seq <= 2 THEN 2 ELSE seq % 2 END")
    await connection.execute("UPDATE text SET parts = 1 + key")
    rows = await progress.report_rows(connection, campaign)
    assert [(r["language"], r["deliveries"], r["parts"]) for r in rows] == [("fr", 2, 6), ("nl", 7, 3 * 1 + 4 * 2)]


async def test_a_report_is_written_once_and_for_ever(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id)
    assert await progress.report_body(connection, campaign) is None
    await progress.insert_report(connection, campaign, entity_id, {"is": "first"})
    await progress.insert_report(connection, campaign, entity_id, {"is": "second"})
    body, _ = await progress.report_body(connection, campaign)
    assert body == {"is": "first"}
    facts = await progress.campaign_facts(connection, campaign)
    assert (facts["entity"], facts["closure"], facts["findings"]) == ("brugge", None, [])


async def test_providers_and_nodes_keep_their_numbers(connection: Connection) -> None:
    provider, node = await progress.provider_id(connection, "one"), await progress.node_id(connection, "a")
    assert await progress.provider_id(connection, "two") != provider
    assert await progress.node_id(connection, "b") != node
    assert await progress.provider_id(connection, "one") == provider
    assert await progress.node_id(connection, "a") == node

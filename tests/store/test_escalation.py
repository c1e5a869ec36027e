"""Which chunks are old enough to be looked at, and hours in which nobody is woken."""

from datetime import UTC, datetime, time, timedelta

import asyncpg
import pytest

from gateway.policy.timing import is_quiet
from gateway.store import escalation
from gateway.store.embedded import Cluster

CHUNKS = """
    INSERT INTO chunk (campaign_id, lo, hi, entity_id, channel, transport, state, lease_until, escalated)
    VALUES (1, 1, 9, 1, 1, 1, 2, now() - interval '1 min', false), (1, 10, 19, 1, 1, 1, 2, now(), false),
        (1, 20, 29, 1, 1, 1, 2, now() - interval '1 min', true),
        (1, 30, 39, 1, 1, 1, 1, now() - interval '1 min', false),
        (1, 40, 49, 1, 3, 1, 2, now() - interval '1 min', false),
        (1, -5, 0, 1, 1, 1, 2, now() - interval '1 min', false)"""
ALERT = """
    INSERT INTO alert (public_id, entity_id, realm, source, accepted, sha256, raw, http_status, answer)
    VALUES ('al_1', 1, 'test', 'token:1', true, decode(repeat('00', 32), 'hex'), '', 201, '{}')"""
CAMPAIGN = """
    INSERT INTO campaign (id, public_id, entity_id, alert_id, mode, message_class, channels, priority, state, plan,
        expires_at, planned, escalate_after)
    OVERRIDING SYSTEM VALUE
    VALUES (1, 'ca_1', 1, 1, 'test', 'urgent', '{sms}', 0, 'sending', '{}', now() + interval '1 day', true, '30 s')"""


async def test_only_done_chunks_of_sms_that_were_not_looked_at_are_ripe(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        for statement in (ALERT, CAMPAIGN, CHUNKS):
            await connection.execute(statement)
        assert await escalation.ripe_chunks(connection) == [(1, 1)]
        await connection.execute("UPDATE campaign SET state = 'paused'")
        assert await escalation.ripe_chunks(connection) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("quiet", [(time(22), time(7)), (time(13), time(15, 30)), (time(5), time(5))])
async def test_the_store_and_the_policy_agree_on_what_is_quiet(pg: Cluster, quiet: tuple[time, time]) -> None:
    """Every twenty minutes of the days around the change to summer time."""
    zone = "Europe/Brussels"
    moments = [datetime(2026, 3, 28, tzinfo=UTC) + timedelta(minutes=20 * n) for n in range(200)]
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        rows = await connection.fetch(
            "SELECT is_quiet($1, $2, $3, 1::smallint, m) AS sms, is_quiet($1, $2, $3, 3::smallint, m) AS mail "
            "FROM unnest($4::timestamptz[]) m",
            *quiet, zone, moments,
        )  # fmt: skip
    finally:
        await connection.close()
    assert [row["sms"] for row in rows] == [is_quiet(quiet, zone, moment) for moment in moments]
    assert not any(row["mail"] for row in rows)

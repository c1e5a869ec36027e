"""gateway report."""

import asyncio
import csv
import io
import json

import asyncpg
import pytest

from gateway.policy import report as reports
from gateway.store.embedded import Cluster
from tests.commands.conftest import Command

ALERT = """
    INSERT INTO alert (public_id, entity_id, realm, source, accepted, sha256, raw, http_status, answer, identifier,
        sender, sent, status, msg_type, scope)
    VALUES ('al_1', 1, 'test', 'token:1', true, decode(repeat('00', 32), 'hex'), '<alert/>', 201, '{}', 'id-1',
        'a@b.example', '2026-03-01T09:00:00+01:00', 'Actual', 'Alert', 'Public')"""
CAMPAIGN = """
    INSERT INTO campaign (id, public_id, entity_id, alert_id, mode, message_class, channels, priority, state, plan,
        expires_at)
    OVERRIDING SYSTEM VALUE
    VALUES (1, 'ca_1', 1, 1, 'test', 'urgent', '{sms}', 0, 'sending', '{}', now() + interval '1 day')"""
COUNTS = "INSERT INTO progress (campaign_id, channel, shard, entity_id, planned, queued) VALUES (1, 1, 0, 1, 5, 5)"


@pytest.fixture
def campaign(pg: Cluster) -> str:
    async def fill() -> None:
        connection = await asyncpg.connect(pg.app_dsn)
        try:
            await connection.execute(ALERT)
            await connection.execute(CAMPAIGN)
            await connection.execute(COUNTS)
        finally:
            await connection.close()

    asyncio.run(fill())
    return "ca_1"


def close(pg: Cluster, body: str) -> None:
    async def put() -> None:
        connection = await asyncpg.connect(pg.app_dsn)
        try:
            await connection.execute("UPDATE campaign SET state = 'closed', closure = 'complete' WHERE id = 1")
            await connection.execute("INSERT INTO report (campaign_id, entity_id, body) VALUES (1, 1, $1::jsonb)", body)
        finally:
            await connection.close()

    asyncio.run(put())


def test_an_open_campaign_is_reported_as_it_stands(gateway: Command, campaign: str) -> None:
    ran = gateway("report", campaign, "--format", "json")
    assert ran.code == 1
    assert "the campaign is sending: this is not its final report" in ran.err
    assert "ca_1" in ran.out
    assert json.loads(ran.out)


def test_a_closed_campaign_gives_its_stored_report_in_every_form(gateway: Command, campaign: str, pg: Cluster) -> None:
    open_report = gateway("report", campaign, "--format", "json").out
    close(pg, open_report)
    ran = gateway("report", campaign, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == json.loads(open_report)
    body = json.loads(open_report)
    assert gateway("report", campaign).out == reports.as_text(body).rstrip("\n") + "\n"
    shown, expected = gateway("report", campaign, "--format", "csv").out, reports.as_csv(body)
    # the database keeps an object's members in an order of its own
    assert sorted(csv.reader(io.StringIO(shown))) == sorted(csv.reader(io.StringIO(expected)))


def test_a_campaign_that_is_not_there_is_said(gateway: Command) -> None:
    ran = gateway("report", "ca_nothing")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no campaign ca_nothing" in ran.err


def test_a_form_that_is_not_there_is_refused(command: Command) -> None:
    assert command("report", "ca_1", "--format", "docx").code == 2

"""What came back for mails, and whom it silences, on a real server."""

import asyncpg
import pytest

from gateway.model import ChannelName, MessageClass
from gateway.store import registry, suppression
from gateway.store.embedded import Cluster
from gateway.store.fan_out import Slice
from gateway.store.pool import Connection
from gateway.store.registry import Target
from tests.store import made
from tests.store.reach import tell

EMAIL = ChannelName.EMAIL
DAYS = "UPDATE suppression SET last_at = last_at - interval '31 days'"


async def sent(connection: Connection, entity_id: int, of: MessageClass = MessageClass.NEWS, mails: int = 5) -> int:
    campaign = await made.campaign(connection, entity_id, channels=[EMAIL], message_class=of)
    await made.rows(connection, campaign, entity_id, EMAIL, lo=1, hi=mails, size=5)
    return campaign


async def address_of(connection: Connection, campaign: int, seq: int) -> str:
    found = await connection.fetchval("SELECT address FROM delivery WHERE campaign_id = $1 AND seq = $2", campaign, seq)
    return str(found)


async def listed(connection: Connection) -> list[tuple[str, str, str]]:
    return [(row.address, row.reason, row.status) for row in await suppression.suppressed(connection)]


@pytest.mark.both_servers
async def test_a_dead_address_is_suppressed_at_once_and_noted_once(connection: Connection, entity_id: int) -> None:
    campaign = await sent(connection, entity_id)
    assert await suppression.note(connection, campaign, 2, "bounced", "5.1.1") is True
    assert await suppression.note(connection, campaign, 2, "bounced", "5.1.1") is False
    assert await suppression.note(connection, campaign, 99, "bounced", "5.1.1") is None
    assert await listed(connection) == [((await address_of(connection, campaign, 2)).lower(), "bounced", "5.1.1")]
    assert [tuple(row) for row in await suppression.notices(connection, campaign)] == [("bounced", "5.1.1", 1)]


async def test_other_bounces_suppress_when_they_come_again_and_again(connection: Connection, entity_id: int) -> None:
    campaigns = [await sent(connection, entity_id) for _ in range(5)]
    await connection.execute("UPDATE delivery SET address = 'a' || campaign_id || '@x.example' WHERE seq = 1")
    await connection.execute("UPDATE delivery SET address = 'Full@x.example' WHERE seq = 2")
    for campaign in campaigns[:2]:
        await suppression.note(connection, campaign, 2, "bounced", "5.2.2")
    assert await listed(connection) == []
    await connection.execute(DAYS)  # the old ones are forgotten
    for campaign in campaigns[2:4]:
        await suppression.note(connection, campaign, 2, "bounced", "5.2.2")
        assert await listed(connection) == []
    await suppression.note(connection, campaigns[4], 2, "bounced", "5.2.2")
    assert await listed(connection) == [("full@x.example", "bounced", "5.2.2")]
    assert await suppression.lift(connection, "FULL@x.example")
    assert not await suppression.lift(connection, "full@x.example")


async def test_a_mail_that_arrives_clears_what_was_counted_and_not_what_was_suppressed(
    connection: Connection, entity_id: int
) -> None:
    one, two = await sent(connection, entity_id), await sent(connection, entity_id)
    await connection.execute("UPDATE delivery SET address = 'same' || seq || '@x.example'")
    await suppression.note(connection, one, 1, "bounced", "4.2.2")
    await suppression.note(connection, one, 2, "complained", "")
    for seq in (1, 2):
        await suppression.note(connection, two, seq, "arrived", "2.0.0")
    rows = await connection.fetch("SELECT address, reason FROM suppression")
    assert [tuple(row) for row in rows] == [("same2@x.example", "complained")]
    await suppression.note(connection, two, 2, "bounced", "5.1.1")
    assert await listed(connection) == [("same2@x.example", "complained", "5.1.1")]


async def test_an_unsubscription_ends_the_class_and_never_urgent(connection: Connection, entity_id: int) -> None:
    contact = await connection.fetchval(
        "INSERT INTO contact (entity_id, email) VALUES ($1, 'c@x.example') RETURNING id", entity_id
    )
    for of, opted in ((MessageClass.URGENT, 0), (MessageClass.NEWS, 4), (MessageClass.OTHER, 12)):
        campaign = await sent(connection, entity_id, of)
        await connection.execute(
            "UPDATE delivery SET contact_id = $1 WHERE campaign_id = $2 AND seq = 1", contact, campaign
        )
        assert await suppression.note(connection, campaign, 1, "unsubscribed", "")
        assert await connection.fetchval("SELECT opt_out FROM contact WHERE id = $1", contact) == opted


async def test_a_suppressed_address_gets_urgent_alerts_and_nothing_else(connection: Connection, entity_id: int) -> None:
    group = await connection.fetchval(
        "INSERT INTO contact_group (entity_id, slug, name) VALUES ($1, 'g', 'G') RETURNING id", entity_id
    )
    members = []
    for email in ("Dead@x.example", "well@x.example"):
        contact = await connection.fetchval(
            "INSERT INTO contact (entity_id, email) VALUES ($1, $2) RETURNING id", entity_id, email
        )
        await connection.execute("INSERT INTO group_member VALUES ($1, $2, $3)", group, contact, entity_id)
        members.append(contact)
    await connection.execute(
        "INSERT INTO suppression (address, reason, suppressed_at) VALUES ('dead@x.example', 'bounced', now())"
    )
    for of, reached in ((MessageClass.URGENT, 2), (MessageClass.NEWS, 1)):
        counted = await registry.count_targets(connection, entity_id, of, [EMAIL], Target(groups=[group]))
        assert sum(counted.values()) == reached
        campaign = await made.campaign(connection, entity_id, channels=[EMAIL], message_class=of)
        new = await tell(connection, campaign, entity_id, Slice(people=members), channels=[EMAIL], message_class=of)
        assert sum(rows.hi - rows.lo + 1 for rows in new) == reached


async def test_an_entity_counts_without_the_suppressed_and_can_not_read_the_list(
    pg: Cluster, connection: Connection, entity_id: int
) -> None:
    await connection.execute(
        "INSERT INTO suppression (address, reason, suppressed_at) VALUES ('dead@x.example', 'bounced', now())"
    )
    async with connection.transaction():
        await connection.execute("SELECT set_config('gateway.entity', $1, true)", str(entity_id))
        await connection.execute("SELECT set_config('role', session_user || '_tenant', true)")
        assert await connection.fetchval("SELECT is_suppressed('Dead@x.example')")
        counted = await registry.count_targets(connection, entity_id, MessageClass.NEWS, [EMAIL], Target())
        assert counted == {}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT address FROM suppression")

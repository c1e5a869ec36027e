"""Prices and packs as they are stored: none is changed, none is overdrawn, each entity has its own."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import asyncpg
import pytest

from gateway.model import ChannelName, Mode
from gateway.policy.tariff import Tariff
from gateway.store import admin, costs
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.store import made

DAY = date(2026, 11, 22)


async def test_the_first_prices_are_those_of_the_contract(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        found = {tariff.channel: tariff for tariff in await costs.tariffs(connection)}
    for channel in (ChannelName.SMS, ChannelName.VOICE):
        assert (found[channel].eur, found[channel].valid_until) == (Decimal("0.055"), date(2028, 7, 20))
    assert found[ChannelName.EMAIL].eur == 0


async def test_a_price_is_added_and_never_changed(pg: Cluster) -> None:
    tariff = Tariff(
        channel=ChannelName.SMS, prefix="", eur=Decimal("0.06"), valid_from=date(2028, 7, 21), valid_until=None
    )
    async with admin.connected(pg.app_dsn) as connection:
        assert await costs.put_tariff(connection, tariff)
        assert not await costs.put_tariff(connection, tariff)
        assert tariff in await costs.tariffs(connection)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE tariff SET eur = 1")


async def test_a_pack_can_not_be_overdrawn(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        entity = await made.entity(connection)
        pack = await costs.put_pack(connection, entity, units=5, bought_on=DAY, valid_until=DAY, reference="3P-1")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE pack SET used = 6 WHERE id = $1", pack)
        (row,) = await costs.packs(connection, entity)
        assert (row["units"], row["used"], row["drawn"], row["reference"]) == (5, 0, 0, "3P-1")
        (worth,) = costs.as_packs([row])
        assert (worth.left, worth.valid_until) == (5, DAY)
        async with connection.transaction():
            assert [one.id for one in await costs.packs_to_draw(connection, entity, DAY)] == [pack]
            assert await costs.packs_to_draw(connection, entity, date(2026, 11, 23)) == []


async def test_a_number_counts_for_the_longest_prefix_that_it_begins_with(pg: Cluster) -> None:
    prefixes = ["+3", "+32", "+3247", "+3247123", "+33"]
    numbers = ["+3247123", "+32471234567", "+3247124", "+3247999", "+324", "+32", "+336000", "+35", "+4", "+3301"]
    async with admin.connected(pg.app_dsn) as connection:
        entity = await made.entity(connection)
        campaign = await made.campaign(connection, entity, channels=[ChannelName.SMS], languages=("nl", "fr"))
        await made.rows(connection, campaign, entity, ChannelName.SMS, lo=1, hi=len(numbers), size=50)
        await connection.execute(
            "UPDATE delivery d SET address = u.number, state = 3, text_key = d.seq % 2, attempt = 2, "
            "flags = (d.seq % 3 = 0)::int FROM unnest($1::text[]) WITH ORDINALITY u (number, seq) WHERE d.seq = u.seq",
            numbers,
        )
        found = await costs.used(connection, campaign, prefixes, [])
    expected: Counter[tuple[int, str]] = Counter()
    twice: Counter[tuple[int, str]] = Counter()
    for seq, number in enumerate(numbers, 1):
        longest = max((prefix for prefix in prefixes if number.startswith(prefix)), key=len, default="")
        expected[seq % 2, longest] += 1
        twice[seq % 2, longest] += seq % 3 == 0
    assert {(one.text, one.prefix): one.messages for one in found} == expected
    assert {(one.text, one.prefix): one.twice for one in found} == dict(twice)


async def test_an_entity_reads_its_packs_and_writes_none(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.connection() as connection:
            ours, theirs = await made.entity(connection, "ours"), await made.entity(connection, "theirs")
            for entity in (ours, theirs):
                await costs.put_pack(connection, entity, units=5, bought_on=DAY, valid_until=DAY)
        async with store.tenant(ours) as connection:
            assert len(await costs.packs(connection, ours)) == 1
            assert await costs.packs(connection, theirs) == []
            assert len(await costs.tariffs(connection)) == 3
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with store.tenant(ours) as connection:
                await costs.put_pack(connection, ours, units=5, bought_on=DAY, valid_until=DAY)
    finally:
        await store.close()


async def test_where_nothing_was_sent_there_is_nothing(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        entity = await made.entity(connection)
        assert await costs.ledger(connection, entity, costs.EVER) == []
        assert await costs.used_since(connection, entity, DAY) == 0
        assert await costs.running(connection, entity) == []
        assert await costs.waiting(connection, 9, True) == {}
        assert await costs.low_balance_candidates(connection) == []
        assert await costs.alerts_in_force(connection, entity, Mode.LIVE, datetime.now(UTC)) == []

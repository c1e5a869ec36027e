"""Everybody in a bench."""

from gateway.bench.people import FIRST_ID, authority, citizens
from gateway.bench.places import areas
from gateway.cap.area import Ring
from gateway.flows.planning import area_cells
from gateway.model import ChannelName, MessageClass, Realm
from gateway.policy.audience import shape_as_json
from gateway.store import admin, registry
from gateway.store.embedded import Cluster


async def test_each_person_gets_exactly_one_message_on_the_channel_that_was_wanted(pg: Cluster) -> None:
    added: list[int] = []
    wanted = {ChannelName.SMS: 70, ChannelName.EMAIL: 50, ChannelName.VOICE: 30}
    async with admin.connected(pg.admin_dsn) as connection:
        await citizens(connection, wanted, progress=added.append)
        country = [shape_as_json(Ring(areas()[2].ring))]
        target = registry.Target(cells=area_cells(country, country))
        found = await registry.count_targets(connection, 0, MessageClass.URGENT, list(ChannelName), target)
    assert {channel: count for (channel, _), count in found.items()} == wanted
    assert sum(added) == 150


async def test_the_authority_may_alert_the_whole_country_live_and_in_rehearsal(pg: Cluster) -> None:
    async with admin.connected(pg.admin_dsn) as connection:
        tokens = await authority(connection)
        for token, realm in ((tokens.live, Realm.LIVE), (tokens.test, Realm.TEST)):
            found = await registry.authority_of_token(connection, token)
            assert found is not None
            assert (found.realm, found.live, found.suspended) == (realm, True, False)
            assert (MessageClass.URGENT, ChannelName.VOICE) in found.mandates


async def test_people_who_register_later_get_numbers_of_their_own(pg: Cluster) -> None:
    later = registry.Citizen("later", "", "en", "+32470000001", None, None, [])
    async with admin.connected(pg.admin_dsn) as connection:
        await citizens(connection, {ChannelName.SMS: 2})
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        await registry.put_citizens(connection, platform.id, [later], "web")
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM contact ORDER BY id")]
    assert ids[1:] == [FIRST_ID, FIRST_ID + 1]
    assert ids[0] < FIRST_ID

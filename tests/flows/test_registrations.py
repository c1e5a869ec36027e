"""Registration statistics of an entity: inside its territory, and for none that reaches nobody by place."""

from gateway.flows.registrations import registrations
from gateway.model import EntityKind
from tests.support.scene import Scene, citizen


async def test_an_entity_counts_who_registered_in_its_territory_and_nobody_else(scene: Scene) -> None:
    await scene.entity("here")
    await scene.entity("zone", kind=EntityKind.TYPE2)
    await scene.entity("nowhere", rings=())
    inside = [citizen(n, "nl" if n % 3 else "fr") for n in range(12)]
    outside = [citizen(100 + n, lon=3.0, lat=51.2) for n in range(9)]
    await scene.citizens(*inside, *outside)
    async with scene.connected() as connection:
        found = await registrations(connection, "here")
        assert found is not None
        assert (found["registered"], found["languages"]) == (10, {"fr": 0, "nl": 5})
        assert found["channels"] == {"sms": 10, "email": 10, "voice": 10}
        assert list(found["months"].values()) == [10]
        for slug in ("zone", "nowhere", "unknown"):
            assert await registrations(connection, slug) is None

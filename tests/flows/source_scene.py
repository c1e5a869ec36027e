"""A source of an entity, read from a feed server on the loopback, over a fresh database and a stopped clock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.cap.check import Verdict, check
from gateway.cap.feed_read import ReadFeed, read_feed
from gateway.cap.model import CapAlert
from gateway.cap.write import write
from gateway.flows.keeping import Keeper
from gateway.flows.relaying import Relaying
from gateway.flows.sources import Sources
from gateway.log import unit_logger
from gateway.policy.polling import KeepRules, SourceRules
from gateway.store import sources
from gateway.store.embedded import Cluster
from gateway.store.sources import Source
from tests.flows.feed_server import FeedServer, a_feed_server
from tests.support.scene import Entity, Scene, a_scene, an_alert

CALLBACK = "https://we.example/cap/incoming"


async def lenient(raw: bytes, at: datetime) -> Verdict:
    """The lenient check without its process."""
    return check(raw, lenient=True, received_at=at)


async def strict(raw: bytes, at: datetime) -> Verdict:
    """The strict check without its process."""
    return check(raw, received_at=at)


async def read(raw: bytes, url: str) -> ReadFeed:
    """The reader of feeds without its process."""
    return read_feed(raw, url=url)


@dataclass(slots=True, kw_only=True)
class SourceScene:
    """Everything that a feed meets on its way in; `source` is the entity's public id of it."""

    scene: Scene
    server: FeedServer
    keeper: Keeper
    sources: Sources
    relaying: Relaying
    entity: Entity
    source: str

    def alert(self, identifier: str = "U-1", **changes: Any) -> CapAlert:
        """An alert of the upstream authority, sent now."""
        return an_alert(identifier, at=self.scene.clock.now, **({"sender": "kmi@upstream.example"} | changes))

    def document(self, identifier: str = "U-1", **changes: Any) -> bytes:
        """The same as XML."""
        return write(self.alert(identifier, **changes))

    async def poll(self, seconds: float = 0.0) -> int:
        """Poll what is due after so long; how many sources were."""
        self.scene.clock.on(seconds)
        return await self.sources.poll_due()

    async def trust(self) -> None:
        """End the quarantine."""
        async with self.scene.connected() as connection:
            await sources.trust(connection, self.source, trusted=True)

    async def row(self) -> Any:
        """The source as it is stored."""
        return (await self.scene.rows("SELECT * FROM source"))[0]

    async def alerts(self) -> list[Any]:
        """What it brought, oldest first."""
        return await self.scene.rows("SELECT * FROM source_alert ORDER BY id")

    async def states(self) -> list[str]:
        """The states of its entries."""
        return [row["state"] for row in await self.scene.rows("SELECT state FROM source_entry ORDER BY url")]

    async def receipts(self) -> list[tuple[str, int, int, int]]:
        """(via, status, alerts, fresh) of every receipt."""
        found = await self.scene.rows("SELECT via, http_status, alerts, fresh FROM source_receipt ORDER BY id")
        return [tuple(row) for row in found]

    async def leased(self) -> Source:
        """The source as a poller gets it."""
        async with self.scene.connected() as connection:
            found = await sources.lease(connection, self.scene.clock.now, self.scene.clock.now + timedelta(minutes=3))
        assert found is not None
        return found


@asynccontextmanager
async def a_source_scene(
    pg: Cluster, *, rules: Mapping[str, Any] | None = None, keep: KeepRules | None = None
) -> AsyncIterator[SourceScene]:
    """A scene whose entity reads /feed of the server; nothing is served yet."""
    async with a_scene(pg) as scene, a_feed_server() as (server, client):
        keeper = Keeper(scene.store, check=lenient, read=read, rules=keep or KeepRules(), utcnow=scene.clock)
        usual: dict[str, Any] = {"callback_url": CALLBACK, "hub_schemes": frozenset({"http"})}
        given = SourceRules(**(usual | dict(rules or {})))
        flow = Sources(
            scene.store, keeper, client, given, log=unit_logger("test.sources"), utcnow=scene.clock,
            chance=lambda: 0.5,
        )  # fmt: skip
        relaying = Relaying(
            scene.store, lenient=lenient, strict=strict, texts={}, sender_domain="alerts.example", utcnow=scene.clock
        )
        entity = await scene.entity()
        async with scene.connected() as connection:
            source = await sources.add(
                connection, entity_id=entity.id, url=f"{server.url}/feed", now=scene.clock.now
            )  # fmt: skip
        assert source is not None
        yield SourceScene(
            scene=scene, server=server, keeper=keeper, sources=flow, relaying=relaying, entity=entity, source=source
        )

"""Nobody learns of another entity's people: whatever B owns and does, A is told the same as if B had done nothing.

Each example is played twice on one database, by fresh entities: once with the acts of A and B mixed, once with A's
alone. What A was told, status and body, must be the same but for names that are drawn at random and for times.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.model import Scope
from gateway.model import Realm
from gateway.policy.importing import ImportedContact
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.web.api import Api
from gateway.web.problem import middleware
from tests.support.database import Servers
from tests.support.scene import (
    HELP,
    Entity,
    Scene,
    a_scene,
    an_alert,
    area,
    asking,
    citizen,
    document,
    put_entity,
    square,
    with_infos,
)  # fmt: skip

GROUPS = ("people", "actors")
HERE = area(square(4.325, 50.815))
SEEN = re.compile(r"\b(al|ca)_[0-9a-f]{16}\b")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)")
MOVING = frozenset({"age_s", "next"})


class Step(NamedTuple):
    """One act: by A or B, what, on which group, alert and person of the few that there are."""

    by_a: bool
    what: str
    group: str
    number: int


class Player:
    """An entity of a run, over HTTP; `told` is what it was answered."""

    def __init__(self, entity: Entity, client: TestClient[web.Request, web.Application], scene: Scene) -> None:
        self.entity, self.client, self.scene = entity, client, scene
        self.told: list[Any] = []
        self.campaigns: list[str] = []

    async def act(self, step: Step, foreign: Sequence[str]) -> None:
        """One step; `foreign` are campaigns that the other one started."""
        match step.what:
            case "group":
                async with self.scene.connected() as connection:
                    await admin.create_group(connection, entity_id=self.entity.id, slug=step.group, name=step.group)
            case "contact":
                await self._contact(step)
            case "post" | "forecast":
                await self._alert(step)
            case "list":
                await self.ask("GET", "/v1/campaigns")
            case _:
                for name in (*self.campaigns[-1:], *(foreign[-1:] or ["ca_0000000000000000"])):
                    await self.ask(*_ACTS[step.what](name))

    async def _contact(self, step: Step) -> None:
        person = ImportedContact(row=1, key=f"p{step.number}", mobile=f"+3248000000{step.number}")
        async with self.scene.connected() as connection:
            found = await admin.groups(connection, self.entity.slug)
            group = next((row.id for row in found if row.slug == step.group), None)
            await admin.import_contacts(connection, self.entity.id, [person], group_id=group)

    async def _alert(self, step: Step) -> None:
        alert = asking(an_alert(f"A-{step.number}", addresses=(step.group,)), channels="sms")
        if step.number % 2:
            alert = with_infos(alert, area=(HERE,))
        else:
            alert = with_infos(alert, area=())
            alert = replace(alert, scope=Scope.PRIVATE)
        path = "/v1/alerts" + ("?dry_run=true" if step.what == "forecast" else "")
        body = await self.ask("POST", path, document(alert))
        if "campaign" in body and body["campaign"] not in self.campaigns:
            self.campaigns.append(body["campaign"])
        await self.scene.plan()

    async def ask(self, method: str, path: str, raw: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.entity.tokens[Realm.LIVE]}", "Content-Type": "application/cap+xml"}
        async with self.client.request(method, path, data=raw, headers=headers) as answer:
            body = await answer.json(content_type=None)
            self.told.append((method, answer.status, body))
            return body


_ACTS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "progress": lambda name: ("GET", f"/v1/campaigns/{name}"),
    "deliveries": lambda name: ("GET", f"/v1/campaigns/{name}/deliveries"),
    "report": lambda name: ("GET", f"/v1/campaigns/{name}/report"),
    "stop": lambda name: ("POST", f"/v1/campaigns/{name}/stop"),
    "pause": lambda name: ("POST", f"/v1/campaigns/{name}/pause"),
}
WORDS = ("group", "contact", "contact", "post", "post", "forecast", "list", *_ACTS)
STEPS = st.lists(
    st.builds(Step, st.booleans(), st.sampled_from(WORDS), st.sampled_from(GROUPS), st.integers(0, 3)),
    min_size=4, max_size=14,
)  # fmt: skip


def plain(told: Sequence[Any], slug: str) -> str:
    """What was told, with names numbered in the order in which they came up, and without times."""
    names: dict[str, str] = {}
    text = TIMES.sub("TIME", repr(_still(told)).replace(slug, "ME"))
    return SEEN.sub(lambda found: names.setdefault(found[0], f"name{len(names)}"), text)


def _still(value: Any) -> Any:
    match value:
        case dict():
            return {key: _still(one) for key, one in value.items() if key not in MOVING and not key.endswith("_s")}
        case list() | tuple():
            return [_still(one) for one in value]
        case _:
            return value


async def _play(scene: Scene, api: Api, number: int, steps: Sequence[Step], *, both: bool) -> str:
    application = web.Application(middlewares=[middleware(HELP)])
    application.add_routes(api.routes())
    slugs = f"a{number}-{'both' if both else 'only'}", f"b{number}-{'both' if both else 'only'}"
    async with TestClient(TestServer(application)) as client, scene.connected() as connection:
        a, b = [Player(await put_entity(connection, slug), client, scene) for slug in slugs]
        for step in steps:
            if step.by_a:
                await a.act(step, b.campaigns)
            elif both:
                await b.act(step, a.campaigns)
    return plain(a.told, slugs[0])


def test_what_b_owns_and_does_changes_nothing_of_what_a_is_told(servers: Servers) -> None:
    async def compare(pg: Cluster, number: int, steps: Sequence[Step]) -> None:
        async with a_scene(pg) as scene:
            if number == 0:
                await scene.citizens(*(citizen(n) for n in range(7)))
            api = Api(*scene.doors, max_bytes=200_000, utcnow=scene.clock)
            mixed = await _play(scene, api, number, steps, both=True)
            assert mixed == await _play(scene, api, number, steps, both=False)

    with servers.database("embedded") as cluster, asyncio.Runner() as runner:
        played = iter(range(10_000))

        @settings(max_examples=20)
        @given(steps=STEPS)
        def hold(steps: list[Step]) -> None:
            runner.run(compare(cluster, next(played), steps))

        hold()

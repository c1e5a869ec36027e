"""Nobody reads, counts, targets, exports or infers another entity's people through the pages that persons use.

As in test_tenants.py each example is played twice by fresh entities, with the acts of A and B mixed and with A's alone;
what A was told has to be the same. B's people have the numbers, keys and groups that A's have, and names of their own.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from gateway.cap.model import Scope
from gateway.model import Role
from gateway.store import costs
from gateway.store.embedded import Cluster
from tests.policy.test_template import BODY, VALUES
from tests.support.authority import Client, a_client, ask
from tests.support.database import Servers
from tests.support.people import everything, put_person
from tests.support.scene import Scene, a_scene, an_alert, asking, citizen, document, with_infos

ENDED_DELIVERIES = (
    "UPDATE delivery SET state = 3, attempt = 1, submitted_at = now(), done_at = now() WHERE entity_id = $1"
)
ENDED_CHUNKS = "UPDATE chunk SET state = 2, marked_to = hi WHERE entity_id = $1"
ENDED_COUNTS = "UPDATE progress SET queued = 0, delivered = delivered + queued WHERE entity_id = $1"
CAP = {"Content-Type": "application/cap+xml"}
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)")
NAMES = re.compile(
    r"\b(?:al|ca|pe|an)_[0-9a-f]{16}\b|\b[0-9a-f]{64}\b|\d{8}T\d{6}-[0-9a-f]{8}|(?:person:|contact:|export_request:|token:|exports/)\d+"
)
COUNTERS = frozenset({"pack", "launch", "export", "id", "number", "next", "token", "person", "seq", "hash", "event"})
"""Numbers that the database gives out to all in turn, and what moves with the clock."""


class Step(NamedTuple):
    """One act of A or B on one of a few contacts and groups."""

    by_a: bool
    what: str
    one: int
    group: str


class Player:
    """An entity's administrators, over HTTP."""

    def __init__(self, client: Client, scene: Scene, entity: int, tokens: Sequence[str], words: str) -> None:
        self.client, self.scene, self.entity, self.tokens, self.words = client, scene, entity, tokens, words
        self.told: list[Any] = []
        self.campaign = self.export = "0"

    async def ask(self, method: str, path: str, token: int = 0, **more: Any) -> Any:
        status, body = await ask(self.client, self.tokens[token], method, path, **more)
        self.told.append((method, re.sub(r"campaigns/\w+", "campaigns/X", path.partition("?")[0]), status, body))
        return body

    async def act(self, step: Step, foreign: "Player") -> None:
        """One step; `foreign` is the other one, whose things are asked for by name."""
        key, group = f"p{step.one}", step.group
        number = f"+3248000000{step.one}"
        match step.what:
            case "put":
                body = {"key": key, "name": f"{self.words} {step.one}", "mobile": number, "email": f"{key}@b.example"}
                await self.ask("POST", "/v1/contacts", json=body)
            case "find":
                await self.ask("GET", f"/v1/contacts?endpoint=%2B{number[1:]}")
                await self.ask("GET", f"/v1/contacts?endpoint={key}@b.example")
            case "search":
                await self.ask("GET", f"/v1/contacts?begins={foreign.words[:3]}")
                await self.ask("GET", f"/v1/persons?begins={foreign.words[:3]}")
            case "show":
                await self.ask("GET", f"/v1/contacts/{key}")
            case "remove":
                await self.ask("POST", "/v1/contacts/remove", json={"keys": [key]})
            case "group":
                await self.ask("POST", "/v1/groups", json={"slug": group, "name": group})
                await self.ask("POST", f"/v1/groups/{group}/members", json={"add": [key], "remove": []})
            case "list":
                for path in ("contacts", "groups", "persons", "partnerships", "notices", "campaigns", "sources"):
                    await self.ask("GET", f"/v1/{path}")
            case "export":
                asked = await self.ask("POST", "/v1/exports", json={"reason": "the contract ends now"})
                self.export = str(asked.get("export", "0"))
                await self.ask("POST", f"/v1/exports/{foreign.export}/agree", 1)
                await self.ask("GET", f"/v1/exports/{foreign.export}/contacts.csv")
            case "send" | "forecast":
                await self._send(step)
            case "template":
                named = {"slug": group, "event": f"{self.words} {step.one}", "groups": [group]}
                await self.ask("POST", "/v1/templates", json=BODY | named)
            case "launch":
                await self._launch(step)
            case "money":
                await self._money()
            case _:
                for verb, path in (("GET", ""), ("GET", "/deliveries"), ("POST", "/stop"), ("POST", "/approve")):
                    more: Any = {"json": {}} if verb == "POST" else {}
                    await self.ask(verb, f"/v1/campaigns/{foreign.campaign}{path}", **more)

    async def _launch(self, step: Step) -> None:
        """Look at a template that the other one may have under the same name, and launch it."""
        path = f"/v1/templates/{step.group}"
        wish: dict[str, Any] = {"json": {"values": VALUES}}
        nothing: dict[str, Any] = {}
        for verb, below, more in (
            ("GET", "", nothing), ("POST", "/preview", wish), ("POST", "/launch", wish),
            ("GET", "/launches", nothing),
        ):  # fmt: skip
            body = await self.ask(verb, path + below, **more)
            self.campaign = str(body.get("campaign") or self.campaign)
        await self.ask("GET", "/v1/templates")
        await self.scene.plan()

    async def _money(self) -> None:
        """Buy units, let what was sent so far come to its end, and ask for everything that is counted."""
        async with self.scene.connected() as connection:
            await costs.put_pack(
                connection, self.entity, units=7, bought_on=date(2026, 1, 1), valid_until=date(2100, 1, 1)
            )
            await connection.execute(ENDED_DELIVERIES, self.entity)
            await connection.execute(ENDED_CHUNKS, self.entity)
            await connection.execute(ENDED_COUNTS, self.entity)
        await self.scene.closer.once()
        month = f"{self.scene.clock.now:%Y-%m}"
        for path in (
            "cost/balance",
            "cost/ledger",
            f"cost/statement?month={month}",
            "statistics/registrations",
            "campaigns",
        ):
            await self.ask("GET", f"/v1/{path}")

    async def _send(self, step: Step) -> None:
        alert = with_infos(asking(an_alert(f"A-{step.one}", addresses=(step.group,)), channels="sms"), area=())
        raw = document(replace(alert, scope=Scope.PRIVATE))
        path = "/v1/alerts" + ("?dry_run=true" if step.what == "forecast" else "")
        body = await self.ask("POST", path, data=raw, headers=CAP)
        self.campaign = str(body.get("campaign") or self.campaign)
        await self.scene.plan()


WORDS = (
    "put", "put", "put", "find", "search", "show", "remove", "group", "group", "list", "export", "send", "forecast",
    "pry", "template", "launch", "money",
)  # fmt: skip
STEPS = st.lists(
    st.builds(Step, st.booleans(), st.sampled_from(WORDS), st.integers(0, 2), st.sampled_from(["g", "h"])),
    min_size=5, max_size=12,
)  # fmt: skip


BEFORE = [*(Step(False, "put", n, "g") for n in range(3)), Step(False, "group", 1, "g"), Step(False, "find", 1, "g"),
          Step(False, "template", 1, "g"), Step(False, "launch", 1, "g"), Step(False, "money", 1, "g")]  # fmt: skip
"""What B has in any case, when there is a B."""


def plain(told: Any, slug: str) -> str:
    """What was told without what differs by chance."""
    return NAMES.sub("NAME", TIMES.sub("TIME", repr(_still(told)).replace(slug, "ME")))


def _still(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _still(one) for key, one in value.items() if key not in COUNTERS and not key.endswith("_s")}
        case list() | tuple():
            return [_still(one) for one in value]
        case _:
            return value


async def play(scene: Scene, client: Client, number: int, steps: Sequence[Step], *, both: bool) -> tuple[str, str]:
    """What A was told, and what B was; without `both` B does nothing."""
    slugs = [f"{of}{number}-{'both' if both else 'only'}" for of in "ab"]
    players = []
    for slug, words in zip(slugs, ("Alfa", "Bravissima"), strict=True):
        entity = await scene.entity(slug)
        async with scene.connected() as connection:
            tokens = [
                await put_person(
                    connection, entity.id, roles=[Role.ADMIN, Role.EDITOR, Role.VIEWER, Role.EXPORTER],
                    mandate=everything(), email=f"{who}@{slug}.example",
                )
                for who in ("one", "two")
            ]  # fmt: skip
        players.append(Player(client, scene, entity.id, tokens, words))
    a, b = players
    for step in BEFORE if both else ():
        await b.act(step, a)
    for step in steps:
        if step.by_a or both:
            await (a.act(step, b) if step.by_a else b.act(step, a))
    return plain(a.told, slugs[0]), repr(b.told)


def test_what_b_keeps_changes_nothing_of_what_a_is_told(servers: Servers) -> None:
    async def compare(pg: Cluster, number: int, steps: Sequence[Step]) -> None:
        async with a_scene(pg) as scene, a_client(scene) as client:
            if number == 0:
                await scene.citizens(*(citizen(n) for n in range(3)))
            mixed, theirs = await play(scene, client, number, steps, both=True)
            alone, _ = await play(scene, client, number, steps, both=False)
            assert mixed == alone
            assert "Bravissima " not in mixed
            seen.update(step.what for step in steps if step.by_a)
            kept.append("Bravissima " in theirs)

    seen: set[str] = set()
    kept: list[bool] = []
    with servers.database("embedded") as cluster, asyncio.Runner() as runner:
        played = iter(range(10_000))

        @example([Step(by_a, what, 1, "g") for what in dict.fromkeys(WORDS) for by_a in (False, True)])
        @settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
        @given(steps=STEPS)
        def hold(steps: list[Step]) -> None:
            runner.run(compare(cluster, next(played), steps))

        hold()
    assert seen == set(WORDS)
    assert any(kept), "B had people to be told of"

"""A suspension holds on all nodes within five seconds: of an entity, of a person, of a token; for what comes, and for
what runs.

The five seconds are the promise, counted from the answer to whoever suspends; everything else here may take its time.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from gateway.model import Role
from gateway.store import admin, persons
from gateway.store.embedded import Cluster
from tests.support.line import Line, cap, people, running, scene
from tests.support.people import everything, put_person
from tests.support.waiting import PATIENCE_S, awake, stretched, until, watching_stalls

PROMISE_S = 5.0
PEOPLE = 300
RATE_PER_S = 20  # whoever was not stopped would need fifteen seconds
JAN, AN = "jan@people.example", "an@people.example"


async def call(line: Line, url: str, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    """One request to one node."""
    head = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    async with line.session.request(method, url + path, json=body, headers=head) as answer:
        return answer.status, await answer.json(content_type=None)


async def refusal(line: Line, url: str, token: str) -> str:
    """Why a node would not send for somebody; "" when it would."""
    head = {"Authorization": f"Bearer {token}", "Content-Type": "application/cap+xml"}
    path = f"{url}/v1/alerts?dry_run=true"
    async with line.session.post(path, data=cap("tried", words="Tried"), headers=head) as answer:
        return "" if answer.status == 200 else str((await answer.json(content_type=None))["reason"])


async def holds_everywhere(
    line: Line, urls: list[str], token: str, reason: str, clock: Callable[[], float], since: float
) -> None:
    """Every node refuses, before the promise has run out."""
    for url in urls:
        while await refusal(line, url, token) != reason:
            assert clock() - since < PATIENCE_S, url
            await asyncio.sleep(0.1)
        assert clock() - since < stretched(PROMISE_S), url


async def roles(line: Line) -> dict[str, str]:
    """Tokens: of two persons who send, of an administrator of theirs, and of one of the platform."""
    async with admin.connected(line.cluster.app_dsn) as connection:
        commune, platform = await admin.entity(connection, "demo-commune"), await admin.entity(connection, "platform")
        assert commune is not None and platform is not None
        found = {who: await put_person(connection, commune.id, email=who, mandate=everything()) for who in (JAN, AN)}
        found["admin"] = await put_person(connection, commune.id, roles=[Role.ADMIN])
        found["platform"] = await put_person(connection, platform.id, roles=[Role.ADMIN])
        an = (await persons.find(connection, commune.id, AN))["id"]
        rows = await connection.fetch("SELECT id FROM token WHERE person_id = $1", an)
        return found | {"number": str(rows[0]["id"])}


async def test_a_suspension_holds_on_all_nodes_within_five_seconds(pg: Cluster) -> None:
    async with scene(pg, people(PEOPLE)) as line, AsyncExitStack() as stack, watching_stalls() as stalls:
        urls = []
        for name in ("one", "two"):
            more: dict[str, Any] = {
                "node": {"name": name},
                "sms": {"rate_per_s": RATE_PER_S},
                "dispatch": {"receipt_window_s": 1},
            }
            node = await stack.enter_async_context(running(line, 0, **more))
            await until(lambda: any(up for name, up in node.channel_states()[0].items() if name.startswith("smsc")))  # noqa: B023
            urls.append(node.url)
        tokens = await roles(line)
        own = line.tokens["demo-commune"]["live"]
        for url in urls:  # both have read everybody's rights before any of them ends
            assert [await refusal(line, url, token) for token in (own, tokens[JAN], tokens[AN])] == ["", "", ""]
        # a person, at the first node
        status, told = await call(line, urls[0], "POST", f"/v1/persons/{JAN}", tokens["admin"], {"suspended": True})
        since = stalls.clock()
        assert status == 200, told
        await holds_everywhere(line, urls, tokens[JAN], "suspended", stalls.clock, since)
        # a token, at the second
        status, told = await call(line, urls[1], "POST", f"/v1/tokens/{tokens['number']}/revoke", tokens["admin"])
        since = stalls.clock()
        assert status == 200, told
        await holds_everywhere(line, urls, tokens[AN], "unauthorized", stalls.clock, since)
        # the entity, while both nodes send for it
        assert [await refusal(line, url, own) for url in urls] == ["", ""], "nobody else was concerned"
        name = await line.post(cap("runs", words="It runs", channels="sms"))
        await until(lambda: len(line.received("sms")) >= RATE_PER_S)
        suspend = "/v1/entities/demo-commune/suspend"
        status, told = await call(line, urls[0], "POST", suspend, tokens["platform"], {"running": "stop"})
        since, at, stood_s = stalls.clock(), time.time(), stalls.total_s
        assert (status, told["campaigns"]) == (200, [name]), told
        await holds_everywhere(line, urls, own, "suspended", stalls.clock, since)
        await awake(2 * PROMISE_S - (stalls.clock() - since))
        times = [record.at for record in line.received("sms")]
        assert len(times) < PEOPLE
        promise_s = stretched(PROMISE_S) + stalls.total_s - stood_s
        assert max(times) - at < promise_s, "nothing leaves for it any more, from neither node"

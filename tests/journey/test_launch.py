"""A prepared alert is launched in one call, answered within a second, and what it showed is kept.

The second is the promise. A machine that is busy with something else may miss it now and then: one launch of five has
to keep it, by the clock of who asks, through HTTP, the check, the rights, the audience and the commit.
"""

import time
from typing import Any

from gateway.model import Role
from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.support.line import CENTRE, Line, people, running, scene
from tests.support.people import put_person
from tests.support.waiting import stretched, until

PROMISE_S = 1.0
LAUNCHES = 5
PEOPLE = 40
TEMPLATE: dict[str, Any] = {
    "slug": "smoke", "class": "urgent", "purpose": "emergency", "event": "Smoke", "category": "Fire",
    "urgency": "Immediate", "severity": "Severe", "certainty": "Observed", "response": ["Shelter"], "channels": ["sms"],
    "groups": [], "minutes": 60,
    "areas": [{"description": "Forest", "circles": [f"{CENTRE[1]},{CENTRE[0]} 1"], "polygons": [], "geocodes": []}],
    "texts": {
        "en": {"headline": "Smoke in {street}", "instruction": "Close all windows and doors in Forest."},
        "nl": {"headline": "Rook in {street}", "instruction": "Sluit alle ramen en deuren in Vorst."},
    },
}  # fmt: skip
WISH = {"waive": ["missing-language"], "reason": "nobody here reads the others"}


async def ask(line: Line, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    """One request; its status and JSON."""
    headers = {"Authorization": f"Bearer {token}"}
    async with line.session.request(method, line.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_template_is_launched_in_one_call_within_a_second(pg: Cluster) -> None:
    async with scene(pg, people(PEOPLE)) as line, running(line, 0, dispatch={"receipt_window_s": 1}):
        assert await line.fetch("SELECT FROM template") == [], "the gateway brings no texts"
        async with admin.connected(pg.app_dsn) as connection:
            commune = await admin.entity(connection, "demo-commune")
            assert commune is not None
            editor = await put_person(connection, commune.id, roles=[Role.EDITOR])
        assert (await ask(line, "POST", "/v1/templates", editor, TEMPLATE))[0] == 201
        own, took = line.tokens["demo-commune"]["live"], []
        for number in range(LAUNCHES):
            began = time.perf_counter()
            wish = WISH | {"values": {"street": f"Street {number}"}}
            status, told = await ask(line, "POST", "/v1/templates/smoke/launch", own, wish)
            took.append(time.perf_counter() - began)
            assert status == 201, told
        assert min(took) < stretched(PROMISE_S), took
        await until(lambda: len(line.received("sms")) == LAUNCHES * PEOPLE, within_s=60)
        launches = (await ask(line, "GET", "/v1/templates/smoke/launches", editor))[1]["launches"]
        shown = [[one["text"] for one in launch["preview"]["texts"]] for launch in reversed(launches)]
        for number, texts in enumerate(shown):
            sent = {record.text for record in line.said("sms", f"Smoke in Street {number}")}
            assert len(sent) == 1
            assert sent <= set(texts), "what was shown is what was said"

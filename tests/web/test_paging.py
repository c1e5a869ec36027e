"""Pages: bounded whatever is asked, and the cursor of one leads to the next, on every list that the API has."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.model import ChannelName, Role
from gateway.policy.tariff import Tariff
from gateway.store import admin, costs, entities
from gateway.web import paging
from gateway.web.docs import load, resolved
from tests.support.api import Operation, operations
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene


def asked(query: str) -> web.Request:
    return make_mocked_request("GET", f"/?{query}")


@pytest.mark.parametrize(
    ("query", "most"),
    [("", 100), ("limit=5", 5), ("limit=0", 1), ("limit=-3", 100), ("limit=99999", 1000), ("limit=x", 100),
     ("limit=" + "9" * 30, 100), ("limit=٣", 100)],
)  # fmt: skip
def test_a_page_is_bounded_whatever_is_asked(query: str, most: int) -> None:
    assert paging.limit(asked(query)) == most


def test_a_cursor_that_can_not_be_read_begins_at_the_beginning() -> None:
    assert (paging.after(asked("cursor=x")), paging.after(asked("cursor=7"))) == (0, 7)
    assert (paging.before(asked("cursor=x")), paging.before(asked("cursor=7"))) == (2**31 - 1, 7)
    assert paging.word(asked("cursor=%00a%00" + "b" * 400), "cursor") == "a" + "b" * 299
    assert paging.word(asked(""), "cursor") == ""


def test_a_full_page_says_where_the_next_one_begins() -> None:
    for rows, more in (([1, 2], "2"), ([1], None), ([], None)):
        answer = paging.page("things", rows, 2, lambda row: {"n": row}, str)
        assert json.loads(answer.text or "") == {"things": [{"n": row} for row in rows], "next": more}


# Every list ---------------------------------------------------------------------------------------------------------

BOUNDED = {
    "listPasskeys": "ten at most", "listProviders": "as configured", "listLinks": "one for each provider",
    "listManuals": "part of the gateway", "findPlaces": "the best few", "getSession": "memberships of one person",
    "getAlert": "parts of one thing", "getPerson": "parts of one thing", "getEntity": "parts of one thing",
    "showEntity": "parts of one thing", "getContact": "parts of one thing", "getWebhook": "parts of one thing",
    "getTemplate": "parts of one thing", "getReport": "parts of one thing", "getCitizen": "parts of one thing",
    "getImport": "the first of them", "getBalance": "packs in the order of use", "getStatement": "a whole document",
}  # fmt: skip
"""What shows several of something and has no pages, and why not."""


def shows_several(document: Mapping[str, Any], operation: Operation) -> set[str]:
    """The names under which its answer has lists; `next` among them when it says where the next page begins."""
    content = operation.told["responses"].get("200", {}).get("content", {}).get("application/json")
    told: dict[str, Any] = resolved(document, content["schema"]).get("properties", {}) if content else {}
    several = {name for name, schema in told.items() if resolved(document, schema).get("type") == "array"}
    return several | ({"next"} & told.keys()) if several else set()


def test_every_list_of_v1_has_pages_or_an_end_that_is_named() -> None:
    document = load()
    gets = [one for one in operations(document) if one.method == "GET" and one.path.startswith("/v1/")]
    several = {one.name: (shows_several(document, one), {p["name"] for p in one.parameters}) for one in gets}
    paged = {name for name, (shown, asked_) in several.items() if "next" in shown and {"limit", "cursor"} <= asked_}
    assert {name for name, (shown, _) in several.items() if shown} - paged == BOUNDED.keys()
    assert len(paged) > 20


async def test_pages_follow_each_other_to_the_end_and_miss_nothing(client: Client, scene: Scene) -> None:
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        commune = await scene.entity()
        boss = await put_person(connection, platform.id, roles=[Role.ADMIN])
        await put_person(connection, commune.id)
        names = [await entities.tell(connection, None, f"notice {n}") for n in range(3)]
        for n in range(3):
            day = date(2031 + n, 1, 1)
            price = Tariff(channel=ChannelName.SMS, prefix="", eur=Decimal(n), valid_from=day, valid_until=None)
            assert await costs.put_tariff(connection, price)
    for path, key, wanted in (
        ("/v1/announcements", "announcement", names[::-1]),
        (f"/v1/announcements/{names[0]}", "entity", ["commune", "platform"]),
        ("/v1/cost/tariffs", "valid_from", ["2033-01-01", "2032-01-01", "2031-01-01"]),
    ):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            status, body = await ask(client, boss, "GET", path, params={"limit": "1"} | cursor)
            (rows,) = (value for value in body.values() if isinstance(value, list))
            assert (status, len(rows) <= 1) == (200, True)
            found += [row[key] for row in rows]
            if body["next"] is None:
                break
            cursor = {"cursor": body["next"]}
        assert found[: len(wanted)] == wanted
        assert len(found) == len(set(found)) or path == "/v1/cost/tariffs"

"""Cost over HTTP: every entity reads its own, the platform alone writes prices and packs."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pypdf import PdfReader

from gateway.flows.costing import today_in
from gateway.model import Realm, Role
from tests.flows.test_costing import closed
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

PACK = {"units": 500, "bought_on": "2022-09-20", "valid_until": "2100-07-20", "reference": "3P-1"}
TARIFF = {"channel": "sms", "eur": "0.06", "valid_from": "2028-07-21"}


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


@pytest_asyncio.fixture
async def platform(scene: Scene) -> str:
    async with scene.connected() as connection:
        number = await connection.fetchval("SELECT id FROM entity WHERE slug = 'platform'")
        return await put_person(connection, number, roles=[Role.ADMIN])


def month(scene: Scene) -> str:
    return f"{today_in('Europe/Brussels', scene.clock.now):%Y-%m}"


async def test_the_platform_writes_a_price_once_and_everybody_reads_it(
    client: Client, commune: Entity, platform: str
) -> None:
    status, body = await ask(client, platform, "POST", "/v1/cost/tariffs", json=TARIFF)
    assert (status, body["eur"], body["valid_until"]) == (201, "0.060", None)
    assert (await ask(client, platform, "POST", "/v1/cost/tariffs", json=TARIFF))[1]["reason"] == "tariff-already"
    _, body = await ask(client, commune.tokens[Realm.LIVE], "GET", "/v1/cost/tariffs")
    assert [one["eur"] for one in body["tariffs"] if one["channel"] == "sms"] == ["0.060", "0.055"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/cost/tariffs", TARIFF | {"eur": "-1"}), ("/v1/cost/tariffs", TARIFF | {"eur": "0.0000001"}),
        ("/v1/cost/tariffs", TARIFF | {"valid_until": "2020-01-01"}), ("/v1/cost/tariffs", TARIFF | {"prefix": "33"}),
        ("/v1/cost/tariffs", TARIFF | {"eur": "NaN"}), ("/v1/entities/commune/packs", PACK | {"units": 0}),
        ("/v1/entities/commune/packs", PACK | {"valid_until": "2020-01-01"}),
        ("/v1/entities/commune/packs", PACK | {"reference": "x" * 201}),
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused(
    client: Client, commune: Entity, platform: str, path: str, body: dict[str, Any]
) -> None:
    assert (await ask(client, platform, "POST", path, json=body))[0] == 422


async def test_nobody_but_the_platform_writes(client: Client, scene: Scene, commune: Entity, platform: str) -> None:
    async with scene.connected() as connection:
        admin = await put_person(connection, commune.id, roles=[Role.ADMIN])
    for path, body in (("/v1/cost/tariffs", TARIFF), ("/v1/entities/commune/packs", PACK)):
        for token in (admin, commune.tokens[Realm.LIVE]):
            assert (await ask(client, token, "POST", path, json=body))[1]["reason"] == "no-role"
    assert (await ask(client, platform, "POST", "/v1/entities/none/packs", json=PACK))[0] == 404


async def test_a_balance_shows_packs_in_their_order_and_when_to_order(
    client: Client, commune: Entity, platform: str, scene: Scene
) -> None:
    token = commune.tokens[Realm.LIVE]
    _, body = await ask(client, token, "GET", "/v1/cost/balance")
    assert (body["units_left"], body["low"], body["packs"]) == (0, False, [])
    soon = today_in("Europe/Brussels", scene.clock.now) + timedelta(days=5)
    for until in (PACK["valid_until"], soon.isoformat()):
        pack = PACK | {"valid_until": until}
        assert (await ask(client, platform, "POST", "/v1/entities/commune/packs", json=pack))[0] == 201
    _, body = await ask(client, token, "GET", "/v1/cost/balance")
    assert [one["valid_until"] for one in body["packs"]] == [soon.isoformat(), "2100-07-20"]
    assert (body["units_left"], body["units_expiring"], body["low"], body["words"]) == (1000, 1000, False, "")


async def test_the_ledger_and_the_statement_say_what_a_month_came_to(
    client: Client, commune: Entity, scene: Scene
) -> None:
    answer = await closed(scene, commune)
    token = commune.tokens[Realm.LIVE]
    _, body = await ask(client, token, "GET", f"/v1/cost/ledger?month={month(scene)}")
    (line,) = body["lines"]
    assert (line["campaign"], line["channel"], line["unit_eur"]) == (answer.body["campaign"], "sms", "0.055")
    assert (await ask(client, token, "GET", "/v1/cost/ledger?cursor=99.1.33"))[1]["lines"] == []
    assert len((await ask(client, token, "GET", "/v1/cost/ledger?cursor=%00.x.y"))[1]["lines"]) == 1
    _, body = await ask(client, token, "GET", f"/v1/cost/statement?month={month(scene)}")
    assert body["totals"]["amount_eur"] == line["amount_eur"]
    other = await scene.entity("other")
    assert (await ask(client, other.tokens[Realm.LIVE], "GET", "/v1/cost/ledger"))[1]["lines"] == []


async def test_a_statement_is_a_file_of_each_kind(client: Client, commune: Entity, scene: Scene) -> None:
    answer = await closed(scene, commune)
    head = {"Authorization": f"Bearer {commune.tokens[Realm.LIVE]}"}
    for form in ("csv", "xlsx", "pdf"):
        path = f"/v1/cost/statement?month={month(scene)}&format={form}"
        async with client.get(path, headers=head) as got:
            assert got.status == 200
            assert f'filename="statement-commune-{month(scene)}.{form}"' in got.headers["Content-Disposition"]
            made = await got.read()
        match form:
            case "csv":
                assert list(csv.reader(io.StringIO(made.decode())))[1][1] == answer.body["campaign"]
            case "pdf":
                assert "Statement" in PdfReader(io.BytesIO(made)).pages[0].extract_text()
            case _:
                assert made.startswith(b"PK")


@pytest.mark.parametrize(
    ("query", "reason"),
    [("", "unknown-month"), ("?month=2026-13", "unknown-month"), ("?month=2026-11&format=doc", "unknown-format")],
)
async def test_a_month_and_a_form_that_are_none(client: Client, commune: Entity, query: str, reason: str) -> None:
    status, body = await ask(client, commune.tokens[Realm.LIVE], "GET", f"/v1/cost/statement{query}")
    assert (status, body["reason"]) == (400, reason)
    if "format" not in query and query:
        status, body = await ask(client, commune.tokens[Realm.LIVE], "GET", f"/v1/cost/ledger{query}")
        assert (status, body["reason"]) == (400, reason)

"""The ledger of a campaign: written once, when it closes; never asked for leave before a message goes."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway.cap.model import Status
from gateway.flows.answers import Answer
from gateway.flows.costing import Bookkeeper, balance, settle_campaign, statement_of, today_in, words
from gateway.log import unit_logger
from gateway.model import ChannelName, DeliveryState, Realm, Role
from gateway.policy.tariff import Pack, Tariff, outlook
from gateway.store import costs, deliveries, progress
from tests.flows.test_campaigns import by_sms, posted
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

PRICE = Decimal("0.055")
LAST = date(2100, 7, 20)


async def closed(scene: Scene, entity: Entity, people: int = 3, **changes: Any) -> Answer:
    answer = await posted(scene, entity, people, **changes)
    await scene.end(answer)
    await scene.closer.once()
    return answer


async def buy(scene: Scene, entity: Entity, units: int, until: date = LAST, bought: date = date(2022, 9, 20)) -> int:
    async with scene.connected() as connection:
        return await costs.put_pack(connection, entity.id, units=units, bought_on=bought, valid_until=until)


async def lines(scene: Scene) -> list[Any]:
    return await scene.rows("SELECT * FROM usage_line ORDER BY campaign_id, channel, prefix")


async def parts(scene: Scene) -> int:
    return int((await scene.rows("SELECT max(parts) AS n FROM text WHERE language LIKE 'nl%'"))[0]["n"])


async def test_a_closed_campaign_has_its_ledger_and_its_report_says_so(scene: Scene) -> None:
    commune = await scene.entity()
    await closed(scene, commune)
    (line,) = await lines(scene)
    units = 3 * await parts(scene)
    assert (line["messages"], line["units"], line["prepaid"], line["eur"]) == (3, units, 0, PRICE)
    assert line["amount"] == units * PRICE
    (report,) = await scene.rows("SELECT body FROM report")
    (told,) = report["body"]["cost"]["lines"]
    assert (told["channel"], told["units"], told["unit_eur"]) == ("sms", units, "0.055")
    assert report["body"]["cost"]["amount_eur"] == f"{units * PRICE:.3f}"


async def test_a_ledger_is_written_once(scene: Scene) -> None:
    commune = await scene.entity()
    await buy(scene, commune, 100)
    answer = await closed(scene, commune)
    number = (await scene.campaign(answer))["id"]
    before = [tuple(row) for row in await lines(scene)]
    async with scene.store.transaction() as connection:
        await settle_campaign(connection, number)
    assert [tuple(row) for row in await lines(scene)] == before
    (pack,) = await scene.rows("SELECT used FROM pack")
    assert pack["used"] == before[0][5]


async def test_rehearsals_and_exercises_on_simulators_cost_nothing(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens()
    rehearsal = await scene.post(by_sms("T-1"), commune, Realm.TEST)
    exercise = await scene.post(by_sms("E-1", status=Status.EXERCISE), commune)
    await posted(scene, commune, 2, identifier="A-1")
    for answer in (rehearsal, exercise):
        await scene.end(answer)
    await scene.closer.once()
    assert await lines(scene) == []


@pytest.mark.parametrize(
    ("state", "detail", "units"),
    [
        (DeliveryState.SUBMITTED, None, 1), (DeliveryState.UNKNOWN, None, 1), (DeliveryState.FAILED, "ESME_ROK", 1),
        (DeliveryState.EXPIRED, "ESME_ROK", 1), (DeliveryState.FAILED, "ESME_RINVDSTADR", 0),
        (DeliveryState.CANCELLED, None, 0), (DeliveryState.EXPIRED, None, 0),
    ],
)  # fmt: skip
async def test_what_a_peer_took_or_may_have_taken_costs_and_nothing_else(
    scene: Scene, state: DeliveryState, detail: str | None, units: int
) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune, 1)
    await scene.end(answer, state)
    await scene.rows("UPDATE delivery SET detail = $1 RETURNING seq", detail)
    await scene.rows("UPDATE text SET parts = 1 RETURNING key")
    await scene.closer.once()
    assert sum(row["units"] for row in await lines(scene)) == units


async def test_what_left_twice_costs_twice(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune, 4)
    await scene.end(answer)
    await scene.rows("UPDATE delivery SET flags = 1, attempt = 2 WHERE seq = 1 RETURNING seq")
    await scene.closer.once()
    assert (await lines(scene))[0]["units"] == 5 * await parts(scene)


async def test_a_call_costs_the_minutes_that_it_lasted_each_attempt_for_itself(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune, 5)
    await scene.rows("UPDATE delivery SET channel = 2, seq = seq + 10 RETURNING seq")
    await scene.rows("UPDATE text SET channel = 2, body = repeat('x', 700), parts = 1 RETURNING key")
    await scene.end(answer)
    # answered for a minute and a bit; twice for a moment, then busy; never; of the others nobody said how long
    await scene.rows("UPDATE delivery SET state = 4, detail = 'busy' WHERE seq IN (12, 13) RETURNING seq")
    async with scene.connected() as connection:
        provider = await progress.provider_id(connection, "trunk")
        for seq, call in ((11, "a"), (12, "b"), (12, "c"), (13, "d"), (14, "e")):
            await connection.execute(
                "INSERT INTO msgref SELECT $1, mask, c.id, $2, 1, $3 FROM campaign c, (VALUES (1), (0)) AS m (mask)",
                provider, seq, call,
            )  # fmt: skip
        for _ in range(2):
            await deliveries.put_lengths(connection, provider, [("a", 60.2), ("b", 1.0), ("c", 60.0), ("x", 500.0)])
    await scene.closer.once()
    (line,) = await lines(scene)
    assert (line["messages"], line["units"]) == (4, 2 + (1 + 1) + 2 * 2), "two readings of 700 characters are 2 minutes"


async def test_numbers_with_a_price_of_their_own_get_a_line_of_their_own(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        dear = Tariff(
            channel=ChannelName.SMS, prefix="+3247", eur=Decimal("0.1"), valid_from=date(2020, 1, 1), valid_until=None
        )
        assert await costs.put_tariff(connection, dear)
        assert not await costs.put_tariff(connection, dear)
    answer = await posted(scene, commune, 3)
    await scene.rows("UPDATE delivery SET address = '+33600000001' WHERE seq = 1 RETURNING seq")
    await scene.end(answer)
    await scene.closer.once()
    assert [(row["prefix"], row["messages"], row["eur"]) for row in await lines(scene)] == [
        ("", 1, PRICE), ("+3247", 2, Decimal("0.1")),
    ]  # fmt: skip


async def test_the_pack_that_ends_first_pays_first_and_an_urgent_alert_never_waits_for_units(scene: Scene) -> None:
    commune = await scene.entity()
    later = await buy(scene, commune, 1000, LAST, date(2022, 9, 22))
    sooner = await buy(scene, commune, 2, date(2100, 1, 1))
    await closed(scene, commune, 3)
    used = {row["id"]: row["used"] for row in await scene.rows("SELECT id, used FROM pack")}
    units = 3 * await parts(scene)
    assert used == {sooner: 2, later: units - 2}
    (line,) = await lines(scene)
    assert (line["prepaid"], line["amount"]) == (units, 0)
    await scene.rows("UPDATE pack SET used = units RETURNING id")
    answer = await closed(scene, commune, 3, identifier="A-2")
    assert (await scene.campaign(answer))["closure"] == "complete"
    assert [row["prepaid"] for row in await lines(scene)] == [units, 0]


async def test_a_pack_is_never_overdrawn_and_of_no_other_entity(scene: Scene) -> None:
    commune, other = await scene.entity(), await scene.entity("other")
    await buy(scene, other, 1000)
    await buy(scene, commune, 1000, date(2022, 9, 21))
    await closed(scene, commune)
    assert (await lines(scene))[0]["prepaid"] == 0


async def test_a_balance_counts_what_runs_from_its_live_counts(scene: Scene) -> None:
    commune = await scene.entity()
    await buy(scene, commune, 1000)
    answer = await posted(scene, commune, 3)
    async with scene.connected() as connection:
        assert (await balance(connection, commune.id, date(2026, 1, 1)))[1] == 0
    await scene.end(answer)
    async with scene.connected() as connection:
        found, running = await balance(connection, commune.id, date(2026, 1, 1))
    longest = (await scene.rows("SELECT max(parts) AS n FROM text"))[0]["n"]
    assert (found.left, running) == (1000, 3 * longest)  # at most: which language each of them gets is not counted
    await scene.closer.once()
    today = today_in("Europe/Brussels", scene.clock.now)
    async with scene.connected() as connection:
        found, running = await balance(connection, commune.id, today)
    assert (found.left, running) == (1000 - 3 * await parts(scene), 0)
    assert found.per_day > 0


async def test_administrators_are_told_once_before_units_run_out_and_again_after_the_next_order(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        await put_person(connection, commune.id, roles=[Role.ADMIN])
    bookkeeper = Bookkeeper(scene.store, leads=lambda: True, utcnow=scene.clock, log=unit_logger("test.costing"))
    assert await bookkeeper.once() == 0
    await buy(scene, commune, 100)
    assert await bookkeeper.once() == 0
    soon = today_in("Europe/Brussels", scene.clock.now) + timedelta(days=3)
    await buy(scene, await scene.entity("elsewhere"), 100)
    await scene.rows("UPDATE pack SET used = 0 RETURNING id")
    await buy_again(scene, commune, soon)
    assert [await bookkeeper.once() for _ in range(2)] == [1, 0]
    (notice,) = await scene.rows("SELECT word, body FROM notice")
    assert notice["word"] == "low-balance"
    assert "Nothing is held back." in notice["body"]
    await buy(scene, commune, 1, soon)
    assert await bookkeeper.once() == 1


async def buy_again(scene: Scene, entity: Entity, until: date) -> None:
    """All that an entity has ends soon; packs can not be changed by the application, so the owner's words are used."""
    rows = await scene.rows("SELECT id, units FROM pack WHERE entity_id = $1", entity.id)
    for row in rows:
        await scene.rows("UPDATE pack SET used = units WHERE id = $1 RETURNING id", row["id"])
    await buy(scene, entity, 5, until)


async def test_a_statement_holds_the_month_and_nothing_of_others(scene: Scene) -> None:
    commune, other = await scene.entity(), await scene.entity("other")
    await closed(scene, commune)
    await closed(scene, other, identifier="B-1")
    today = today_in("Europe/Brussels", scene.clock.now)
    month = today.replace(day=1)
    following = (month + timedelta(days=32)).replace(day=1)
    async with scene.store.tenant(commune.id) as connection:
        found = await statement_of(connection, commune.id, "commune", "Commune", (month, following))
        before = await statement_of(connection, commune.id, "commune", "Commune", (month - timedelta(days=28), month))
    assert (len(found.lines), found.amount, before.lines) == (1, found.lines[0]["amount"], [])


def test_a_low_balance_is_said_in_words() -> None:
    day = date(2026, 11, 22)
    pack = Pack(id=1, left=50, bought_on=day, valid_until=date(2028, 7, 20))
    assert words(outlook([pack], 900, day)).startswith("50 prepaid units are left; at 10.0 a day")
    assert words(outlook([], 900, day)).startswith("No prepaid unit is left")

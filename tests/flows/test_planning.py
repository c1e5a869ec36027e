"""Planning: which steps a campaign has, in which order they are written, and that no crash loses or doubles one."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.cells import SMALL_SIZE, quad_of
from gateway.cap.model import MsgType
from gateway.errors import StoreUnavailable
from gateway.flows import planning
from gateway.flows.ahead import Ahead
from gateway.flows.planning import Planner, area_cells, steps_of_plan
from gateway.log import unit_logger
from gateway.model import CampaignState, ChannelName, DeliveryState, MessageClass, Mode, Transport
from gateway.policy.contacts import GroupFilter
from gateway.store import contacts, fan_out, registry
from gateway.store.fan_out import Told
from tests.support.scene import Scene, an_alert, area, asking, citizen, follow_up, square, with_infos
from tests.support.sending import a_campaign, going, states

TERRITORY = [{"ring": ((4.2, 50.7), (4.4, 50.7), (4.4, 50.9), (4.2, 50.9), (4.2, 50.7))}]
HERE = {"disc": (4.325, 50.815, 1.0)}


def plan(**changes: Any) -> dict[str, Any]:
    """A plan as intake writes it: two groups (the second marked for exercises), one area, one earlier campaign."""
    usual = {
        "groups": [[1, False], [2, True]],
        "variants": [{"shapes": [HERE], "texts": []}],
        "told": [[7, 45_000]],
        "territory": TERRITORY,
    }
    return usual | changes


def test_groups_come_first_then_the_area_then_those_told_before() -> None:
    steps = steps_of_plan(plan(), Mode.LIVE)
    kinds = ["group" if s.group else "cell" if s.cell else "told" for s in steps]
    assert kinds == sorted(kinds, key=["group", "cell", "told"].index)
    assert [s.group for s in steps[:2]] == [1, 2]
    assert [s.told for s in steps if s.told] == [Told(7, 1, 20_000), Told(7, 20_001, 40_000), Told(7, 40_001, 60_000)]
    assert {s.transport for s in steps} == {Transport.LIVE}
    assert not any(s.exercise_group for s in steps)


def test_an_exercise_reaches_live_transports_for_marked_groups_and_those_told_on_them_only() -> None:
    steps = steps_of_plan(plan(), Mode.EXERCISE)
    live = [s for s in steps if s.transport is Transport.LIVE]
    assert all(s.exercise_group for s in live)
    assert [s.group for s in live if s.group] == [2]
    assert {s.transport for s in steps if s.cell} == {Transport.SIMULATED}
    assert {s.transport for s in steps if s.told} == set(Transport)


def test_a_test_never_has_a_live_step() -> None:
    assert {s.transport for s in steps_of_plan(plan(), Mode.TEST)} == {Transport.SIMULATED}
    assert not any(s.exercise_group for s in steps_of_plan(plan(), Mode.TEST))


@given(st.floats(4.21, 4.39), st.floats(50.71, 50.89), st.floats(0.05, 3.0), st.sampled_from(list(Mode)))
@settings(max_examples=25, deadline=None)
def test_the_same_plan_always_gives_the_same_steps(lon: float, lat: float, radius_km: float, mode: Mode) -> None:
    """The cursor counts them, also after a restart."""
    wanted = plan(variants=[{"shapes": [{"disc": (lon, lat, radius_km)}], "texts": []}])
    assert steps_of_plan(wanted, mode) == steps_of_plan(wanted, mode)


@given(st.floats(4.25, 4.35), st.floats(50.75, 50.85), st.floats(0.3, 3.0))
@settings(max_examples=25, deadline=None)
def test_the_first_cell_holds_the_centre_and_the_last_is_far_from_it(lon: float, lat: float, radius_km: float) -> None:
    cells = area_cells([{"disc": (lon, lat, radius_km)}], TERRITORY)
    west, south, east, north = quad_of(cells[0]).box()
    assert west <= lon <= east and south <= lat <= north
    assert len({(cell.lo, cell.hi) for cell in cells}) == len(cells)


def test_cells_about_the_centre_are_planned_in_parts_of_which_the_first_is_the_nearest() -> None:
    wide = plan(groups=[], variants=[{"shapes": [{"disc": (4.3, 50.8, 900.0)}], "texts": []}], territory=[
        {"ring": ((-10.0, 40.0), (20.0, 40.0), (20.0, 60.0), (-10.0, 60.0), (-10.0, 40.0))}])  # fmt: skip
    first, *_, last = [step for step in steps_of_plan(wide, Mode.LIVE) if step.cell]
    assert len(first.parts) > 20 and len(last.parts) <= 1
    west, south, east, north = quad_of(first.parts[0]).box()
    assert west <= 4.3 <= east and south <= 50.8 <= north


def test_no_shape_means_no_cells() -> None:
    assert area_cells([], TERRITORY) == []
    assert area_cells([HERE], []) == []


def a_planner(scene: Scene) -> Planner:
    """A planner as another process would have it."""
    chunks = dict.fromkeys(ChannelName, 30)
    return Planner(scene.store, chunk_rows=chunks, sliced=lambda: None, log=unit_logger("test.planning"))


async def posted(scene: Scene, people: int) -> int:
    """An accepted campaign that is not planned yet."""
    await scene.citizens(*(citizen(n, lon=4.315 + n % 20 / 1500, lat=50.808 + n // 20 / 1500) for n in range(people)))
    answer = await scene.post(asking(an_alert(), channels="sms"), await scene.entity())
    return int((await scene.campaign(answer))["id"])


async def reached(scene: Scene, campaign: int) -> tuple[int, int, bool]:
    """The cursor, the rows, whether it is planned; rows are numbered without gaps, and nobody has two."""
    (row,) = await scene.rows("SELECT plan_cursor, next_seq, planned FROM campaign WHERE id = $1", campaign)
    assert await planned_rows(scene, campaign) == list(range(1, row["next_seq"]))
    told = await scene.rows("SELECT count(DISTINCT address) AS n FROM delivery WHERE campaign_id = $1", campaign)
    assert told[0]["n"] == row["next_seq"] - 1
    return row["plan_cursor"], row["next_seq"] - 1, row["planned"]


async def planned_rows(scene: Scene, campaign: int) -> list[int]:
    rows = await scene.rows("SELECT seq FROM delivery WHERE campaign_id = $1 ORDER BY seq", campaign)
    return [row["seq"] for row in rows]


async def living_there(scene: Scene, campaign: int) -> int:
    """How many live where a campaign's plan says, counted at once."""
    rows = await scene.rows("SELECT plan FROM campaign WHERE id = $1", campaign)
    plan = rows[0]["plan"]
    cells = area_cells(plan["variants"][0]["shapes"], plan["territory"])
    async with scene.connected() as connection:
        found = await registry.count_targets(
            connection, 0, MessageClass.URGENT, [ChannelName.SMS], registry.Target(cells=cells)
        )
    return sum(found.values())


async def test_a_slice_and_its_cursor_are_one_transaction(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that dies after it wrote the rows leaves none; the next one writes each once, numbered without gaps."""
    campaign = await posted(scene, 300)

    async def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed here")

    places = []
    for _ in range(200):
        with monkeypatch.context() as patch:
            patch.setattr(fan_out, "slice_done", dies)
            with pytest.raises(RuntimeError):
                await a_planner(scene).slice()
        before = await planned_rows(scene, campaign)
        assert await a_planner(scene).slice()
        rows = await scene.rows(
            "SELECT plan_cursor, plan_after, next_seq, planned FROM campaign WHERE id = $1", campaign
        )
        places.append((rows[0]["plan_cursor"], rows[0]["plan_after"]))
        assert len(await planned_rows(scene, campaign)) == rows[0]["next_seq"] - 1 >= len(before)
        if rows[0]["planned"]:
            break
    assert len(places) > 2
    assert places == sorted(set(places))
    seqs = await planned_rows(scene, campaign)
    assert seqs == list(range(1, len(seqs) + 1))
    counts = await scene.rows(
        "SELECT sum(planned) AS p, sum(queued) AS q FROM progress WHERE campaign_id = $1", campaign
    )
    assert counts[0]["p"] == counts[0]["q"] == len(seqs)
    inside = await scene.rows("SELECT count(DISTINCT address) AS n FROM delivery WHERE campaign_id = $1", campaign)
    assert inside[0]["n"] == len(seqs) > 0


async def test_the_first_slice_starts_the_sending(scene: Scene) -> None:
    campaign = await posted(scene, 100)
    rows = await scene.rows("SELECT state FROM campaign WHERE id = $1", campaign)
    assert rows[0]["state"] == CampaignState.PLANNED
    assert await scene.planner.slice()
    rows = await scene.rows("SELECT state FROM campaign WHERE id = $1", campaign)
    assert rows[0]["state"] == CampaignState.SENDING


async def spread(scene: Scene, side: int) -> int:
    """An accepted campaign for people who live in rows, every 40 m, about the middle of its square, 13 by 20 km."""
    middle, half = (4.3, 50.8), side // 2
    places = [((n % side - half) / 1750, (n // side - half) / 2780) for n in range(side * side)]
    await scene.citizens(*(
        citizen(n, lon=middle[0] + east, lat=middle[1] + north) for n, (east, north) in enumerate(places)
    ))  # fmt: skip
    alert = with_infos(an_alert(), area=(area(square(4.3, 50.8, 0.09)),))
    answer = await scene.post(asking(alert, channels="sms"), await scene.entity())
    return int((await scene.campaign(answer))["id"])


async def test_who_lives_nearest_is_told_first_and_each_slice_may_be_twice_what_there_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "FIRST_SLICE_ROWS", 20)
    monkeypatch.setattr(planning, "MOST_PEOPLE", 20 / SMALL_SIZE)
    campaign, seen = await spread(scene, 40), [0]
    while await a_planner(scene).slice():
        seen.append((await reached(scene, campaign))[1])
    assert 0 < seen[1] <= 40 and seen[-1] == 1600
    away = await scene.rows(
        """SELECT (a.lon - 4.3) ^ 2 * 0.4 + (a.lat - 50.8) ^ 2 AS km FROM delivery d JOIN address a USING (contact_id)
        WHERE d.campaign_id = $1 ORDER BY d.seq""", campaign)  # fmt: skip
    middles = [median(row["km"] for row in away[lo:hi]) for lo, hi in pairwise(seen) if lo < hi]
    assert middles == sorted(middles) and len(middles) >= 5
    assert max(hi / lo for lo, hi in pairwise(seen) if lo > 40) < 9


async def test_a_node_that_knows_no_parts_begins_the_step_again_and_is_gone_on_after(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an upgrade: it moves the cursor only, and what it leaves beside belongs to the step before."""
    monkeypatch.setattr(planning, "FIRST_SLICE_ROWS", 20)
    campaign = await spread(scene, 30)
    assert await a_planner(scene).slice()
    (row,) = await scene.rows("SELECT plan_cursor, plan_group, plan_after FROM campaign WHERE id = $1", campaign)
    assert (row["plan_cursor"], row["plan_group"]) == (0, -1) and row["plan_after"] > 0
    whole = [
        replace(step, parts=())
        for step in steps_of_plan((await scene.rows("SELECT plan FROM campaign"))[0]["plan"], Mode.LIVE)
    ]
    with monkeypatch.context() as older:
        older.setattr(planning, "steps_of_plan", lambda *_: whole)
        older.setattr(planning, "sixteenths", lambda cell: [cell])
        older.setattr(planning, "_name", lambda *_: 0)
        assert await a_planner(scene).slice()
    (row,) = await scene.rows("SELECT plan_cursor FROM campaign WHERE id = $1", campaign)
    assert row["plan_cursor"] > 0
    await scene.rows("UPDATE campaign SET plan_group = -1, plan_after = 3 WHERE id = $1", campaign)
    while await a_planner(scene).slice():
        pass
    assert (await reached(scene, campaign))[1:] == (900, True)


async def test_where_nobody_lives_is_read_on_at_once(scene: Scene) -> None:
    """The first slice has somebody in it, however far from the centre."""
    await scene.citizens(*(citizen(n, lon=4.36 + n / 20000, lat=50.8) for n in range(10)))
    alert = with_infos(an_alert(), area=(area(square(4.3, 50.8, 0.09)),))
    answer = await scene.post(asking(alert, channels="sms"), await scene.entity())
    assert await a_planner(scene).slice()
    assert await planned_rows(scene, int((await scene.campaign(answer))["id"]))


async def grouped(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> int:
    """An accepted campaign to 45 people put into a group, to 30 whom a filter puts into another, and to 20 citizens;
    its slices take 5 people of a group, then 20."""
    monkeypatch.setattr(planning, "FIRST_SLICE_ROWS", 5)
    monkeypatch.setattr(planning, "MEMBERS", 20)
    entity = await scene.entity(groups={"hand": 45, "others": 30})
    await scene.citizens(*(citizen(n) for n in range(20)))
    async with scene.store.transaction() as connection:
        number = await contacts.put_group(connection, entity.id, None, "filled", "F", exercises=False, partnership=None)
        assert number is not None
        await connection.execute("UPDATE contact SET language = 'de' WHERE key LIKE 'others-%'")
        assert await contacts.put_filter(connection, entity.id, number, GroupFilter(languages=("de",)))
    alert = asking(an_alert(addresses=("hand", "filled")), channels="sms")
    return int((await scene.campaign(await scene.post(alert, entity)))["id"])


async def test_a_group_is_planned_in_slices_of_which_the_first_is_small(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fills it, and whoever writes the next slice."""
    campaign, seen = await grouped(scene, monkeypatch), []
    while await a_planner(scene).slice():
        seen.append(await reached(scene, campaign))
    by_filter_first = [
        (0, 5, False), (0, 15, False), (1, 30, False), (1, 50, False), (1, 70, False), (2, 75, False),
    ]  # fmt: skip
    by_hand_first = [
        (0, 5, False), (0, 15, False), (0, 35, False), (1, 45, False), (1, 65, False), (2, 75, False),
    ]  # fmt: skip
    assert seen[:6] in (by_filter_first, by_hand_first)
    assert seen[-1][1:] == (95, True)


async def test_what_a_node_that_planned_the_whole_group_left_behind_does_not_hide_the_next_group(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an upgrade: an older node moves the cursor only."""
    campaign = await grouped(scene, monkeypatch)
    for _ in range(2):
        assert await a_planner(scene).slice()
    await scene.rows("UPDATE campaign SET plan_cursor = 1, plan_after = 1000000 WHERE id = $1", campaign)
    while await a_planner(scene).slice():
        pass
    rows = (await reached(scene, campaign))[1:]
    assert rows in ((15 + 30 + 20, True), (15 + 45 + 20, True)), "15 of one group, all of the other, and the citizens"


async def test_a_few_of_those_told_before_come_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Cancel, too, the first slice decides when the first message can leave."""
    monkeypatch.setattr(planning, "FIRST_SLICE_ROWS", 7)
    entity = await scene.entity()
    await a_campaign(scene, entity, 40)
    await scene.rows("UPDATE delivery SET state = 3")
    answer = await scene.post(follow_up(MsgType.CANCEL, asking(an_alert("A-1"), channels="sms")), entity)
    cancel, seen = int((await scene.campaign(answer))["id"]), []
    while await a_planner(scene).slice():
        seen.append(await reached(scene, cancel))
    assert seen == [(0, 7, False), (0, 21, False), (0, 40, False), (1, 40, True)]


async def test_where_nobody_was_told_is_read_on_in_ever_larger_parts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Cancel of an alert of which nothing was sent."""
    monkeypatch.setattr(planning, "FIRST_SLICE_ROWS", 1)
    entity, real, read = await scene.entity(), fan_out.find, list[int]()
    await a_campaign(scene, entity, 40)
    answer = await scene.post(follow_up(MsgType.CANCEL, asking(an_alert("A-1"), channels="sms")), entity)
    cancel = int((await scene.campaign(answer))["id"])

    async def finds(connection: Any, *, whom: Any, **more: Any) -> Any:
        read.append(whom.told.hi - whom.told.lo + 1)
        return await real(connection, whom=whom, **more)

    monkeypatch.setattr(fan_out, "find", finds)
    assert await a_planner(scene).slice()
    assert await reached(scene, cancel) == (1, 0, True)
    assert read == [1, 8, 64, 512, 4096, 20_000 - 4681]


async def test_who_found_a_campaign_before_another_wrote_its_first_rows_goes_on_after_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await posted(scene, 200)
    real = fan_out.campaign_to_plan
    async with scene.connected() as connection, connection.transaction():
        stale = await real(connection)
    assert await a_planner(scene).slice()
    few = await planned_rows(scene, campaign)

    async def finds(connection: Any, left_out: Any, **least: int) -> Any:
        await real(connection, left_out, **least)
        return stale

    with monkeypatch.context() as patch:
        patch.setattr(fan_out, "campaign_to_plan", finds)
        assert await a_planner(scene).slice()
    rows = await planned_rows(scene, campaign)
    assert len(rows) > len(few) and rows == list(range(1, len(rows) + 1))


async def test_chunks_cover_every_row_once_and_are_no_larger_than_told(scene: Scene) -> None:
    campaign = await posted(scene, 250)
    planner = a_planner(scene)
    while await planner.slice():
        pass
    chunks = await scene.rows("SELECT lo, hi FROM chunk WHERE campaign_id = $1 ORDER BY lo", campaign)
    assert max(chunk["hi"] - chunk["lo"] + 1 for chunk in chunks) <= 30
    covered = [seq for chunk in chunks for seq in range(chunk["lo"], chunk["hi"] + 1)]
    assert covered == await planned_rows(scene, campaign)


async def test_two_planners_share_the_work_and_never_do_it_twice(scene: Scene) -> None:
    """While one writes a slice of a campaign, the other finds nothing to do in it."""
    campaign = await posted(scene, 200)
    one, two = a_planner(scene), a_planner(scene)
    while any(await asyncio.gather(one.slice(), two.slice())):
        pass
    seqs = await planned_rows(scene, campaign)
    assert seqs == list(range(1, len(seqs) + 1))


async def test_the_most_urgent_campaign_is_planned_first(scene: Scene) -> None:
    entity = await scene.entity()
    await scene.citizens(*(citizen(n) for n in range(10)))
    wishes = {"channels": "sms", "class": "news"}
    news = await scene.post(asking(an_alert("news"), **wishes), entity)
    urgent = await scene.post(asking(an_alert("urgent"), channels="sms"), entity)
    assert await scene.planner.slice()
    assert (await scene.campaign(urgent))["next_seq"] > 1
    assert (await scene.campaign(news))["next_seq"] == 1


@pytest.mark.parametrize("state", ["held", "closing"])
async def test_what_may_not_be_sent_is_not_planned(scene: Scene, state: str) -> None:
    campaign = await posted(scene, 10)
    await scene.rows("UPDATE campaign SET state = $2 WHERE id = $1", campaign, state)
    assert not await scene.planner.slice()


async def test_a_paused_campaign_is_planned_and_stays_paused(scene: Scene) -> None:
    campaign = await posted(scene, 10)
    await scene.rows("UPDATE campaign SET state = 'paused' WHERE id = $1", campaign)
    await scene.plan()
    rows = await scene.rows("SELECT state, planned FROM campaign WHERE id = $1", campaign)
    assert (rows[0]["state"], rows[0]["planned"]) == ("paused", True)


async def test_the_people_of_the_next_slice_are_read_while_this_one_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second slice in a row on; everybody is written once, numbered without gaps."""
    campaign = await posted(scene, 300)
    find, write, read = fan_out.find, fan_out.write, asyncio.Event()
    writers, readers = list[Any](), list[Any]()

    async def finds(connection: Any, **more: Any) -> Any:
        readers.append(connection)
        read.set()
        return await find(connection, **more)

    async def writes(connection: Any, **more: Any) -> Any:
        writers.append(connection)
        if len(writers) == 2:
            read.clear()
            await read.wait()
        return await write(connection, **more)

    monkeypatch.setattr(fan_out, "find", finds)
    monkeypatch.setattr(fan_out, "write", writes)
    planner = a_planner(scene)
    async with asyncio.timeout(60):
        while await planner.slice():
            pass
    assert len({id(connection) for connection in (*writers[:2], readers[-1])}) > 1
    assert len(readers) == len(writers) >= 3, "nobody was read twice"
    assert await planned_rows(scene, campaign) == list(range(1, 1 + await living_there(scene, campaign)))


async def test_campaigns_that_take_turns_are_not_read_ahead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = await scene.entity()
    await scene.citizens(*(citizen(n, lon=4.315 + n % 20 / 1500, lat=50.808 + n // 20 / 1500) for n in range(100)))
    for name in ("one", "two"):
        await scene.post(asking(an_alert(name), channels="sms"), entity)
    asked = list[object]()
    monkeypatch.setattr(Ahead, "ask", lambda self, what, read: asked.append(what))
    planner, turns = a_planner(scene), list[int]()
    for _ in range(4):
        before = {r["id"]: r["next_seq"] for r in await scene.rows("SELECT id, next_seq FROM campaign")}
        assert await planner.slice()
        after = {r["id"]: r["next_seq"] for r in await scene.rows("SELECT id, next_seq FROM campaign")}
        turns += [number for number in after if after[number] != before[number]]
    assert len(set(turns)) == 2
    assert len(asked) == sum(a == b for a, b in pairwise(turns))


async def test_everybody_planned_waits_in_the_queue(scene: Scene) -> None:
    campaign = await a_campaign(scene, await scene.entity(), 40)
    assert await states(scene, campaign) == {DeliveryState.QUEUED: 40}


async def test_the_planner_outlives_a_store_that_goes_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, looks again, and plans."""
    campaign = await posted(scene, 10)
    planner, real, failures = a_planner(scene), fan_out.campaign_to_plan, iter([1, 2])

    async def away(connection: Any, left_out: Any, **least: int) -> Any:
        if next(failures, None):
            planner.wake.set()
            raise ConnectionResetError
        return await real(connection, left_out, **least)

    monkeypatch.setattr(fan_out, "campaign_to_plan", away)
    with pytest.raises(StoreUnavailable):
        await planner.slice()
    async with going(planner.run()):
        while not await planned_rows(scene, campaign):
            pass


async def test_a_planner_tells_after_every_slice(scene: Scene) -> None:
    campaign = await posted(scene, 10)
    told = asyncio.Event()
    chunks = dict.fromkeys(ChannelName, 30)
    planner = Planner(scene.store, chunk_rows=chunks, sliced=told.set, log=unit_logger("test.planning"))
    async with going(planner.run()):
        await told.wait()
        assert await planned_rows(scene, campaign)


async def test_an_urgent_campaign_does_not_wait_for_the_end_of_anothers_slice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of a newsletter to a whole country may take a second."""
    entity = await scene.entity()
    await scene.citizens(*(citizen(n) for n in range(10)))
    alert = asking(an_alert("news"), **{"channels": "sms", "class": "news"})
    news = await scene.campaign(await scene.post(alert, entity))
    writing, real = asyncio.Event(), fan_out.write

    async def never_ends(connection: Any, **more: Any) -> Any:
        if more["campaign"] == news["id"]:
            writing.set()
            await asyncio.Event().wait()
        return await real(connection, **more)

    monkeypatch.setattr(fan_out, "write", never_ends)
    planner = a_planner(scene)
    async with going(planner.run()), asyncio.timeout(30):
        await writing.wait()
        urgent = await scene.campaign(await scene.post(asking(an_alert("fire"), channels="sms"), entity))
        planner.wake.set()
        while not await planned_rows(scene, urgent["id"]):
            await asyncio.sleep(0.01)
        assert await planned_rows(scene, news["id"]) == []


async def test_a_campaign_that_can_not_be_planned_is_held_and_keeps_nobody_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its authority reads why; it is tried again later, and planned as soon as that works."""
    entity = await scene.entity()
    await scene.citizens(*(citizen(n) for n in range(10)))
    poison = await scene.campaign(await scene.post(asking(an_alert("poison"), channels="sms"), entity))
    other = await scene.campaign(await scene.post(asking(an_alert("other"), channels="sms"), entity))
    real, broken, now = fan_out.write, [True], [0.0]

    async def fails(connection: Any, **more: Any) -> Any:
        if more["campaign"] == poison["id"] and broken[0]:
            raise ZeroDivisionError
        return await real(connection, **more)

    monkeypatch.setattr(fan_out, "write", fails)
    chunks = dict.fromkeys(ChannelName, 30)
    planner = Planner(
        scene.store, chunk_rows=chunks, sliced=lambda: None, log=unit_logger("test.planning"), monotonic=lambda: now[0]
    )
    async with going(planner.run()):
        while not await planned_rows(scene, other["id"]):
            await asyncio.sleep(0.01)
        assert await planned_rows(scene, poison["id"]) == []
        said = await scene.rows("SELECT event FROM campaign_event WHERE campaign_id = $1 ORDER BY id", poison["id"])
        assert [row["event"] for row in said] == ["accepted", "planning failed (ZeroDivisionError), tried again"]
        broken[0] = False
        assert await planned_rows(scene, poison["id"]) == []
        now[0] += 2.0
        planner.wake.set()
        while not await planned_rows(scene, poison["id"]):
            await asyncio.sleep(0.01)

"""Planning: an accepted campaign becomes delivery rows, slice by slice, the nearest to the hazard first.

Knows: the order of a fan-out (groups, areas, then those told before) and how large a slice may be. Every slice is one
transaction with its cursor, so a planner that dies is continued by the next one. A few come before everything else, so
that sending begins at once: of an area who lives nearest to its centre, of those told before the first ones. Then the
cursor stays, and the slice that follows finds them written. Never knows: channels, rights, CAP.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.cap.area import centre
from gateway.cap.cells import Cell, about, intersect, nearest_first
from gateway.cap.cover import cover_union
from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger
from gateway.model import CampaignState, ChannelName, MessageClass, Mode, Transport
from gateway.policy.audience import PRIORITY, shape_from_json
from gateway.store import alerts, contacts, registry
from gateway.store.deliveries import TRANSPORT_CODES
from gateway.store.pool import Store
from gateway.store.registry import PlanReached, Slice, Told

FIRST_SLICE_ROWS = 2_000
SLICE_ROWS = 100_000
TOLD_ROWS = MEMBERS = 20_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
URGENT, ANY = PRIORITY[MessageClass.URGENT], max(PRIORITY.values())
PLANNED_TRANSPORT = {Mode.LIVE: Transport.LIVE, Mode.EXERCISE: Transport.SIMULATED, Mode.TEST: Transport.SIMULATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The smallest piece that the cursor counts; cells may be taken many at a time, a group is taken in parts, those
    told are slices of their own. `parts` of the first cell, each in the next, are tried before it until somebody lives
    there."""

    variant: int
    transport: Transport
    exercise_group: bool = False
    cell: Cell | None = None
    group: int | None = None
    told: Told | None = None
    parts: Sequence[Cell] = ()


class Planner:
    """Takes the most urgent unplanned campaign, writes its next slice, and again; one more hand does so for urgent ones
    only, which do not wait for the end of another campaign's slice."""

    def __init__(
        self,
        store: Store,
        *,
        chunk_rows: Mapping[ChannelName, int],
        sliced: Callable[[], None],
        log: UnitLogger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._chunk_rows = chunk_rows
        self._sliced = sliced  # told after every slice: there is something to send
        self._log = log
        self._monotonic = monotonic
        self._steps: OrderedDict[int, Sequence[Step]] = OrderedDict()
        self._rows_per_cell: dict[int, float] = {}
        self._at: dict[int, Any] = {}  # by hand: the campaign whose slice it writes
        self._failed: dict[int, tuple[int, float]] = {}  # campaign -> failures in a row, when it is tried again
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Plan until cancelled."""
        async with asyncio.TaskGroup() as hands:
            for least in (ANY, URGENT):
                hands.create_task(self._plan(least))

    async def _plan(self, least: int) -> None:
        """One hand: looks by itself every half second, and at once when woken."""
        while True:
            self.wake.clear()
            try:
                while await self.slice(least):
                    self._sliced()
            except StoreUnavailable as error:
                self._log.warning("store_away", error=type(error).__name__)
            except Exception as error:  # the top of this task: one campaign must not keep all others from being sent
                await self._leave_out(self._at.get(least), error)
                continue
            try:
                async with asyncio.timeout(0.5):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def slice(self, least: int = ANY) -> bool:
        """Write one slice of one campaign, none less urgent than `least`; False when none waits to be planned."""
        async with self._store.transaction() as connection:
            self._at[least] = row = await registry.campaign_to_plan(connection, self._left_out(), least=least)
            if row is None:
                return False
            steps = await self._steps_of(row)
            before = await registry.plan_reached(connection, row["id"])
            reached = await self._write_next(connection, row, steps, before)
            done = reached.cursor >= len(steps)
            kept = await registry.slice_done(connection, row["id"], before=before.cursor, reached=reached, planned=done)
            if not kept:  # stopped, or planned on by another node, while the slice was written
                await connection.execute("ROLLBACK AND CHAIN")
                return True
        self._failed.pop(row["id"], None)
        self._learn(row["id"], steps[before.cursor : reached.cursor], reached.next_seq - before.next_seq, done=done)
        return True

    async def _write_next(self, connection: Any, row: Any, steps: Sequence[Step], at: PlanReached) -> PlanReached:
        """Insert the next slice; returns how far the campaign is planned with it."""
        if at.next_seq == 1 and (few := await self._write_few(connection, row, steps)):
            return at._replace(next_seq=1 + few)
        batch = self._batch(row["id"], steps, at.cursor)
        if not batch:
            return at
        if batch[0].group is None:
            added = await self._write(connection, row, batch, at.next_seq)
            reached = PlanReached(at.cursor + len(batch), at.next_seq + added)
        else:
            reached = await self._write_members(connection, row, batch[0], at)
        if at.cursor == 0 and not at.after:
            await registry.analyze_campaign(connection, row["id"])
        return reached

    def _left_out(self) -> list[int]:
        """Campaigns that failed lately and are not tried yet."""
        now = self._monotonic()
        return [campaign for campaign, (_, again_at) in self._failed.items() if again_at > now]

    async def _leave_out(self, row: Any, error: Exception) -> None:
        """Hold a campaign that can not be planned, say so once where its authority sees it, and go on with others."""
        if row is None:
            raise error
        campaign, entity_id, state = row["id"], row["entity_id"], CampaignState(row["state"])
        failures = self._failed.get(campaign, (0, 0.0))[0] + 1
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE_S)
        self._failed[campaign] = failures, self._monotonic() + pause_s
        self._steps.pop(campaign, None)
        self._log.error("campaign_not_planned", campaign=campaign, error=error, again_in_s=pause_s)
        if failures == 1:
            try:
                async with self._store.transaction() as connection:
                    why = f"planning failed ({type(error).__name__}), tried again"
                    await alerts.insert_event(connection, campaign, entity_id, why, state, "gateway")
            except StoreUnavailable as away:
                self._log.warning("store_away", error=type(away).__name__)

    async def _steps_of(self, row: Any) -> Sequence[Step]:
        known = self._steps.get(row["id"])
        if known is None:
            # covering a country takes a tenth of a second: not on the loop that serves the binds
            known = await asyncio.to_thread(steps_of_plan, row["plan"], Mode(row["mode"]))
            self._steps[row["id"]] = known
            while len(self._steps) > 200:
                self._steps.popitem(last=False)
        return known

    def _batch(self, campaign: int, steps: Sequence[Step], cursor: int) -> Sequence[Step]:
        """The steps of the next slice: a group or one part of those told, or as many cells as promise enough rows."""
        if cursor >= len(steps):
            return ()
        first = steps[cursor]
        if first.cell is None:
            return steps[cursor : cursor + 1]
        wanted = FIRST_SLICE_ROWS if cursor == 0 else min(SLICE_ROWS, FIRST_SLICE_ROWS * 4 ** min(3, cursor // 8 + 1))
        count = max(1, int(wanted / max(self._rows_per_cell.get(campaign, FIRST_SLICE_ROWS / 8), 0.01)))
        end = cursor
        while end < len(steps) and end - cursor < count and steps[end].cell and steps[end].variant == first.variant:
            end += 1
        return steps[cursor:end]

    def _learn(self, campaign: int, batch: Sequence[Step], added: int, *, done: bool) -> None:
        if done:
            self._steps.pop(campaign, None)
            self._rows_per_cell.pop(campaign, None)
            self._log.event("campaign_planned", campaign=campaign)
        elif batch and batch[0].cell:
            # never grow more than eightfold: the next cells may be a city
            before = self._rows_per_cell.get(campaign, FIRST_SLICE_ROWS / 8)
            self._rows_per_cell[campaign] = max(added / len(batch), before / 8)

    async def _write_few(self, connection: Any, row: Any, steps: Sequence[Step]) -> int:
        """Insert a few of the first step: who lives next to the centre of the area, or the first ones of those told
        before; returns how many."""
        if not steps or steps[0].group is not None:
            return 0
        if (told := steps[0].told) is not None:
            return await self._write(connection, row, [replace(steps[0], told=told._replace(hi=FIRST_SLICE_ROWS))], 1)
        whole = steps[0].cell
        assert whole is not None
        for part in steps[0].parts:
            added = await self._write(connection, row, [replace(steps[0], cell=part)], 1)
            if added:  # as many to each of its size, which keeps the next slice from being a city
                share = (part.hi - part.lo + 1) / (whole.hi - whole.lo + 1)
                self._rows_per_cell[row["id"]] = max(added / share, FIRST_SLICE_ROWS / 8)
                return added
        return 0

    async def _write_members(self, connection: Any, row: Any, step: Step, at: PlanReached) -> PlanReached:
        """Insert the next members of a group, by number."""
        assert step.group is not None
        after = at.after if at.group == step.group else 0
        most = MEMBERS if after else FIRST_SLICE_ROWS
        people = await contacts.numbers_of_group(connection, row["entity_id"], step.group, after, most)
        next_seq = at.next_seq + await self._write(connection, row, [step], at.next_seq, people)
        if len(people) < most:
            return PlanReached(at.cursor + 1, next_seq)
        return PlanReached(at.cursor, next_seq, step.group, people[-1])

    async def _write(
        self, connection: Any, row: Any, batch: Sequence[Step], next_seq: int, people: Sequence[int] = ()
    ) -> int:
        """Insert the rows of one slice and cut them into chunks; returns how many."""
        first = batch[0]
        texts = row["plan"]["variants"][first.variant]["texts"] if row["plan"]["variants"] else []
        new = await registry.fan_out(
            connection,
            campaign=row["id"],
            first_seq=next_seq,
            entity_id=row["entity_id"],
            transport=TRANSPORT_CODES[first.transport],
            message_class=MessageClass(row["message_class"]),
            channels=[ChannelName(c) for c in row["plan"]["channels"]],
            texts=[(language, ChannelName(channel), key) for language, channel, key in texts],
            whom=Slice(
                cells=[s.cell for s in batch if s.cell],
                people=people,
                told=first.told,
            ),
        )
        for rows in new:
            await registry.insert_chunks(
                connection,
                campaign=row["id"],
                entity_id=row["entity_id"],
                rows=rows,
                transport=TRANSPORT_CODES[first.transport],
                exercise_group=first.exercise_group,
                size=self._chunk_rows[rows.channel],
            )
        return sum(rows.hi - rows.lo + 1 for rows in new)


def steps_of_plan(plan: Mapping[str, Any], mode: Mode) -> list[Step]:
    """The whole fan-out in its order. The same plan always gives the same steps: the cursor counts them."""
    transport = PLANNED_TRANSPORT[mode]
    steps = []
    for group, exercises in plan["groups"]:
        live = mode is Mode.EXERCISE and exercises
        to = Transport.LIVE if live else transport
        steps.append(Step(variant=0, transport=to, exercise_group=live, group=group))
    for number, variant in enumerate(plan["variants"]):
        cells = area_cells(variant["shapes"], plan["territory"])
        steps += [Step(variant=number, transport=transport, cell=cell) for cell in cells]
    if steps and steps[0].cell is not None:
        middle = centre([shape_from_json(shape) for shape in plan["variants"][steps[0].variant]["shapes"]])
        steps[0] = replace(steps[0], parts=about(steps[0].cell, middle))
    for campaign, rows in plan["told"]:
        for to in [transport, Transport.LIVE] if mode is Mode.EXERCISE else [transport]:
            live = mode is Mode.EXERCISE and to is Transport.LIVE
            steps += [
                Step(variant=0, transport=to, exercise_group=live, told=Told(campaign, lo, lo + TOLD_ROWS - 1))
                for lo in range(1, rows + 1, TOLD_ROWS)
            ]
    return steps


def area_cells(shapes: Sequence[Mapping[str, Any]], territory: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """The cells of a target inside the territory, nearest to the target's centre first."""
    target = [shape_from_json(shape) for shape in shapes]
    if not target:
        return []
    inside = intersect(cover_union(target), cover_union([shape_from_json(shape) for shape in territory]))
    return nearest_first(inside, centre(target))

"""Planning: an accepted campaign becomes delivery rows, slice by slice, the nearest to the hazard first.

Knows: the order of a fan-out (groups, areas, then those told before) and how large a slice may be. Every slice is one
transaction with its cursor, so a planner that dies is continued by the next one. A few come before everything else, so
that sending begins at once: of an area who lives nearest to its centre, of those told before the first ones. Then the
cursor stays, and the slice that follows finds them written. While a slice is written, the people of the next one are
read. Never knows: channels, rights, CAP.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from gateway.cap.area import centre
from gateway.cap.cells import Cell, about, intersect, nearest_first
from gateway.cap.cover import cover_union
from gateway.errors import StoreUnavailable
from gateway.flows.ahead import Ahead
from gateway.log import UnitLogger
from gateway.model import CampaignState, ChannelName, MessageClass, Mode, Transport
from gateway.policy.audience import PRIORITY, shape_from_json
from gateway.store import alerts, contacts, fan_out
from gateway.store.deliveries import TRANSPORT_CODES
from gateway.store.fan_out import Found, PlanReached, Slice, Told
from gateway.store.pool import Connection, Store

FIRST_SLICE_ROWS = 2_000
SLICE_ROWS = 100_000
TOLD_ROWS = MEMBERS = 20_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
START = PlanReached(0, 0)
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


class Piece(NamedTuple):
    """Who belongs to the next slice, by which step they are told, and how far the campaign is planned once they are
    written (but for the number of the next row)."""

    step: Step
    found: Found
    then: PlanReached


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
        self._ahead: dict[int, Ahead[Piece | None]] = {}  # by hand: the slice after the one that it writes
        self._failed: dict[int, tuple[int, float]] = {}  # campaign -> failures in a row, when it is tried again
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Plan until cancelled."""
        try:
            async with asyncio.TaskGroup() as hands:
                for least in (ANY, URGENT):
                    hands.create_task(self._plan(least))
        finally:
            for ahead in self._ahead.values():
                ahead.drop()

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
        ahead = self._ahead.setdefault(least, Ahead(self._store, self._monotonic))
        async with self._store.transaction() as connection:
            last, row = self._at.get(least), await fan_out.campaign_to_plan(connection, self._left_out(), least=least)
            self._at[least] = row
            if row is None:
                ahead.drop()
                return False
            steps = await self._steps_of(row)
            before = await fan_out.plan_reached(connection, row["id"])
            piece = await ahead.take((row["id"], before._replace(next_seq=0)))
            piece = piece or await self._find(connection, row, steps, before)
            # campaigns that take turns are read when it is their turn
            if piece and last and last["id"] == row["id"] and piece.then.cursor < len(steps):
                ahead.ask((row["id"], piece.then), partial(self._find, row=row, steps=steps, at=piece.then))
            reached = await self._write(connection, row, piece, before) if piece else before
            done = reached.cursor >= len(steps)
            kept = await fan_out.slice_done(connection, row["id"], before=before.cursor, reached=reached, planned=done)
            if not kept:  # stopped, or planned on by another node, while the slice was written
                await connection.execute("ROLLBACK AND CHAIN")
                return True
        self._failed.pop(row["id"], None)
        if done:
            self._steps.pop(row["id"], None)
            self._rows_per_cell.pop(row["id"], None)
            self._log.event("campaign_planned", campaign=row["id"])
        return True

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

    async def _find(self, connection: Connection, row: Any, steps: Sequence[Step], at: PlanReached) -> Piece | None:
        """Read whom the next slice reaches; None when there is no next one."""
        if at.next_seq == 1 and (few := await self._find_few(connection, row, steps)):
            return few
        batch = self._batch(row["id"], steps, at.cursor)
        if not batch:
            return None
        if batch[0].group is not None:
            return await self._find_members(connection, row, batch[0], at)
        found = await self._read(connection, row, batch)
        if batch[0].cell:
            # never grow more than eightfold: the next cells may be a city
            before = self._rows_per_cell.get(row["id"], FIRST_SLICE_ROWS / 8)
            self._rows_per_cell[row["id"]] = max(found.messages / len(batch), before / 8)
        return Piece(batch[0], found, PlanReached(at.cursor + len(batch), 0))

    async def _find_few(self, connection: Connection, row: Any, steps: Sequence[Step]) -> Piece | None:
        """A few of the first step: who lives next to the centre of the area, or the first ones of those told before."""
        if not steps or steps[0].group is not None:
            return None
        if (told := steps[0].told) is not None:
            few = [replace(steps[0], told=told._replace(hi=FIRST_SLICE_ROWS))]
            found = await self._read(connection, row, few)
            return Piece(steps[0], found, START) if found.messages else None
        whole = steps[0].cell
        assert whole is not None
        for part in steps[0].parts:
            found = await self._read(connection, row, [replace(steps[0], cell=part)])
            if found.messages:  # as many to each of its size, which keeps the next slice from being a city
                share = (part.hi - part.lo + 1) / (whole.hi - whole.lo + 1)
                self._rows_per_cell[row["id"]] = max(found.messages / share, FIRST_SLICE_ROWS / 8)
                return Piece(steps[0], found, START)
        return None

    async def _find_members(self, connection: Connection, row: Any, step: Step, at: PlanReached) -> Piece:
        """The next members of a group, by number."""
        assert step.group is not None
        after = at.after if at.group == step.group else 0
        most = MEMBERS if after else FIRST_SLICE_ROWS
        people = await contacts.numbers_of_group(connection, row["entity_id"], step.group, after, most)
        found = await self._read(connection, row, [step], people)
        if len(people) < most:
            return Piece(step, found, PlanReached(at.cursor + 1, 0))
        return Piece(step, found, PlanReached(at.cursor, 0, step.group, people[-1]))

    async def _read(self, connection: Connection, row: Any, batch: Sequence[Step], people: Sequence[int] = ()) -> Found:
        """The people of these steps."""
        return await fan_out.find(
            connection,
            entity_id=row["entity_id"],
            transport=TRANSPORT_CODES[batch[0].transport],
            message_class=MessageClass(row["message_class"]),
            channels=[ChannelName(c) for c in row["plan"]["channels"]],
            texts=_texts(row, batch[0]),
            whom=Slice(cells=[s.cell for s in batch if s.cell], people=people, told=batch[0].told),
        )

    async def _write(self, connection: Connection, row: Any, piece: Piece, before: PlanReached) -> PlanReached:
        """Insert the rows of one slice and cut them into chunks; returns how far the campaign is planned with it."""
        transport = TRANSPORT_CODES[piece.step.transport]
        new = await fan_out.write(
            connection,
            campaign=row["id"],
            first_seq=before.next_seq,
            entity_id=row["entity_id"],
            transport=transport,
            texts=_texts(row, piece.step),
            found=piece.found,
        )
        for rows in new:
            await fan_out.insert_chunks(
                connection,
                campaign=row["id"],
                entity_id=row["entity_id"],
                rows=rows,
                transport=transport,
                exercise_group=piece.step.exercise_group,
                size=self._chunk_rows[rows.channel],
            )
        if before.cursor == 0 and not before.after and piece.then != START:
            await fan_out.analyze_campaign(connection, row["id"])
        return piece.then._replace(next_seq=before.next_seq + sum(rows.hi - rows.lo + 1 for rows in new))


def _texts(row: Any, step: Step) -> list[tuple[str, ChannelName, int]]:
    """The texts of the variant of the alert that a step tells."""
    variants = row["plan"]["variants"]
    texts = variants[step.variant]["texts"] if variants else []
    return [(language, ChannelName(channel), key) for language, channel, key in texts]


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

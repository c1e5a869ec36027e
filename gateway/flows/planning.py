"""Planning: an accepted campaign becomes delivery rows, slice by slice, the nearest to the hazard first.

Knows: the order of a fan-out (groups, areas, then those told before) and how large a slice may be. Every slice is one
transaction with its cursor, so a planner that dies is continued by the next one. The first slices are small, so that
sending begins at once, and each may be twice what there is by then: cells are planned in parts, about the centre of an
area the smaller the nearer. While a slice is written, the people of the next one are read. Never knows: channels,
rights, CAP.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from gateway.cap.area import centre
from gateway.cap.cells import SMALL_SIZE, Cell, graded, intersect, nearest_first, sixteenths
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

FIRST_SLICE_ROWS = 500
SLICE_ROWS = 100_000
TOLD_ROWS = MEMBERS = 20_000
ANALYZED_ROWS = 5_000
MOST_PEOPLE = FIRST_SLICE_ROWS / SMALL_SIZE  # for each point of a cell: before anybody was counted
EVERYBODY = 10_000_000_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
URGENT, ANY = PRIORITY[MessageClass.URGENT], max(PRIORITY.values())
PLANNED_TRANSPORT = {Mode.LIVE: Transport.LIVE, Mode.EXERCISE: Transport.SIMULATED, Mode.TEST: Transport.SIMULATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the cursor counts. A slice takes many cells, or a part of one step: contacts of a group in the order of
    their numbers, `parts` of a cell, rows of those told. How far a step is planned stands beside the cursor; a node of
    another version that does not know it begins the step again and leaves out whom the campaign has."""

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
        self._density: dict[int, float] = {}  # campaign -> people for each point of a cell, where it was read last
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
                at = piece.then._replace(next_seq=before.next_seq + piece.found.messages)
                ahead.ask((row["id"], piece.then), partial(self._find, row=row, steps=steps, at=at))
            reached = await self._write(connection, row, piece, before) if piece else before
            done = reached.cursor >= len(steps)
            if before.next_seq <= ANALYZED_ROWS and (done or reached.next_seq > ANALYZED_ROWS):
                await fan_out.analyze_campaign(connection, row["id"])
            kept = await fan_out.slice_done(connection, row["id"], before=before.cursor, reached=reached, planned=done)
            if not kept:  # stopped, or planned on by another node, while the slice was written
                await connection.execute("ROLLBACK AND CHAIN")
                return True
        self._failed.pop(row["id"], None)
        if done:
            self._steps.pop(row["id"], None)
            self._density.pop(row["id"], None)
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

    async def _find(self, connection: Connection, row: Any, steps: Sequence[Step], at: PlanReached) -> Piece | None:
        """Read on until somebody belongs to the next slice; None when there is no next one."""
        piece, wanted = None, _rows_wanted(at)
        while at.cursor < len(steps) and not (piece and piece.found.messages):
            step = steps[at.cursor]
            after = at.after if at.group == _name(step, at.cursor) else 0
            if step.group is not None:
                piece = await self._find_members(connection, row, step, at, after, wanted)
            elif step.told is not None:
                piece = await self._find_told(connection, row, step, at, after, wanted)
            else:
                piece = await self._find_there(connection, row, steps, at, after, wanted)
            at, wanted = piece.then._replace(next_seq=at.next_seq), min(wanted * 8, EVERYBODY)
        return piece

    async def _find_members(
        self, connection: Connection, row: Any, step: Step, at: PlanReached, after: int, wanted: int
    ) -> Piece:
        """The next members of a group, by number."""
        assert step.group is not None
        most = min(wanted, MEMBERS)
        people = await contacts.numbers_of_group(connection, row["entity_id"], step.group, after, most)
        found = await self._read(connection, row, step, Slice(people=people))
        if len(people) < most:
            return Piece(step, found, PlanReached(at.cursor + 1, 0))
        return Piece(step, found, PlanReached(at.cursor, 0, step.group, people[-1]))

    async def _find_told(
        self, connection: Connection, row: Any, step: Step, at: PlanReached, after: int, wanted: int
    ) -> Piece:
        """The next of those told before, by the numbers of the rows that told them."""
        assert step.told is not None
        told = step.told._replace(lo=step.told.lo + after)
        last = min(told.hi, told.lo + wanted - 1)
        found = await self._read(connection, row, step, Slice(told=told._replace(hi=last)))
        if last == told.hi:
            return Piece(step, found, PlanReached(at.cursor + 1, 0))
        return Piece(step, found, PlanReached(at.cursor, 0, _name(step, at.cursor), last + 1 - step.told.lo))

    async def _find_there(
        self, connection: Connection, row: Any, steps: Sequence[Step], at: PlanReached, after: int, wanted: int
    ) -> Piece:
        """The next cells, as many as promise enough rows where as many live as in those before."""
        room = wanted / self._density.get(row["id"], MOST_PEOPLE)
        area, taken = 0, list[tuple[Cell, PlanReached]]()
        for next_one in _cells_from(steps, at.cursor, after):
            taken.append(next_one)
            area += next_one[0].hi - next_one[0].lo + 1
            if area >= room:
                break
        step, then = steps[at.cursor], taken[-1][1]
        found = await self._read(connection, row, step, Slice(cells=[cell for cell, _ in taken]))
        if found.messages:  # never grow more than eightfold: the next cells may be a city
            self._density[row["id"]] = max(found.messages, _rows_wanted(at) / 8) / area
        return Piece(step, found, then)

    async def _read(self, connection: Connection, row: Any, step: Step, whom: Slice) -> Found:
        """These people, told as the step says."""
        return await fan_out.find(
            connection,
            entity_id=row["entity_id"],
            transport=TRANSPORT_CODES[step.transport],
            message_class=MessageClass(row["message_class"]),
            channels=[ChannelName(c) for c in row["plan"]["channels"]],
            texts=_texts(row, step),
            whom=whom,
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
        return piece.then._replace(next_seq=before.next_seq + sum(rows.hi - rows.lo + 1 for rows in new))


def _rows_wanted(at: PlanReached) -> int:
    """How many rows the next slice may have: twice those that there are by then."""
    return min(SLICE_ROWS, max(FIRST_SLICE_ROWS, 2 * (at.next_seq - 1)))


def _name(step: Step, cursor: int) -> int:
    """Which step it is of which a part is planned: its group, or its place, below zero."""
    return step.group if step.group is not None else -1 - cursor


def _cells_from(steps: Sequence[Step], cursor: int, after: int) -> Iterator[tuple[Cell, PlanReached]]:
    """The cells, or their parts, of one variant from here on; with each, how far the campaign is planned after it."""
    variant = steps[cursor].variant
    while cursor < len(steps) and (cell := steps[cursor].cell) and steps[cursor].variant == variant:
        parts = steps[cursor].parts or sixteenths(cell)
        for part in range(after if after < len(parts) else 0, len(parts)):
            if part + 1 < len(parts):
                yield parts[part], PlanReached(cursor, 0, _name(steps[cursor], cursor), part + 1)
            else:
                yield parts[part], PlanReached(cursor + 1, 0)
        cursor, after = cursor + 1, 0


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
        middle, far = centre([shape_from_json(shape) for shape in variant["shapes"]]) if cells else (0.0, 0.0), False
        for cell in cells:
            parts = [] if far else graded(cell, middle)
            far = len(parts) < 2
            steps.append(Step(variant=number, transport=transport, cell=cell, parts=() if far else parts))
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

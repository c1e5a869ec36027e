"""Agreement: a held campaign goes when everybody who must has agreed to what it is now; or when named persons break the
glass.

Knows: the seal, counting what it is over, the order of an approval. Never knows: HTTP, who has which role.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.cells import Cell
from gateway.flows import lineage
from gateway.flows.answers import Answer, problem
from gateway.flows.judging import Draft
from gateway.flows.planning import area_cells
from gateway.model import CampaignState, ChannelName, MessageClass, Mode, Realm
from gateway.policy import approval, audience
from gateway.policy.custody import AGREED, VOID
from gateway.policy.rights import Authority, Refusal, may_act, may_send
from gateway.store import alerts, approvals, registry
from gateway.store.pool import Connection, Store


async def with_needs(store: Store, draft: Draft, authority: Authority, hold: bool) -> Draft:
    """The draft with the agreements that its campaign has to wait for; what is not meant in earnest waits for nobody,
    unless a second person is asked in any case (`hold`)."""
    earnest = draft.mode is Mode.LIVE and authority.realm is Realm.LIVE
    if not earnest and not hold:
        return draft
    message_class, messages = draft.wishes.message_class, 0
    partnerships = [(g.partnership, g.agreement) for g in draft.groups if g.partnership is not None and earnest]
    needs = approval.needed(authority, message_class, partnerships, 0, hold=hold)
    if needs or approval.asks_for_size(authority, message_class):
        shapes = [[audience.shape_as_json(shape) for shape in variant.shapes] for variant in draft.variants]
        territory = [audience.shape_as_json(Ring(ring)) for ring in authority.rings]
        messages = await _count(
            store, authority.entity_id, message_class, draft.channels, shapes, territory, [g.id for g in draft.groups]
        )
        needs = approval.needed(authority, message_class, partnerships, messages, hold=hold)
    return replace(draft, needs=needs, messages=messages)


async def seal_new(connection: Connection, campaign: int, draft: Draft, plan: Mapping[str, Any], author: str) -> None:
    """Fix what approvers of a new campaign have to agree to."""
    seal = approval.seal(plan, await approvals.texts(connection, campaign), draft.messages)
    await approvals.put_seal(connection, campaign, author, draft.needs, seal, draft.messages)


async def _count(
    store: Store, entity_id: int, message_class: MessageClass, channels: Any, shapes: Any, territory: Any, groups: Any
) -> int:
    """Messages that would leave now, over all channels."""
    cells = await asyncio.to_thread(_cells, shapes, territory)
    target = registry.Target(cells=cells, groups=groups)
    # by the platform: citizens belong to it, an entity counts them and never sees them
    async with store.connection() as connection:
        return sum((await registry.count_targets(connection, entity_id, message_class, channels, target)).values())


def _cells(shapes: Any, territory: Any) -> list[Cell]:
    return area_cells([shape for variant in shapes for shape in variant], territory)


class Agreeing:
    """Approve, or break the glass."""

    def __init__(self, store: Store, *, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed

    async def approve(self, public_id: str, authority: Authority, seen: str | None = None) -> Answer:
        """Agree to a held campaign as `seen` (hex of its seal; None: as it was at acceptance)."""
        async with self._store.tenant(authority.entity_id) as connection:
            row = await approvals.case(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return problem(404, "not-found", "Nothing of yours has this name.")
            texts = await approvals.texts(connection, row["id"])
            one_hand = await approvals.one_hand(connection, row["entity_id"], row["author"], authority.holder)
        if row["state"] != CampaignState.HELD:
            return _wrong_state(row["state"])
        gives = approval.gives(authority, row["needs"], row["author"], one_hand=one_hand)
        refusal = gives if isinstance(gives, Refusal) else _may_let_go(row, authority)
        if refusal is not None:
            return problem(refusal.status, refusal.reason, refusal.message)
        assert not isinstance(gives, Refusal)
        messages = await self._count_now(row)
        large = approval.is_large(authority, MessageClass(row["message_class"]), messages)
        now = approval.seal(row["plan"], texts, messages)
        if now.hex() != (seen or row["seal"].hex()).lower():
            return await self._changed_since(row, authority, now, messages, large=large)
        return await self._agree(public_id, row, authority, gives, now, large=large)

    async def break_glass(self, public_id: str, authority: Authority, reason: str) -> Answer:
        """Let a held campaign go without agreement; every approver is told, with the reason."""
        refusal = approval.may_break_glass(authority, reason) or may_act(authority)
        if refusal is not None:
            return problem(refusal.status, refusal.reason, refusal.message)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await approvals.case(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return problem(404, "not-found", "Nothing of yours has this name.")
            state = await alerts.lock_state(connection, row["id"])
            if state is not CampaignState.HELD:
                return _wrong_state(state.value)
            await approvals.give(connection, row, authority.holder, [approval.GLASS], row["seal"], reason.strip())
            await _note(connection, row, "broken glass", authority)
            partnerships = [int(need.partition(":")[2]) for need in row["needs"] if ":" in need]
            await approvals.tell(
                connection, row["entity_id"], "glass-broken", f"campaign:{public_id}", reason.strip(), partnerships
            )
            becomes = await self._let_go(connection, row, authority)
        self._changed()
        return Answer(status=200, body={"campaign": public_id, "state": becomes.value})

    async def _count_now(self, row: Any) -> int:
        plan = row["plan"]
        return await _count(
            self._store, row["entity_id"], MessageClass(row["message_class"]),
            [ChannelName(name) for name in plan["channels"]], [variant["shapes"] for variant in plan["variants"]],
            plan["territory"], [number for number, _ in plan["groups"]],
        )  # fmt: skip

    async def _changed_since(self, row: Any, authority: Authority, now: bytes, messages: int, *, large: bool) -> Answer:
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            needs = await approvals.needs(connection, row["id"], second=large)
            await _void(connection, row, now, authority)
        return problem(
            409, "changed", "Whom this campaign reaches has changed since you saw it. Look again, and send the seal of "
            "what you agree to.", seal=now.hex(), messages=messages, needs=needs,
        )  # fmt: skip

    async def _agree(
        self, public_id: str, row: Any, authority: Authority, gives: tuple[str, ...], seal: bytes, *, large: bool
    ) -> Answer:
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            state = await alerts.lock_state(connection, row["id"])  # of two at once the second finds it gone
            if state is not CampaignState.HELD:
                return _wrong_state(state.value)
            needs = await approvals.needs(connection, row["id"], second=large)  # it may have grown since it was held
            await _void(connection, row, seal, authority)
            await approvals.give(connection, row, authority.holder, gives, seal)
            given = {one["need"] for one in await approvals.given(connection, row["id"])}
            waits = [need for need in needs if need not in given]
            if waits:
                await _note(connection, row, AGREED, authority)
                return Answer(status=200, body={"campaign": public_id, "state": "held", "needs": waits})
            becomes = await self._let_go(connection, row, authority)
        self._changed()
        return Answer(status=200, body={"campaign": public_id, "state": becomes.value})

    async def _let_go(self, connection: Connection, row: Any, authority: Authority) -> CampaignState:
        becomes = await lineage.approve(connection, row["id"], row["entity_id"], authority.holder)
        assert becomes is not None  # it is held, and locked by us
        await alerts.approve(connection, row["id"], authority.token_id)
        await connection.execute("SELECT pg_notify('gateway', $1)", str(row["id"]))
        return becomes


async def _note(connection: Connection, row: Any, what: str, authority: Authority) -> None:
    """One line of the record of a campaign that is still held."""
    await alerts.insert_event(connection, row["id"], row["entity_id"], what, CampaignState.HELD, authority.holder)


async def _void(connection: Connection, row: Any, seal: bytes, authority: Authority) -> None:
    """Agreement to anything but this is void, and the report says so."""
    if await approvals.void(connection, row["id"], seal):
        await _note(connection, row, VOID, authority)


def _may_let_go(row: Any, authority: Authority) -> Refusal | None:
    """A machine that approves needs the right to send the same; a person has a role for it."""
    refusal = may_act(authority)
    if refusal is not None or authority.person_id is not None:
        return refusal
    channels = [ChannelName(name) for name in row["channels"]]
    return may_send(authority, MessageClass(row["message_class"]), channels, by_place=False)


def _wrong_state(state: str) -> Answer:
    return problem(409, "wrong-state", f"A campaign that is {state} can not approve.", state=state)

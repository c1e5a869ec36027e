"""Forecasting: what an alert would reach, take and cost now, with nothing stored and nothing sent.

Knows: which questions the store is asked. Never knows: HTTP, how a number is blurred.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.cells import Cell, intersect
from gateway.cap.cover import cover_union
from gateway.flows import lineage
from gateway.flows.answers import Answer
from gateway.flows.costing import ZONE, balance, today_in
from gateway.flows.filing import notes_of
from gateway.flows.intake import Intake
from gateway.flows.judging import Draft
from gateway.model import CampaignState, ChannelName, Mode
from gateway.policy.audience import PRIORITY, shape_from_json
from gateway.policy.compose import Composed
from gateway.policy.forecast import Means, Window, Wording, blurred, forecast
from gateway.policy.rights import Authority
from gateway.policy.tariff import price_at, units_of
from gateway.policy.timing import opens
from gateway.store import costs, progress, registry
from gateway.store.pool import Store

LEFT = ("in_flight", "submitted", "delivered", "unknown")


class Forecasting:
    """Forecasts; `capacity` tells what each channel can take a second at this moment."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        *,
        capacity: Callable[[], Mapping[ChannelName, float]],
        utcnow: Callable[[], datetime],
        zone: str = ZONE,
    ) -> None:
        self._store = store
        self._intake = intake
        self._capacity = capacity
        self._utcnow = utcnow
        self._zone = zone

    async def forecast(self, raw: bytes, authority: Authority) -> Answer:
        """What this alert would do."""
        seen = await self._intake.outlook(raw, authority)
        if isinstance(seen, Answer):
            return seen
        draft, now = seen.draft, self._utcnow()
        told = seen.fate.state is not CampaignState.CLOSED
        cells = await asyncio.to_thread(_cells, draft, authority) if told else []
        reached = await self._reached(draft, authority, cells) if told else {}
        means = await self._means(draft, now)
        window = Window(opens=opens(draft.timing.quiet, self._zone, now), ends=draft.expires_at)
        units, running = await self._units_left(authority, now)
        body = forecast(reached, [_wording(text) for text in seen.texts], means, window) | {
            "dry_run": True,
            "state": seen.fate.state.value,
            "mode": draft.mode.value,
            "class": draft.wishes.message_class.value,
            "expires": draft.expires_at.isoformat(),
            "needs": list(draft.needs),
            "prepaid_units_left": max(0, units - running),
            "told_before": await self._told_before(seen.past, authority),
            "overlap": await self._overlap(draft, authority, cells, now) if told else [],
            "findings": [f._asdict() for f in (*draft.findings, *seen.fate.findings, *notes_of(seen.texts))],
            "texts": [_text(text) for text in seen.texts],
        }
        return Answer(status=200, body=body)

    async def _reached(
        self, draft: Draft, authority: Authority, cells: Sequence[Cell]
    ) -> dict[tuple[ChannelName, str], int]:
        target = registry.Target(cells=cells, groups=[g.id for g in draft.groups])
        async with self._store.connection() as connection:
            return await registry.count_targets(
                connection, authority.entity_id, draft.wishes.message_class, draft.channels, target
            )

    async def _means(self, draft: Draft, now: datetime) -> dict[ChannelName, Means]:
        """Capacity, price, and what leaves before: everything as urgent or more urgent that waits."""
        today, capacity = today_in(self._zone, now), self._capacity()
        async with self._store.connection() as connection:
            tariffs = await costs.tariffs(connection)
            waiting = await costs.waiting(connection, PRIORITY[draft.wishes.message_class], draft.mode is Mode.LIVE)
        return {
            channel: Means(
                per_s=capacity[channel], before=waiting.get(channel, 0), eur=price_at(tariffs, channel, "", today).eur
            )
            for channel in ChannelName
        }

    async def _units_left(self, authority: Authority, now: datetime) -> tuple[int, int]:
        async with self._store.tenant(authority.entity_id) as connection:
            found, running = await balance(connection, authority.entity_id, today_in(self._zone, now))
        return found.left, running

    async def _told_before(self, past: lineage.Past, authority: Authority) -> int:
        """Messages of earlier campaigns that left: an Update or Cancel goes to these people, too."""
        async with self._store.tenant(authority.entity_id) as connection:
            counts = await progress.counts(connection, [row["campaign_id"] for row in past.campaigns])
        return sum(of[name] for channels in counts.values() for of in channels.values() for name in LEFT)

    async def _overlap(
        self, draft: Draft, authority: Authority, cells: Sequence[Cell], now: datetime
    ) -> list[dict[str, Any]]:
        """Alerts in force that some of these people are also in the reach of: the entity's own, and public ones."""
        async with self._store.connection() as connection:
            others = await costs.alerts_in_force(connection, authority.entity_id, draft.mode, now)
        found = []
        for row in others:
            own = row["entity_id"] == authority.entity_id
            theirs = {number for number, _ in row["plan"]["groups"]} if own else set()
            groups = tuple(group for group in draft.groups if group.id in theirs)
            common = await asyncio.to_thread(_common, cells, row["plan"])
            if not common and not groups:
                continue
            target = registry.Target(cells=common, groups=[group.id for group in groups])
            async with self._store.connection() as connection:
                both = await registry.count_targets(
                    connection, authority.entity_id, draft.wishes.message_class, draft.channels, target
                )
            found.append(_overlapping(row, own, sum(both.values())))
        return found


def _overlapping(row: Any, own: bool, messages: int) -> dict[str, Any]:
    """What is said of the other alert: of another authority's, only what its public alert says itself."""
    said = {
        "sender": row["sender"], "identifier": row["identifier"], "class": row["message_class"],
        "expires": row["expires_at"].isoformat(), "messages": blurred(messages),
    }  # fmt: skip
    return said | ({"alert": row["alert"], "campaign": row["campaign"], "state": row["state"]} if own else {})


def _cells(draft: Draft, authority: Authority) -> list[Cell]:
    shapes = list(dict.fromkeys(shape for variant in draft.variants for shape in variant.shapes))
    if not shapes:
        return []
    return intersect(cover_union(shapes), cover_union([Ring(ring) for ring in authority.rings]))


def _common(cells: Sequence[Cell], plan: Mapping[str, Any]) -> list[Cell]:
    """Where both are: the cells of this alert inside the other's quads, whose edges are not drawn any finer, for a
    third outline is more than a cell can carry."""
    shapes = [shape_from_json(shape) for variant in plan["variants"] for shape in variant["shapes"]]
    if not cells or not shapes:
        return []
    return intersect(list(cells), [Cell(cell.lo, cell.hi) for cell in cover_union(shapes)])


def _wording(text: Composed) -> Wording:
    units = units_of(text.channel, text.body, text.parts)
    return Wording(
        channel=text.channel, language=text.language, units=units, encoding=text.encoding, cheaper=text.respelt,
        cheaper_units=text.respelt_parts,
    )  # fmt: skip


def _text(text: Composed) -> dict[str, Any]:
    return {
        "channel": text.channel.value, "language": text.language, "subject": text.subject, "text": text.body,
        "parts": text.parts, "encoding": text.encoding, "notes": list(text.notes),
    }  # fmt: skip

"""The texts of campaigns as channels send them: with the alert to attach and the map that a mail's page names.

Knows: store.registry, the plan's areas, drawing. Never knows: how texts are worded (compose), who gets them.
The map is drawn here and not at intake, so that no sender waits for it; its name was agreed to with the page.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.picture import draw
from gateway.model import MessageClass, Mode, Text
from gateway.policy.audience import shape_from_json
from gateway.policy.compose import content_id
from gateway.store import registry
from gateway.store.pool import Store


class Texts:
    """The texts of the campaigns in hand, loaded once each."""

    def __init__(self, store: Store, keep: int = 256) -> None:
        self._store = store
        self._keep = keep
        self._known: OrderedDict[int, dict[int, Text]] = OrderedDict()

    async def of(self, campaign: int) -> dict[int, Text]:
        """key -> Text of one campaign."""
        if campaign not in self._known:
            self._known[campaign] = await self._load(campaign)
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
        self._known.move_to_end(campaign)
        return self._known[campaign]

    async def _load(self, campaign: int) -> dict[int, Text]:
        async with self._store.ask.acquire(timeout=5) as connection:
            facts = await registry.campaign_for_texts(connection, campaign)
            rows = await registry.texts_to_send(connection, campaign)
        drawn = await asyncio.to_thread(_drawn, rows, facts["plan"])
        return {
            row["key"]: Text(
                campaign=campaign,
                key=row["key"],
                channel=registry.CHANNELS[row["channel"]],
                language=row["language"],
                body=row["body"],
                subject=row["subject"],
                html=row["html"],
                picture=drawn.get(row["key"], b""),
                parts=row["parts"],
                mode=Mode(facts["mode"]),
                message_class=MessageClass(facts["message_class"]),
                expires_at=facts["expires_at"],
                reference=facts["public_id"],
                attachment=facts["raw"] if row["html"] else None,
            )
            for row in rows
        }


def _drawn(rows: Sequence[Any], plan: Mapping[str, Any]) -> dict[int, bytes]:
    """key -> PNG of the texts whose page names the map of an area in the plan."""
    pages = {row["key"]: row["html"] for row in rows if row["html"]}
    if not any("cid:" in page for page in pages.values()):
        return {}
    land = [ring for ring in map(shape_from_json, plan["territory"]) if isinstance(ring, Ring)]
    found = {}
    for places in ([shape_from_json(shape) for shape in variant["shapes"]] for variant in plan["variants"]):
        name = f"cid:{content_id(places, land)}" if places else ""
        named = [key for key, page in pages.items() if name and name in page]
        found.update(dict.fromkeys(named, draw(places, land=land)) if named else {})
    return found

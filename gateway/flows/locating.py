"""Locating: where an address lies, by words, by a point on a map, or as a municipality.

Knows: the address register. Never knows: who asks, citizens.
"""

from typing import Any

from gateway.policy.address_register import read_asked
from gateway.store import places
from gateway.store.citizens import Place
from gateway.store.pool import Store

MOST_FOUND = 10
LEAST_CHARACTERS = 3


class Locating:
    """Look-ups in the register."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def search(self, text: str) -> list[dict[str, Any]]:
        """Places like what was typed: municipalities, then houses and streets."""
        asked = read_asked(text)
        if len(asked.words) < LEAST_CHARACTERS:
            return []
        async with self._store.connection() as connection:
            houses, towns = await places.search(connection, asked, MOST_FOUND)
        return [*map(_town, towns[:3]), *(_house(row) for row in houses)]

    async def at(self, lon: float, lat: float, language: str) -> list[dict[str, Any]]:
        """The house at a point of a map, if there is one near."""
        async with self._store.connection() as connection:
            row = await places.near(connection, lon, lat, language)
        return [] if row is None else [_house(row)]

    async def house(self, number: int, label: str, language: str) -> Place | str:
        """The place of a house that was found before, or why there is none."""
        async with self._store.connection() as connection:
            row = await places.house(connection, number, language)
        if row is None:
            return "no such address; look it up again, for the register may have changed"
        return Place(label or _label(row), row["lon"], row["lat"])

    async def municipality(self, code: str, label: str, language: str) -> Place | str:
        """A municipality as a whole, or why there is none."""
        async with self._store.connection() as connection:
            row = await places.municipality(connection, code, language)
        return Place(label or row["name"], row["lon"], row["lat"]) if row else "no such municipality"

    async def point(self, lon: float, lat: float, label: str, language: str) -> Place:
        """A point of a map, called as the house there when nothing else is said."""
        if not label and (found := await self.at(lon, lat, language)):
            label = found[0]["label"]
        return Place(label, lon, lat)


def _label(row: Any) -> str:
    number = f" {row['number'].upper()}" if row["found"] else ""
    return f"{row['name']}{number}, {row['postcode']} {row['town']}"


def _house(row: Any) -> dict[str, Any]:
    return {
        "kind": "address" if row["found"] else "street",
        "address": row["house"] if row["found"] else None,
        "municipality": row["municipality"],
        "label": _label(row),
        "lon": row["lon"],
        "lat": row["lat"],
    }


def _town(row: Any) -> dict[str, Any]:
    return {
        "kind": "municipality",
        "address": None,
        "municipality": row["code"],
        "label": row["name"],
        "lon": row["lon"],
        "lat": row["lat"],
    }

"""The address register: imported whole, searched by words, by a point, by municipality.

Knows: the tables of migrations/0061. Never knows: files, who searches.
"""

from collections.abc import Sequence
from typing import Any

from gateway.cap.area import Disc
from gateway.cap.cells import morton
from gateway.cap.cover import as_columns, cover
from gateway.policy.address_register import Asked, RegisterRow, plain_words
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("places")
CLEAR = ("houses", "names", "streets", "municipalities")
NEAR_KM = 0.3


async def clear(connection: Connection) -> None:
    """Drop the register; in the transaction of its next edition, so that nobody finds it empty."""
    for part in CLEAR:
        await connection.execute(_SQL[f"places_clear_{part}"])


async def put(connection: Connection, rows: Sequence[RegisterRow]) -> None:
    """One batch of the register."""
    keys = [[getattr(row, name) for row in rows] for name in ("municipality", "postcode", "street")]
    await connection.execute(_SQL["places_put_streets"], *keys)
    names = [
        (row.municipality, row.postcode, row.street, language, name, row.towns.get(language) or row.town,
         plain_words(f"{name} {row.postcode} {row.towns.get(language) or row.town}"))
        for row in rows for language, name in row.names.items()
    ]  # fmt: skip
    await connection.execute(_SQL["places_put_street_names"], *_columns(names, 7))
    towns = {
        (row.municipality, language, town, plain_words(town)) for row in rows for language, town in row.towns.items()
    }
    await connection.execute(_SQL["places_put_municipality_names"], *_columns(sorted(towns), 4))
    await connection.execute(
        _SQL["places_put_houses"], *keys, [row.number for row in rows], [row.lon for row in rows],
        [row.lat for row in rows], [morton(row.lon, row.lat) for row in rows],
    )  # fmt: skip


async def finish(connection: Connection) -> Any:
    """After the last batch: where municipalities are; (municipalities, streets, houses)."""
    await connection.execute(_SQL["places_find_middles"])
    return await connection.fetchrow(_SQL["places_counts"])


async def search(connection: Connection, asked: Asked, limit: int) -> tuple[list[Any], list[Any]]:
    """Houses and municipalities that are like what was typed, the likest first."""
    houses = await connection.fetch(_SQL["places_search"], asked.words, asked.postcode, asked.number, limit)
    towns = await connection.fetch(_SQL["places_search_municipalities"], asked.words, limit)
    return list(houses), sorted(towns, key=lambda row: (-row["likeness"], row["name"]))


async def house(connection: Connection, number: int, language: str) -> Any:
    """One house, or None."""
    return await connection.fetchrow(_SQL["places_house"], number, language)


async def municipality(connection: Connection, code: str, language: str) -> Any:
    """One municipality, or None."""
    return await connection.fetchrow(_SQL["places_municipality"], code, language)


async def near(connection: Connection, lon: float, lat: float, language: str) -> Any:
    """The nearest house within NEAR_KM, or None."""
    columns = as_columns(cover(Disc(lon, lat, NEAR_KM)))
    return await connection.fetchrow(_SQL["places_near"], columns[0], columns[1], lon, lat, language)


def _columns(rows: Sequence[tuple[str, ...]], width: int) -> list[list[str]]:
    return [[row[at] for row in rows] for at in range(width)]

"""Members of filtered groups: page by page the same people that the view of all groups has, for any filter."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.model import ChannelName
from gateway.policy.contacts import GroupFilter
from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, contacts, filtered, persons
from gateway.store.contacts import FoundGroup
from gateway.store.pool import Connection, confine
from tests.store import made

PEOPLE, GROUPS = 150, 40
LANGUAGES, POSTCODES, TOWNS = ("nl", "fr", "de"), ("8000", "8200", "9000", ""), ("Brugge", "BRUGGE", "Gent", "")
TAGS = ("key", "volunteer", "floor=0", "bénévole")
WEST, SOUTH = 3.2, 51.2


def people(chance: random.Random) -> list[ImportedContact]:
    return [
        ImportedContact(
            row=n, key=f"k{n}", name=f"Name {n}", language=chance.choice(LANGUAGES),
            mobile=f"+3247000{n:04}" if chance.random() < 0.7 else None, email=f"p{n}@x.example",
            postcode=chance.choice(POSTCODES), municipality=chance.choice(TOWNS),
            tags=tuple(sorted(chance.sample(TAGS, chance.randrange(3)))),
            place=Place("home", WEST + chance.random(), SOUTH + chance.random()) if chance.random() < 0.6 else None,
        )
        for n in range(PEOPLE)
    ]  # fmt: skip


def box(west: float, south: float, wide: float) -> tuple[tuple[float, float], ...]:
    return (west, south), (west + wide, south), (west + wide, south + wide), (west, south + wide), (west, south)


def asked(chance: random.Random) -> GroupFilter:
    def some(values: Sequence[str], share: float) -> tuple[str, ...]:
        return tuple(chance.sample(values, chance.randint(1, 2))) if chance.random() < share else ()

    rings = [box(WEST + chance.random() / 2, SOUTH + chance.random() / 2, chance.random()) for _ in range(2)]
    return GroupFilter(
        languages=some(LANGUAGES, 0.4), postcodes=some(POSTCODES, 0.3), municipalities=some(TOWNS, 0.3),
        tags=some(TAGS, 0.4), channels=(ChannelName.SMS,) if chance.random() < 0.3 else (),
        rings=tuple(rings[: chance.randint(1, 2)]) if chance.random() < 0.4 else (),
    )  # fmt: skip


async def filled(
    connection: Connection, entity: int, slug: str, asked: GroupFilter, within: int | None = None
) -> FoundGroup:
    number = await contacts.put_group(connection, entity, None, slug, "G", exercises=False, partnership=within)
    assert number is not None and await contacts.put_filter(connection, entity, number, asked)
    found = await contacts.group(connection, entity, None, slug)
    assert found == FoundGroup(number, filtered=True)
    return found


async def paged(connection: Connection, entity: int, group: FoundGroup, limit: int) -> list[Any]:
    rows: list[Any] = []
    while some := await contacts.of_group(connection, entity, None, group, rows[-1]["id"] if rows else 0, limit):
        assert len(some) <= limit
        rows += some
        if len(some) < limit:
            break
    return rows


@pytest.mark.parametrize(("first", "few"), [(filtered.FIRST, filtered.FEW), (3, 3), (2, 40)])
async def test_every_page_and_count_is_of_the_people_that_the_view_has(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, first: int, few: int
) -> None:
    monkeypatch.setattr(filtered, "FIRST", first)
    monkeypatch.setattr(filtered, "FEW", few)
    monkeypatch.setattr(filtered, "COUNTED", few // 2)
    chance = random.Random(first)
    exact = set[bool]()
    entity, other = await made.entity(connection), await made.entity(connection, "gent")
    plp = await persons.put_partnership(connection, entity, "plp", "PLP", "none")
    for one in (entity, other):
        await admin.import_contacts(connection, one, people(chance))
    await connection.execute("UPDATE contact SET partnership_id = $1 WHERE entity_id = $2 AND id % 5 = 0", plp, entity)
    async with connection.transaction():
        await confine(connection, entity)
        for number in range(GROUPS):
            asks = asked(chance)
            group = await filled(connection, entity, f"g{number}", asks, plp if number % 4 == 0 else None)
            expected = [
                row["contact_id"]
                for row in await connection.fetch(
                    "SELECT contact_id FROM group_people WHERE group_id = $1 ORDER BY contact_id", group.id
                )
            ]
            rows = await paged(connection, entity, group, chance.choice((1, 7, 200)))
            assert [row["id"] for row in rows] == expected, asks
            shown = await contacts.show_group(connection, entity, None, f"g{number}")
            by_sms = sum(row["mobile"] is not None for row in rows)
            assert shown is not None and shown[1]["members"] <= len(expected) and shown[1]["sms"] <= by_sms
            counted = await contacts.count_group(connection, entity, group)
            assert (counted["members"], counted["sms"], counted["exact"]) == (len(expected), by_sms, True)
            assert shown[1] == counted or not shown[1]["exact"]
            exact.add(shown[1]["exact"])
            assert await contacts.of_group(connection, entity, [plp + 1], group, 0, 9) == []
    assert (False in exact) == (few < PEOPLE)


@pytest.mark.parametrize(
    "ring",
    [
        ((180.0, -90.0), (180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0), (180.0, -90.0)),
        ((179.9, 0.0), (180.0, 0.0), (180.0, 0.1), (179.9, 0.1), (179.9, 0.0)),
        ((3.0, 51.0), (3.0, 51.0), (3.0, 51.0), (3.0, 51.0)),
        ((3.0, 51.0), (4.0, 52.0), (3.0, 52.0), (4.0, 51.0), (3.0, 51.0)),
    ],
)
async def test_outlines_of_any_form_give_a_page(connection: Connection, ring: tuple[tuple[float, float], ...]) -> None:
    """As wide as the world, at its end, of no area, crossing themselves."""
    entity = await made.entity(connection)
    middle = ring[0][0] / 2 + ring[1][0] / 2, ring[0][1] / 2 + ring[2][1] / 2
    contact = ImportedContact(row=1, key="1", mobile="+32470", place=Place("", min(179.99, middle[0]), middle[1]))
    await admin.import_contacts(connection, entity, [contact])
    group = await filled(connection, entity, "g", GroupFilter(rings=(ring,)))
    there = await connection.fetchval("SELECT count(*) FROM group_people WHERE group_id = $1", group.id)
    assert len(await contacts.of_group(connection, entity, None, group, 0, 9)) == there


async def test_a_tag_is_a_word_that_somebody_is_found_by(connection: Connection) -> None:
    entity = await made.entity(connection)
    one = ImportedContact(row=1, key="1", name="An", mobile="+32470000001", tags=("key", "floor=0"))
    await admin.import_contacts(connection, entity, [one])
    words = "SELECT word FROM contact_word WHERE word LIKE '#%' ORDER BY word"
    assert [row["word"] for row in await connection.fetch(words)] == ["#floor=0", "#key"]
    await contacts.put(connection, entity, None, ImportedContact(row=1, key="1", name="An", mobile="+32470000001",
        tags=("volunteer",)), language="nl", partnership=None, verified=False)  # fmt: skip
    assert [row["word"] for row in await connection.fetch(words)] == ["#volunteer"]
    await contacts.remove(connection, entity, None, ["1"])
    assert await connection.fetch(words) == []

"""The demonstration's world: a municipality with its people, a police zone with its groups, an alert for them.

Knows: the outline of Forest/Vorst, invented people, which outcome each of their numbers and addresses stands for.
Never knows: databases, the gateway's own records, the time (whoever makes an alert says when it is sent).
Standard: CAP 1.2. All mail domains are reserved ones (RFC 2606 §3); everybody here is invented.
"""

import json
from bisect import bisect
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import accumulate
from random import Random
from string import Template
from typing import NamedTuple
from xml.sax.saxutils import escape

from gateway.cap import dates
from gateway.cap.area import Box, Disc, Point, Ring, Shape, in_ring
from gateway.cap.cells import quad_of
from gateway.cap.cover import cover
from gateway.simulators.recorder import DELIVERED, EXPIRED, FAILED, Outcomes

MOST_LANDLINES = 200
"""At most so many people have a landline and nothing else: those are called."""

_POLYGON: tuple[Point, ...] = (
    (4.3080, 50.8085),
    (4.3200, 50.8068),
    (4.3275, 50.8085),
    (4.3320, 50.8130),
    (4.3400, 50.8172),
    (4.3400, 50.8205),
    (4.3330, 50.8235),
    (4.3300, 50.8265),
    (4.3235, 50.8262),
    (4.3200, 50.8215),
    (4.3160, 50.8185),
    (4.3110, 50.8125),
    (4.3080, 50.8085),
)
_CIRCLE = Disc(4.3165, 50.8105, 0.55)

_LANGUAGES = ("nl",) * 40 + ("fr",) * 44 + ("de",) * 6 + ("en",) * 10
_FIRST = (
    *("Anna", "Bart", "Charlotte", "David", "Emma", "Fatima", "Georges", "Hanne", "Ilias", "Julie", "Karim"),
    *("Lotte", "Mohamed", "Nathalie", "Olivier", "Pieter", "Quinten", "Rachida", "Sofie", "Thomas", "Ursula"),
    *("Victor", "Wout", "Xavier", "Yasmine", "Zoe"),
)
_LAST = (
    *("Peeters", "Janssens", "Maes", "Jacobs", "Mertens", "Willems", "Claes", "Goossens", "Wouters", "Dubois"),
    *("Lambert", "Dupont", "Martin", "Simon", "Laurent", "Leroy", "Denis", "Renard", "Lejeune", "Bogaert"),
    *("Schmitz", "Keller", "Benali", "El Amrani", "Yilmaz", "Nguyen", "Diallo", "Kowalski", "Rossi"),
)
_FOREIGN = ("+3361{:07d}", "+3162{:07d}", "+491511{:07d}", "+352621{:06d}")
_MAIL_TAGS = {"gone": FAILED, "refused": "refused"}
_FAILING, _EXPIRING = ("90", "91", "92", "93"), ("94",)


class SampleAddress(NamedTuple):
    """Where somebody lives or works."""

    label: str
    lon: float
    lat: float


class SamplePerson(NamedTuple):
    """Somebody to reach: numbers are E.164, absent ones None; `inside`: an address lies in the municipality."""

    name: str
    language: str
    mobile: str | None
    landline: str | None
    email: str | None
    addresses: tuple[SampleAddress, ...]
    inside: bool


class SampleGroup(NamedTuple):
    """A group of contacts that an authority keeps."""

    slug: str
    name: str
    people: tuple[SamplePerson, ...]


class SampleEntity(NamedTuple):
    """An authority; `territory` is what it may alert by place (nothing for type2)."""

    slug: str
    name: str
    kind: str
    languages: tuple[str, ...]
    sender: str
    nis: str | None
    territory: tuple[Ring, ...]
    groups: tuple[SampleGroup, ...]


def outline() -> Ring:
    """The municipality's border as (lon, lat), closed."""
    text = (files("gateway.simulators") / "data" / "vorst-forest.geojson").read_text(encoding="utf-8")
    (border,) = json.loads(text)["geometry"]["coordinates"]
    return Ring(tuple((lon, lat) for lon, lat in border))


def sample_entities(seed: int = 1) -> tuple[SampleEntity, SampleEntity]:
    """`demo-commune` (type1, with a territory) and `demo-police` (type2, with groups)."""
    border = outline()
    commune = SampleEntity(
        slug="demo-commune",
        name="Gemeente Vorst / Commune de Forest",
        kind="type1",
        languages=("fr", "nl", "de", "en"),
        sender="alert@forest-vorst.example",
        nis="21007",
        territory=(border,),
        groups=(),
    )
    police = SampleEntity(
        slug="demo-police",
        name="Politiezone / Zone de police",
        kind="type2",
        languages=("fr", "nl", "de", "en"),
        sender="alert@police.example",
        nis=None,
        territory=(),
        groups=(
            SampleGroup("plp-centre", "Buurtinformatienetwerk / PLP Centre", _members(border, seed, 0, 60)),
            SampleGroup("key-actors", "Sleutelactoren / Acteurs clés", _members(border, seed, 60, 15)),
        ),
    )
    return commune, police


def _members(border: Ring, seed: int, first: int, count: int) -> tuple[SamplePerson, ...]:
    """People apart from the citizens of `sample_people`: each with a mobile and a mail address, nobody by landline."""
    where = _Places(border, Random(f"members {seed} {first}"))  # noqa: S311 - invented people, not secrets
    people = []
    for number in range(first, first + count):
        bits = where.rng.getrandbits(48)
        name, mail = _name(bits, number)
        mobile = f"+3246{number * 4_321 % 1_000_000 + 5_000_000:07d}"
        home = (where.address("home", inside=True),)
        people.append(SamplePerson(name, _LANGUAGES[bits % 100], mobile, None, f"plp.{mail}@example.org", home, True))
    return tuple(people)


def sample_people(n: int, seed: int = 1) -> Iterator[SamplePerson]:
    """`n` people, the same for the same seed; the first of a longer run are those of a shorter one."""
    where = _Places(outline(), Random(f"people {seed}"))  # noqa: S311 - invented people, not secrets
    landlines, last_mobile = 0, None
    for number in range(n):
        bits = where.rng.getrandbits(64)
        name, mail = _name(bits >> 8, number)
        kind = bits % 100
        inside = (bits >> 24) % 100 < 88
        addresses: tuple[SampleAddress, ...] = (where.address("home", inside=inside),)
        if (bits >> 32) % 10 == 0:
            works_inside = (bits >> 44) % 2 == 0
            addresses = (*addresses, where.address("work", inside=works_inside))
            inside = inside or works_inside
        mobile: str | None = _mobile(number, seed)
        landline = email = None
        if kind < 2 and landlines < MOST_LANDLINES:
            mobile, landline = None, _landline(number)
            landlines += 1
        elif kind < 7:
            mobile, email = None, f"{mail}@example.org"
        elif kind < 9 and last_mobile is not None:
            mobile = last_mobile  # a household with one telephone
        elif kind < 10:
            mobile = _FOREIGN[number % 4].format(number * 7_919 % 900_000 + 100_000)
        elif kind < 60:
            email = f"{mail}@example.{'com' if kind < 15 else 'org'}"
        last_mobile = mobile or last_mobile
        yield SamplePerson(name, _LANGUAGES[(bits >> 48) % 100], mobile, landline, email, addresses, inside)


def _name(bits: int, number: int) -> tuple[str, str]:
    """A name, and the part of a mail address before the @ that nobody else has."""
    first, last = _FIRST[bits % len(_FIRST)], _LAST[(bits >> 8) % len(_LAST)]
    tag = {3: "+gone", 4: "+gone", 5: "+refused"}.get((bits >> 16) % 100, "")
    return f"{first} {last}", f"{first}.{last.replace(' ', '')}.{number}{tag}".lower()


def _mobile(number: int, seed: int) -> str:
    # 7,654,321 shares no factor with 30 million, so that no number comes twice among so many people
    return f"+324{70_000_000 + (number * 7_654_321 + seed) % 30_000_000}"


def _landline(number: int) -> str:
    return f"+322{3_000_000 + number * 654_321 % 1_000_000}"


class _Places:
    """Draws places inside the municipality (evenly) and around it, surely inside and surely not."""

    def __init__(self, border: Ring, rng: Random) -> None:
        self.rng = rng
        cells = cover(border)
        self._cells = [(quad_of(cell).box(), cell.tests) for cell in cells]
        self._reach = list(accumulate(cell.hi - cell.lo + 1 for cell in cells))
        lons, lats = [x for x, _ in border.points], [y for _, y in border.points]
        self._box = Box(min(lons), min(lats), max(lons), max(lats))

    def address(self, label: str, *, inside: bool) -> SampleAddress:
        """One place; an outside one is at most half the municipality's width away."""
        lon, lat = self._inside() if inside else self._around()
        return SampleAddress(label, lon, lat)

    def _inside(self) -> Point:
        draw = self.rng.random
        while True:
            (west, south, east, north), tests = self._cells[bisect(self._reach, draw() * self._reach[-1])]
            lon, lat = west + draw() * (east - west), south + draw() * (north - south)
            if all(in_ring(test.points, lon, lat) for test in tests if isinstance(test, Ring)):
                return lon, lat

    def _around(self) -> Point:
        west, south, east, north = self._box
        draw = self.rng.random
        lon, lat = west + draw() * (east - west), south + draw() * (north - south)
        side, away = self.rng.getrandbits(2), 0.001 + draw() / 2
        if side == 0:
            lon = west - away * (east - west)
        elif side == 1:
            lon = east + away * (east - west)
        elif side == 2:
            lat = south - away * (north - south)
        else:
            lat = north + away * (north - south)
        return lon, lat


def outcome_of(address: str) -> str:
    """The word for what becomes of a message to this number or address; see the simulators for their words.

    Mail: the tag after + (+gone, +refused). Landlines: the last digit, 0-4 confirmed, 5-8 heard, 9 failed.
    Mobiles: the last two digits, 90-93 failed, 94 expired. All else is delivered.
    """
    local, at, _ = address.partition("@")
    if at:
        return _MAIL_TAGS.get(local.partition("+")[2].lower(), DELIVERED)
    if address.lstrip("+").startswith("322"):
        return FAILED if address.endswith("9") else "confirmed" if address[-1] < "5" else DELIVERED
    if address.endswith(_FAILING):
        return FAILED
    return EXPIRED if address.endswith(_EXPIRING) else DELIVERED


class SampleOutcomes(Outcomes):
    """The simulators' agreement for sample people: told addresses first, then `outcome_of`."""

    __slots__ = ()

    def decide(self, address: str) -> str:
        """The word for this address."""
        word = super().decide(address)
        return outcome_of(address) if word == self.otherwise else word


def sample_area() -> tuple[Shape, ...]:
    """The polygon and the circle of the sample alert, wholly inside the municipality."""
    return Ring(_POLYGON), _CIRCLE


def sample_alert(
    *,
    sent: datetime,
    identifier: str = "",
    sender: str = "alert@forest-vorst.example",
    status: str = "Actual",
    lasts: timedelta = timedelta(hours=2),
    addresses: str = "",
    note: str = "",
) -> bytes:
    """A CAP 1.2 alert of a fire in nl, fr, de and en; `sent` is aware. The identifier is made of `sent` when not given.

    `addresses` names groups of the sender's, as CAP writes them; `note` is obligatory in spirit for an exercise.
    """
    text = (files("gateway.simulators") / "data" / "industrial-fire.xml").read_text(encoding="utf-8")
    optional = {"addresses": addresses, "note": note or ("Exercise 1" if status == "Exercise" else "")}
    filled = {name: f"\n  <{name}>{escape(value)}</{name}>" if value else "" for name, value in optional.items()}
    values = {
        "identifier": identifier or f"FOREST-VORST-{sent:%Y%m%dT%H%M%S%f}",
        "sender": sender,
        "sent": dates.write(sent),
        "expires": dates.write(sent + lasts),
        "status": status,
        "polygon": " ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in _POLYGON),
        "circle": f"{_CIRCLE.lat},{_CIRCLE.lon} {_CIRCLE.radius_km}",
    }
    return Template(text).substitute({name: escape(value) for name, value in values.items()}, **filled).encode()

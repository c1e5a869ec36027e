"""The sample world is the same each time, lies where it says, and its alert is a good one."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import phonenumbers
import pytest
import shapely

from gateway.cap.area import Disc, Ring, validate
from gateway.cap.cells import contains, intersect
from gateway.cap.check import check
from gateway.cap.cover import cover, cover_union
from gateway.cap.model import Scope, Status
from gateway.simulators.sample import (
    MOST_LANDLINES,
    SampleOutcomes,
    outcome_of,
    outline,
    sample_alert,
    sample_area,
    sample_entities,
    sample_people,
)

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_the_outline_is_that_of_the_municipality() -> None:
    border = outline()
    assert validate(border) == []
    assert 200 < len(border.points) < 500
    polygon = shapely.Polygon(border.points)
    assert polygon.area * 111.2 * 70.3 == pytest.approx(6.25, rel=0.02)  # the municipality has 6.25 km²
    assert polygon.contains(shapely.Point(4.3171, 50.8105))  # Saint Denis' church
    assert not polygon.contains(shapely.Point(4.3525, 50.8467))  # Brussels, Grand-Place


def test_the_same_seed_gives_the_same_people() -> None:
    assert list(sample_people(200)) == list(sample_people(200))
    assert list(sample_people(50)) == list(islice(sample_people(500), 50))
    assert list(sample_people(50)) != list(sample_people(50, seed=2))


def test_people_live_where_they_say() -> None:
    polygon = shapely.Polygon(outline().points)
    for person in sample_people(2_000):
        assert 1 <= len(person.addresses) <= 2
        inside = any(polygon.contains(shapely.Point(address.lon, address.lat)) for address in person.addresses)
        assert person.inside == inside


def test_people_are_as_varied_as_a_city() -> None:
    people = list(sample_people(20_000))
    languages = Counter(person.language for person in people)
    assert set(languages) == {"nl", "fr", "de", "en"}
    assert min(languages.values()) > 500
    assert 0.7 < sum(person.inside for person in people) / len(people) < 0.95
    mobiles = Counter(person.mobile for person in people if person.mobile)
    assert 100 < sum(count > 1 for count in mobiles.values()) < 2_000
    assert any(not mobile.startswith("+32") for mobile in mobiles)
    assert all(person.mobile or person.landline or person.email for person in people)
    mails = [person.email for person in people if person.email]
    assert len(set(mails)) == len(mails)
    assert all(mail.rpartition("@")[2] in {"example.org", "example.com"} for mail in mails)


def test_nobody_is_called_who_can_be_reached_otherwise_and_few_are_called() -> None:
    called = [person for person in sample_people(20_000) if person.landline]
    assert len(called) == MOST_LANDLINES == 200
    assert all(person.mobile is None and person.email is None for person in called)
    assert len({person.landline for person in called}) == 200


def test_every_number_is_one_that_exists_in_its_country() -> None:
    people = [*sample_people(3_000), *(p for entity in sample_entities() for g in entity.groups for p in g.people)]
    for person in people:
        for number, kind in (
            (person.mobile, phonenumbers.PhoneNumberType.MOBILE),
            (person.landline, phonenumbers.PhoneNumberType.FIXED_LINE),
        ):
            if number:
                parsed = phonenumbers.parse(number)
                assert phonenumbers.is_valid_number(parsed)
                assert phonenumbers.number_type(parsed) == kind
                assert number == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def test_the_two_authorities_are_what_the_documentation_promises() -> None:
    commune, police = sample_entities()
    assert (commune.slug, commune.kind, commune.territory) == ("demo-commune", "type1", (outline(),))
    assert (police.slug, police.kind, police.territory) == ("demo-police", "type2", ())
    assert [group.slug for group in police.groups] == ["plp-centre", "key-actors"]
    members = [person for group in police.groups for person in group.people]
    assert len({person.mobile for person in members}) == len(members) == 75
    assert not {person.mobile for person in members} & {person.mobile for person in sample_people(20_000)}


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("+32470000012", "delivered"),
        ("+32470000090", "failed"),
        ("32470000093", "failed"),
        ("+32470000094", "expired"),
        ("+3223000009", "failed"),
        ("3223000004", "confirmed"),
        ("+3223000007", "delivered"),
        ("anna.maes.1@example.org", "delivered"),
        ("anna.maes.1+gone@example.org", "failed"),
        ("ANNA.MAES.1+REFUSED@EXAMPLE.ORG", "refused"),
    ],
)
def test_an_address_tells_its_outcome(address: str, word: str) -> None:
    assert outcome_of(address) == word
    assert SampleOutcomes().decide(address) == word


def test_an_outcome_that_was_told_comes_first() -> None:
    outcomes = SampleOutcomes()
    outcomes.tell("+32470000090", "expired")
    assert outcomes.decide("+32470000090") == "expired"
    assert outcomes.decide("+32470000091") == "failed"


def test_the_alert_is_valid_says_the_same_in_four_languages_and_ends_in_two_hours() -> None:
    verdict = check(sample_alert(sent=NOON), received_at=NOON)
    assert verdict.findings == ()
    alert = verdict.alert
    assert alert is not None
    assert (alert.status, alert.scope, alert.sender) == (Status.ACTUAL, Scope.PUBLIC, "alert@forest-vorst.example")
    assert [info.language for info in alert.info] == ["nl-BE", "fr-BE", "de-BE", "en"]
    for info in alert.info:
        assert info.expires == NOON + timedelta(hours=2)
        assert len(info.headline) <= 160
        assert info.parameters("gateway:class") == ("urgent",)
        assert info.area[0].polygon == alert.info[0].area[0].polygon


def test_alerts_of_other_moments_are_other_alerts() -> None:
    first, second = (check(sample_alert(sent=at)).identifier for at in (NOON, NOON + timedelta(microseconds=1)))
    assert first != second


def test_an_exercise_and_addresses_are_said_in_the_alert() -> None:
    raw = sample_alert(sent=NOON, status="Exercise", addresses='plp-centre "key actors"', identifier="A<&1")
    assert b"A&lt;&amp;1" in raw
    verdict = check(raw.replace(b"A&lt;&amp;1", b"A-1"))
    assert verdict.alert is not None
    assert verdict.alert.note
    assert verdict.alert.addresses == ("plp-centre", "key actors")


def test_the_alerts_area_lies_in_the_municipality_and_holds_many_of_its_people() -> None:
    verdict = check(sample_alert(sent=NOON))
    assert verdict.alert is not None
    (area,) = verdict.alert.info[0].area
    ring, disc = sample_area()
    assert isinstance(ring, Ring)
    assert isinstance(disc, Disc)
    assert area.polygon == (tuple((lat, lon) for lon, lat in ring.points),)
    assert area.circle == ((disc.lat, disc.lon, disc.radius_km),)
    border = shapely.Polygon(outline().points)
    assert border.contains(shapely.Polygon(ring.points))
    target = cover_union(sample_area())
    both = intersect(target, cover(outline()))
    people = list(sample_people(1_000))
    homes = [address for person in people for address in person.addresses]
    assert all(contains(both, *home[1:]) == contains(target, *home[1:]) for home in homes)
    reached = sum(any(contains(target, *home[1:]) for home in person.addresses) for person in people)
    assert 300 < reached < 600

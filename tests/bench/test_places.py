"""The country of the benches."""

import shapely

from gateway.bench.places import CENTRE, areas, homes, outline, territory
from gateway.cap.area import Ring, validate


def test_every_outline_can_be_used_for_targeting() -> None:
    for ring in (*(area.ring for area in areas()), territory()):
        assert validate(Ring(ring)) == []
        assert shapely.Polygon(ring).is_valid
        assert ring[0] == ring[-1]


def test_areas_have_the_vertices_that_their_figures_are_named_by() -> None:
    assert [(area.name, area.vertices) for area in areas()] == [("city", 12), ("municipality", 2000), ("country", 400)]


def test_the_territory_holds_the_country_and_the_country_holds_everybody() -> None:
    country = shapely.Polygon(areas()[2].ring)
    assert shapely.Polygon(territory()).contains(country)
    people = shapely.points(list(homes(3000)))
    assert bool(shapely.contains(country, people).all())


def test_people_are_always_the_same_and_live_within_reach() -> None:
    assert list(homes(50)) == list(homes(80))[:50]
    near = shapely.Polygon(outline(11.0, 60))
    assert bool(shapely.contains(near, shapely.points(list(homes(500, within_km=10)))).all())


def test_an_outline_lies_as_far_away_as_it_says() -> None:
    ring = outline(10.0, 4)
    north = max(lat for _, lat in ring)
    assert abs((north - CENTRE[1]) * 111.2 - 10) < 0.01

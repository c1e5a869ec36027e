"""gateway import."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command

SQUARE = [[3.2, 51.2], [3.3, 51.2], [3.3, 51.3], [3.2, 51.3], [3.2, 51.2]]


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1", "--languages", "nl,fr")
    gateway("group", "create", "plp", "--entity", "brugge")
    return gateway


def test_a_territory_is_replaced_whole_or_not_at_all(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "brugge.geojson"
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [SQUARE]}))
    words = ("import", "territory", str(file), "--entity", "brugge")
    assert "would have replaced" in brugge(*words, "--dry-run").out
    assert json.loads(brugge("entity", "show", "brugge", "--json").out)["rings"] == 0
    assert brugge(*words).out == "replaced the territory of brugge: 1 rings\n"
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [SQUARE, SQUARE]}))
    ran = brugge(*words)
    assert (ran.code, "has a hole" in ran.err) == (2, True)
    assert json.loads(brugge("entity", "show", "brugge", "--json").out)["rings"] == 1
    assert brugge("import", "territory", str(file), "--entity", "nowhere").code == 2


def test_geocodes_are_stored_under_the_values_of_a_property(brugge: Command, tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "properties": {"nis": "31005"},
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
    }
    file = tmp_path / "communes.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    ran = brugge("import", "geocodes", str(file), "--scheme", "NIS", "--property", "nis")
    assert (ran.code, ran.out) == (0, "stored 1 values of NIS, 1 rings\n")
    assert brugge("import", "geocodes", str(file), "--scheme", "NIS", "--property", "code").code == 2


def test_geocodes_come_from_tables_and_from_values_that_make_them_up(brugge: Command, tmp_path: Path) -> None:
    wkt = "POLYGON((3.2 51.2, 3.3 51.2, 3.3 51.3, 3.2 51.3, 3.2 51.2))"
    communes, regions = tmp_path / "communes.csv", tmp_path / "regions.csv"
    communes.write_text(f'scheme,value,rings\nNIS,31005,"{wkt}"\nINS,31003,"{wkt}"\n')
    regions.write_text("INS;EMMA_ID;NUTS3\n31005;BE004;BE251\n31003;BE004;\n")
    made = ("import", "geocodes", str(regions), "--made-of", "NIS")
    early = brugge(*made)
    assert (early.code, "EMMA_ID BE004: no outline of NIS 31005, NIS 31003" in early.err) == (2, True)
    assert brugge("import", "geocodes", str(communes)).out == "stored 2 values of NIS, 2 rings\n"
    assert "would have stored 1 values of EMMA_ID, 1 rings" in brugge(*made, "--dry-run").out
    ran = brugge(*made)
    assert (ran.code, ran.out) == (0, "stored 1 values of EMMA_ID, 1 rings\nstored 1 values of NUTS, 1 rings\n")


def test_a_geocode_file_that_does_not_say_enough_changes_nothing(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "communes.csv"
    file.write_text("value,rings\n31005,POINT(3 51)\n")
    assert "must name the columns" in brugge("import", "geocodes", str(file)).err
    ran = brugge("import", "geocodes", str(file), "--scheme", "NIS")
    assert (ran.code, "row 2: its outline is no WKT" in ran.err) == (2, True)
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [SQUARE]}))
    assert "needs --scheme and --property" in brugge("import", "geocodes", str(file)).err

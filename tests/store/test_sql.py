"""The loader of named statements: what it gives, and every form that it refuses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SchemaError
from gateway.store.sql import Queries

GOOD = """-- Statements about things.

-- name: count_things
-- How many things there are.
SELECT count(*) FROM thing;

-- name: add_thing
-- Adds one; the note may hold a semicolon.
-- It returns the id.
INSERT INTO thing (note)
VALUES ('a;b' || $1)  -- kept; as written
RETURNING id;
"""


def test_a_statement_is_found_by_its_name_without_comment_and_semicolon() -> None:
    queries = Queries({"things.sql": GOOD})
    assert queries["count_things"] == "SELECT count(*) FROM thing"
    assert queries["add_thing"].startswith("INSERT INTO thing") and queries["add_thing"].endswith("RETURNING id")
    assert sorted(queries) == ["add_thing", "count_things"] and len(queries) == 2
    assert "count_things" in queries and "other" not in queries


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SchemaError, match="no query is named count_thing"):
        Queries({"things.sql": GOOD})["count_thing"]


def test_a_name_may_stand_once_in_all_files() -> None:
    with pytest.raises(SchemaError, match="exists twice"):
        Queries({"a.sql": GOOD, "b.sql": GOOD})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1;\n-- name: a\n-- Says.\nSELECT 1;", "before the first name"),
        ("-- name: A thing\n-- Says.\nSELECT 1;", "snake_case"),
        ("-- name: a\nSELECT 1;", "no sentence"),
        ("-- name: a\n--\nSELECT 1;", "no sentence"),
        ("-- name: a\n-- Says.\nSELECT 1", "not one statement"),
        ("-- name: a\n-- Says.\nSELECT 1; SELECT 2;", "not one statement"),
        ("-- name: a\n-- Says.\n", "not one statement"),
        ("-- name: a", "no sentence"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        Queries({"bad.sql": text})


@pytest.mark.parametrize(
    "body", ["SELECT ';'", "SELECT $x$;$x$", 'SELECT 1 AS ";"', "SELECT /* ; */ 1", "SELECT 1 -- ;\n"]
)
def test_a_semicolon_inside_words_and_comments_ends_nothing(body: str) -> None:
    assert Queries({"a.sql": f"-- name: a\n-- Says.\n{body};  -- end; really"})["a"] == body.rstrip()


@given(st.text(max_size=200))
def test_any_text_gives_queries_or_a_schema_error(text: str) -> None:
    try:
        assert all(Queries({"a.sql": text}).values())
    except SchemaError as error:
        assert str(error).startswith("a.sql: ")


def test_only_the_files_asked_for_are_read(tmp_path: Path) -> None:
    tmp_path.joinpath("things.sql").write_text(GOOD)
    tmp_path.joinpath("broken.sql").write_text("nonsense")
    assert len(Queries.load("things", folder=tmp_path)) == 2
    with pytest.raises(SchemaError, match="before the first name"):
        Queries.load(folder=tmp_path)
    with pytest.raises(SchemaError, match=r"no such file of queries: other\.sql"):
        Queries.load("other", folder=tmp_path)


def test_every_file_of_the_package_can_be_loaded() -> None:
    assert Queries.load() is not None

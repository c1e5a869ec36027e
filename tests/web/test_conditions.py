"""What somebody saw has to be what is there when they change it."""

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.web.conditions import shown, tag_of, unmet

THING = {"name": "Brugge", "languages": ["nl"]}
TAG = tag_of(THING)


def asked(method: str = "POST", **headers: str) -> web.Request:
    return make_mocked_request(method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


def said(answer: web.Response | None) -> tuple[int, Any]:
    assert answer is not None
    return answer.status, json.loads(answer.text or "{}").get("reason")


def test_a_tag_is_of_what_is_shown_whatever_its_order() -> None:
    assert tag_of({"languages": ["nl"], "name": "Brugge"}) == TAG
    assert tag_of(THING | {"name": "Gent"}) != TAG


def test_a_thing_is_shown_with_its_tag_and_304_to_who_has_it() -> None:
    answer = shown(asked("GET"), THING)
    assert (answer.status, answer.headers["ETag"], json.loads(answer.text or "")) == (200, f'"{TAG}"', THING)
    for known in (f'"{TAG}"', f'W/"{TAG}"', f'"x", "{TAG}"', "*"):
        assert shown(asked("GET", If_None_Match=known), THING).status == 304
    assert shown(asked("GET", If_None_Match='"x"'), THING).status == 200
    assert shown(asked("POST", If_None_Match="*"), THING).status == 200


@pytest.mark.parametrize("wanted", [f'"{TAG}"', f'"x", "{TAG}"', "*"])
def test_who_saw_what_is_there_may_change_it(wanted: str) -> None:
    assert unmet(asked(If_Match=wanted), THING) is None


@pytest.mark.parametrize("wanted", ['"x"', f'W/"{TAG}"', "", "x", '"'])
def test_who_saw_something_else_is_told_so(wanted: str) -> None:
    answer = unmet(asked(If_Match=wanted), THING)
    assert said(answer) == (412, "changed-meanwhile")
    assert answer is not None and answer.headers["ETag"] == f'"{TAG}"'


def test_who_says_nothing_is_asked_to() -> None:
    assert said(unmet(asked(), THING)) == (428, "no-condition")

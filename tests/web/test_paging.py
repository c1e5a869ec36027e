"""Pages: bounded whatever is asked, and the cursor of one leads to the next."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.web import paging


def asked(query: str) -> web.Request:
    return make_mocked_request("GET", f"/?{query}")


@pytest.mark.parametrize(
    ("query", "most"),
    [("", 100), ("limit=5", 5), ("limit=0", 1), ("limit=-3", 100), ("limit=99999", 1000), ("limit=x", 100),
     ("limit=" + "9" * 30, 100), ("limit=٣", 100)],
)  # fmt: skip
def test_a_page_is_bounded_whatever_is_asked(query: str, most: int) -> None:
    assert paging.limit(asked(query)) == most


def test_a_cursor_that_can_not_be_read_begins_at_the_beginning() -> None:
    assert (paging.after(asked("cursor=x")), paging.after(asked("cursor=7"))) == (0, 7)
    assert (paging.before(asked("cursor=x")), paging.before(asked("cursor=7"))) == (2**31 - 1, 7)
    assert paging.word(asked("cursor=%00a%00" + "b" * 400), "cursor") == "a" + "b" * 299
    assert paging.word(asked(""), "cursor") == ""


def test_a_full_page_says_where_the_next_one_begins() -> None:
    for rows, more in (([1, 2], "2"), ([1], None), ([], None)):
        answer = paging.page("things", rows, 2, lambda row: {"n": row}, str)
        assert json.loads(answer.text or "") == {"things": [{"n": row} for row in rows], "next": more}

"""Pages of lists: how much of one is shown, and where the next one begins.

Knows: the parameters `limit` and `cursor`, the answer's `next`. Never knows: what is listed. No list is without an
end: a page holds PAGE_MOST at most.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

PAGE, PAGE_MOST = 100, 1000
MOST_DIGITS = 9
MOST_WORD_CHARACTERS = 300


def number(text: str, default: int, *, digits: int = MOST_DIGITS) -> int:
    """A number as the database's int takes it (18 digits: its bigint)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else default


def word(request: web.Request, name: str) -> str:
    """A word of the query as the database's text takes it."""
    return request.query.get(name, "").replace("\0", "")[:MOST_WORD_CHARACTERS]


def limit(request: web.Request, usual: int = PAGE) -> int:
    """How many the asker wants on a page."""
    return min(PAGE_MOST, max(1, number(request.query.get("limit", ""), usual)))


def before(request: web.Request) -> int:
    """The number before which a page that is newest first goes on."""
    return number(request.query.get("cursor", ""), 2**31 - 1)


def after(request: web.Request) -> int:
    """The number after which a page goes on."""
    return number(request.query.get("cursor", ""), 0)


def page(
    name: str,
    rows: Sequence[Any],
    most: int,
    told: Callable[[Any], Mapping[str, Any]],
    cursor: Callable[[Any], Any],
    **beside: Any,
) -> web.Response:
    """A page: what is told of each row under `name`, `next` when there may be more, and what stands beside them."""
    more = str(cursor(rows[-1])) if len(rows) == most else None
    return web.json_response({name: [told(row) for row in rows], "next": more, **beside})

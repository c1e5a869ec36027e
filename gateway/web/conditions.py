"""Changes on condition: what a client saw of a thing has to be what is there when it changes it.

Knows: ETag, If-Match, If-None-Match over the JSON of a thing. Never knows: what the thing is.
Standard: RFC 9110 §8.8.3 (ETag), §13.1.1 (If-Match), §15.5.13 (412); RFC 6585 §3 (428).
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from gateway.store import changes
from gateway.store.pool import Connection
from gateway.web.access import AUTHORITY
from gateway.web.problem import problem


def tag_of(body: Mapping[str, Any]) -> str:
    """A strong validator of what is shown of a thing."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]


def shown(request: web.Request, body: Mapping[str, Any], status: int = 200) -> web.Response:
    """A thing with its ETag; 304 when the reader of a GET has it already."""
    tag = tag_of(body)
    # RFC 9110 §13.1.2: the weak comparison
    known = request.if_none_match or () if request.method in ("GET", "HEAD") else ()
    same = any(etag.value in (tag, "*") for etag in known)
    answer = web.Response(status=304) if same else web.json_response(body, status=status)
    answer.etag = tag
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


async def unmet_in_turn(
    request: web.Request, connection: Connection, thing: str, show: Callable[[], Awaitable[Mapping[str, Any] | None]]
) -> web.Response | None:
    """The same of what `show` tells of a `thing` of the asker's entity (None: it is not there yet, and is made). Nobody
    else changes it over HTTP until the transaction ends."""
    await changes.turn(connection, request[AUTHORITY].entity_id, thing)
    return unmet(request, await show())


def unmet(request: web.Request, body: Mapping[str, Any] | None) -> web.Response | None:
    """Why a change may not be made to the thing as it is now; None when it may. Ask this with the thing locked."""
    if body is None and request.headers.get("If-Match", "*").strip() == "*":
        return None  # made, not changed
    # RFC 6585 §3: two people who change one thing do not overwrite each other unseen
    if "If-Match" not in request.headers:
        return problem(
            428, "no-condition", "Say what you saw: If-Match with the ETag of the GET, or * whatever is there."
        )
    tag = "" if body is None else tag_of(body)
    try:
        wanted = request.if_match or ()
    except ValueError:
        wanted = ()
    # RFC 9110 §13.1.1: the strong comparison
    if body is not None and any(not etag.is_weak and etag.value in (tag, "*") for etag in wanted):
        return None
    headers = {"ETag": f'"{tag}"'} if tag else {}
    return problem(412, "changed-meanwhile", "It has changed since you saw it. Look again.", headers=headers)

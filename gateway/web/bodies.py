"""JSON bodies of requests, read against what a route takes: every mistake of a body in one answer.

Knows: JSON, pydantic, how much of a body is read. Never knows: what the values mean.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.web.problem import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MOST_BYTES = 100_000
KEPT = web.RequestKey("kept", bytes)
NUL = b"\\u0000"


class Body(BaseModel):
    """What a route takes: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=2000)


async def body_of(request: web.Request, most_bytes: int) -> bytes | None:
    """The body, read no further than the limit; None when it is longer."""
    if KEPT in request:
        return request[KEPT] if len(request[KEPT]) <= most_bytes else None
    if request.content_length is not None and request.content_length > most_bytes:
        return None
    chunks, size = [], 0
    async for chunk in request.content.iter_chunked(65_536):
        size += len(chunk)
        if size > most_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


async def keep_body(request: web.Request, most_bytes: int) -> bytes | None:
    """The body, which whoever asks `body_of` afterwards gets as well; None when it is longer."""
    raw = await body_of(request, most_bytes)
    if raw is not None:
        request[KEPT] = raw
    return raw


_Taken = TypeVar("_Taken", bound=Body)


def taking(kind: type[_Taken], handler: Callable[[web.Request, _Taken], Awaitable[web.StreamResponse]]) -> Handler:
    """A handler that gets the body as `kind`; 400 when it is not JSON, 422 with every mistake."""

    async def read(request: web.Request) -> web.StreamResponse:
        raw = await body_of(request, MOST_BYTES)
        if raw is None:
            return problem(413, "too-large", f"A body of this kind has at most {MOST_BYTES} bytes.")
        if NUL in raw:
            return problem(422, "wrong-body", "The body holds the character NUL, which is in no name and no text.")
        try:
            body = kind.model_validate_json(raw or b"{}")
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            if faults[0]["type"] == "json_invalid":
                return problem(400, "not-json", "The body is not JSON.")
            mistakes = [{"at": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in faults]
            return problem(422, "wrong-body", "The body is not what this takes.", mistakes=mistakes)
        return await handler(request, body)

    return read

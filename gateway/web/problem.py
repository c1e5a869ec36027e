"""Problem answers: what went wrong, in one form for machines and people.

Knows: RFC 9457. Never knows: what the problem is about.
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.log import server_logger

from gateway.errors import StoreUnavailable

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int, reason: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """One RFC 9457 answer; `reason` is a word for machines."""
    title = reason.replace("-", " ").capitalize()
    body = {"type": f"/docs#{reason}", "title": title, "status": status, "detail": detail, "reason": reason, **more}
    return as_response(status, body, headers)


def as_response(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """A body that is a problem already."""
    return web.Response(status=status, text=json.dumps(body), content_type=CONTENT_TYPE, headers=headers)


def middleware(help_: Mapping[str, str]) -> Any:
    """Every error leaves as a problem, with who can help; what the store can not take now is 503 + Retry-After."""

    @web.middleware
    async def problems(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)
        except StoreUnavailable:
            return problem(
                503, "store-unavailable", "The gateway can not store this now; nothing was accepted. Try again.",
                headers={"Retry-After": "5"}, help=help_,
            )  # fmt: skip
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _of_exception(error, help_)
        except ConnectionError:
            raise  # the client is gone: nobody is there to be told
        except Exception:  # the top of a request: a fault of ours ends as an answer, and is written down
            server_logger.exception("request_failed")
            detail = "The gateway failed at this, and wrote it down. Try again: the same alert is never sent twice."
            return problem(500, "internal-error", detail, help=help_)
        return _with_help(answer, help_)

    return problems


def _of_exception(error: web.HTTPException, help_: Mapping[str, str]) -> web.Response:
    detail = (error.text or error.reason).split(": ", 1)[-1]
    reason = error.reason.lower().replace(" ", "-")
    kept = {k: v for k, v in error.headers.items() if k in ("Allow", "WWW-Authenticate", "Retry-After")}
    return problem(error.status, reason, detail, headers=kept, help=help_)


def _with_help(answer: web.StreamResponse, help_: Mapping[str, str]) -> web.StreamResponse:
    """A problem that a handler made without knowing whom to ask."""
    if isinstance(answer, web.Response) and answer.content_type == CONTENT_TYPE:
        body = json.loads(answer.text or "{}")
        if "help" not in body:
            answer.text = json.dumps(body | {"help": dict(help_)})
    return answer

"""A page where anybody may hand in an alert or a feed and read what is wrong with it.

Knows: the form, its sizes, findings as HTML without script and as JSON. Never knows: a rule about alerts.
Standard: RFC 7578 (multipart/form-data), WCAG 2.2 (labels, landmarks, a table with headers).
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Protocol

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.cap.feed_check import FEED_LIMITS, Examination
from gateway.cap.findings import Finding
from gateway.cap.profiles import PROFILES
from gateway.web.held import CORS
from gateway.web.problem import problem

READ_TIMEOUT_S = 10.0
BODY_MAX_BYTES = FEED_LIMITS.max_bytes
PARTS_MAX = 10
WORD_MAX_BYTES = 100
RETRY_S = "5"
_XML_TYPES = frozenset({
    "application/cap+xml", "application/common-alerting-protocol+xml", "application/atom+xml", "application/rss+xml",
    "application/xml", "text/xml",
})  # fmt: skip
_STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1,h2{line-height:1.2}label{display:block;margin-top:1rem}textarea{width:100%;box-sizing:border-box}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}
td{overflow-wrap:anywhere}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_NAMES = {
    "alert": "a CAP alert",
    "atom": "an Atom feed",
    "rss": "an RSS feed",
    "unknown": "neither an alert nor a feed",
}


class Examine(Protocol):
    """What is to be said of a document; None when too many wait (flows.examining.Examiner)."""

    def __call__(
        self, raw: bytes, *, lenient: bool, profile: str | None, received_at: datetime
    ) -> Awaitable[Examination | None]:
        """Examine it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """A document and how it is to be held."""

    raw: bytes
    lenient: bool
    profile: str | None


class ValidatePages:
    """GET /cap/validate: the form. POST: that form (`file` or `text`), or the document itself."""

    def __init__(self, examine: Examine, *, utcnow: Callable[[], datetime]) -> None:
        self._examine = examine
        self._utcnow = utcnow
        self._form = _page("Check an alert or a feed", _form())

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/cap/validate", self.form), web.post("/cap/validate", self.check)]

    async def form(self, _: web.Request) -> web.Response:
        """An empty form."""
        return web.Response(text=self._form, content_type="text/html", headers=PAGE_HEADERS)

    async def check(self, request: web.Request) -> web.Response:
        """What was found. 200 whatever it is: the question was answered."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                handed_in = await _handed_in(request)
        except TimeoutError:
            return _refused(408, "too-slow", "The document did not come in time.")
        if isinstance(handed_in, web.Response):
            return handed_in
        found = await self._examine(
            handed_in.raw, lenient=handed_in.lenient, profile=handed_in.profile, received_at=self._utcnow()
        )
        if found is None:
            return _refused(503, "busy", "Others are being served. Try again.", {"Retry-After": RETRY_S})
        if "text/html" in request.headers.get("Accept", ""):
            text = _page("What was found", "".join(_findings(found)) + _form())
            return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)
        return web.json_response(as_json(found), headers={**CORS, "Cache-Control": "no-store"})


async def _handed_in(request: web.Request) -> HandedIn | web.Response:
    if (request.content_length or 0) > BODY_MAX_BYTES + 8192:
        return _too_large()
    if request.content_type == "multipart/form-data":
        fields: dict[str, bytes] | web.Response = await _fields(request)
    elif request.content_type in _XML_TYPES:
        raw = await _read(request.content.iter_any(), BODY_MAX_BYTES)
        asked = {name: value.encode("utf-8", "replace") for name, value in request.query.items()}
        fields = _too_large() if raw is None else asked | {"file": raw}
    else:
        return _refused(415, "wrong-type", "Send the XML itself (application/cap+xml), or the form of this page.")
    if isinstance(fields, web.Response):
        return fields
    profile = fields.get("profile", b"").decode("utf-8", "replace").lower() or None
    if profile is not None and profile not in PROFILES:
        return _refused(400, "bad-query", f"There is no such profile; there are {', '.join(PROFILES)}.")
    raw = fields.get("file") or fields.get("text", b"")
    return HandedIn(raw=raw, lenient=fields.get("lenient", b"") not in {b"", b"0", b"false"}, profile=profile)


async def _fields(request: web.Request) -> dict[str, bytes] | web.Response:
    """The parts of a form, the first of each name; or the refusal."""
    fields: dict[str, bytes] = {}
    try:
        parts = await request.multipart()
        for _ in range(PARTS_MAX):
            part = await parts.next()
            if part is None:
                return fields
            if not isinstance(part, BodyPartReader):
                break
            name = part.name or ""
            raw = await _read(_chunks(part), BODY_MAX_BYTES if name in {"file", "text"} else WORD_MAX_BYTES)
            if raw is None:
                break
            fields.setdefault(name, raw)
    except (HttpProcessingError, ValueError, AssertionError, RuntimeError):  # aiohttp's ways to say: that is no form
        return _refused(400, "bad-form", "The form can not be read.")
    return _too_large()


async def _chunks(part: BodyPartReader) -> Any:
    while chunk := await part.read_chunk():
        yield chunk


async def _read(chunks: Any, most_bytes: int) -> bytes | None:
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most_bytes:
            return None
        parts.append(chunk)
    return b"".join(parts)


def _too_large() -> web.Response:
    return _refused(413, "too-large", f"A document has at most {BODY_MAX_BYTES} bytes.")


def _refused(status: int, reason: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    return problem(status, reason, detail, headers={**CORS, **(headers or {})})


def as_json(found: Examination) -> dict[str, object]:
    """The findings for machines; those of alerts as `gateway validate --json` gives them."""
    return {
        "kind": found.kind,
        "valid": found.valid,
        "entries": found.entries,
        "findings": [finding._asdict() for finding in found.findings],
        "alerts": [
            {
                "line": embedded.line,
                "valid": embedded.verdict.valid,
                "version": embedded.verdict.version,
                "identifier": embedded.verdict.identifier,
                "findings": [finding._asdict() for finding in embedded.verdict.findings],
            }
            for embedded in found.alerts
        ],
    }


def _page(title: str, main: str) -> str:
    return (
        f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{main}</main></body></html>\n"
    )


def _form() -> str:
    profiles = "".join(f"<option>{escape(name)}</option>" for name in PROFILES)
    return (
        "<form method=post enctype='multipart/form-data' action='/cap/validate'><h2>Hand in a document</h2>"
        "<p>A CAP alert (1.0, 1.1, 1.2), or an Atom or RSS feed of alerts. Nothing is kept.</p>"
        "<label for=file>A file</label><input id=file name=file type=file accept='.xml,.cap,.atom,.rss'>"
        "<label for=text>Or its text</label><textarea id=text name=text rows=12 spellcheck=false></textarea>"
        "<label for=profile>Held against a profile as well</label>"
        f"<select id=profile name=profile><option value=''>none</option>{profiles}</select>"
        "<label><input name=lenient type=checkbox value=1> Leniently, as feeds of others are read</label>"
        "<p><button>Check</button></p></form>"
    )


def _findings(found: Examination) -> Iterator[str]:
    entries = f" with {found.entries} entries" if found.kind in {"atom", "rss"} else ""
    verdict = "No errors were found." if found.valid else "There are errors."
    yield f"<section aria-label=Result role=status><p>It is {_NAMES[found.kind]}{entries}. "
    yield f"<strong>{verdict}</strong></p>"
    if found.findings:
        yield _table("The document", found.findings)
    for embedded in found.alerts:
        verdict_ = embedded.verdict
        name = escape(verdict_.identifier or "an alert without identifier")
        yield f"<h2>{name}</h2><p>CAP {verdict_.version or '?'}, line {embedded.line}: "
        yield "valid.</p>" if verdict_.valid else "<strong>not valid.</strong></p>"
        if verdict_.findings:
            yield _table("Findings", verdict_.findings)
    yield "</section>"


def _table(caption: str, findings: Iterable[Finding]) -> str:
    heads = "".join(f"<th scope=col>{head}</th>" for head in ("rule", "weight", "line", "element", "finding", "clause"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell or ''))}</td>" for cell in _cells(finding)) + "</tr>"
        for finding in findings
    )
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(finding: Finding) -> tuple[object, ...]:
    return finding.id, finding.severity, finding.line, finding.element, finding.message, finding.clause

"""The API's own description: /openapi.json for machines and /docs for people, rendered from the same document.

Knows: OpenAPI 3.1, HTML without scripts. Never knows: what the API does; schemas/openapi.yaml says it.
Standard: OpenAPI 3.1.1; WCAG 2.2 (headings, landmarks, tables with headers, a page that needs no script).
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import yaml
from aiohttp import web

METHODS = ("get", "post", "put", "patch", "delete")
MAX_AGE_S = 300
STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid}h3{margin-top:2rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9rem}
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.25rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}
.method{text-transform:uppercase}.skip{position:absolute;left:-99rem}.skip:focus{left:1rem}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Node = Mapping[str, Any]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


def load() -> dict[str, Any]:
    """The description as it ships."""
    text = files("gateway.schemas").joinpath("openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one in either case
    return document


class Docs:
    """GET /openapi.json and GET /docs; both are made once and answered from memory, 304 when the client has them."""

    def __init__(self, document: Node | None = None) -> None:
        document = load() if document is None else document
        self._json = json.dumps(document, ensure_ascii=False).encode()
        self._page = "".join(page(document)).encode()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/openapi.json", self.openapi), web.get("/docs", self.docs)]

    async def openapi(self, request: web.Request) -> web.Response:
        """The document as JSON; open to every origin, as it holds nothing but words."""
        headers = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
        return _answer(request, self._json, "application/json", headers)

    async def docs(self, request: web.Request) -> web.Response:
        """The document as a page."""
        return _answer(request, self._page, "text/html", PAGE_HEADERS)


def _answer(request: web.Request, body: bytes, content_type: str, headers: Mapping[str, str]) -> web.Response:
    tag = hashlib.sha256(body).hexdigest()[:32]
    # RFC 9110 §13.1.2: the weak comparison, any of the list, or *
    known = request.if_none_match or ()
    same = any(etag.value in (tag, "*") for etag in known)
    response = web.Response(status=304) if same else web.Response(body=body, content_type=content_type, charset="utf-8")
    response.headers.update(headers)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    response.etag = tag
    return response


def page(document: Node) -> Iterator[str]:
    """The document as HTML, piece by piece."""
    info = document["info"]
    yield f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{escape(info['title'])}</title>"
    yield "<meta name=viewport content='width=device-width'>"
    yield f"<style>{STYLE}</style></head><body><a class=skip href='#main'>Skip to the content</a>"
    yield f"<header><h1>{escape(info['title'])}</h1><p>Version {escape(str(info['version']))}. "
    yield "As a document for machines: <a href=/openapi.json>openapi.json</a>.</p></header>"
    yield "<nav aria-label=Contents><ul>"
    for tag in document.get("tags", ()):
        yield f"<li><a href='#{_slug(tag['name'])}'>{escape(tag['name'])}</a></li>"
    yield "<li><a href='#problems'>Problems</a></li><li><a href='#schemas'>Schemas</a></li></ul></nav>"
    yield f"<main id=main>{_text(info.get('description', ''))}"
    for tag in document.get("tags", ()):
        yield f"<section><h2 id='{_slug(tag['name'])}'>{escape(tag['name'])}</h2>{_text(tag.get('description', ''))}"
        for path, method, operation in _operations(document, tag["name"]):
            yield from _operation(document, path, method, operation)
        yield "</section>"
    yield from _problems(document)
    yield from _schemas(document)
    yield "</main></body></html>\n"


def _operations(document: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if tag in item.get(method, {}).get("tags", ()):
                yield path, method, {**item[method], "parameters": _parameters(item, item[method])}


def _parameters(item: Node, operation: Node) -> list[Node]:
    return [*item.get("parameters", ()), *operation.get("parameters", ())]


def _operation(document: Node, path: str, method: str, operation: Node) -> Iterator[str]:
    yield f"<article><h3 id='{escape(operation['operationId'])}'><code><span class=method>{method}</span> "
    yield f"{escape(path)}</code></h3><p><strong>{escape(operation['summary'])}</strong></p>"
    yield _text(operation.get("description", ""))
    yield f"<p>{_needed(operation.get('security', document.get('security', ())))}</p>"
    parameters = [resolved(document, parameter) for parameter in operation["parameters"]]
    if parameters:
        rows = [(f"<code>{escape(p['name'])}</code>", p["in"], _inline(p.get("description", ""))) for p in parameters]
        yield _table(("parameter", "in", "meaning"), rows)
    body = resolved(document, operation.get("requestBody", {}))
    yield from _examples(document, "Request", body.get("content", {}))
    answers = {status: resolved(document, answer) for status, answer in operation["responses"].items()}
    yield _table(("status", "answer"), [(escape(s), _answer_cell(a)) for s, a in answers.items()])
    for status, answer in answers.items():
        yield from _examples(document, f"Answer {status}", answer.get("content", {}))
    yield "</article>"


def _needed(security: Sequence[Mapping[str, Sequence[str]]]) -> str:
    """Who may ask, in words."""
    if not any(security):
        return "For everybody; needs no token."
    schemes = {name for one in security for name in one}
    if "token" not in schemes:
        return f"Signed by the caller ({escape(', '.join(sorted(schemes)))})."
    roles = [" and ".join(one["token"]) for one in security if one.get("token")]
    who = f" of a person who is {escape(' or '.join(roles))}" if roles else ""
    return f"Needs <code>Authorization: Bearer gw_live_…</code> or <code>gw_test_…</code>{who}."


def _answer_cell(answer: Node) -> str:
    names = {
        media["schema"]["$ref"].rpartition("/")[2]
        for media in answer.get("content", {}).values()
        if "$ref" in media.get("schema", {})
    }
    links = ", ".join(f"<a href='#schema-{escape(name)}'>{escape(name)}</a>" for name in sorted(names))
    return _inline(answer.get("description", "")) + (f" ({links})" if links else "")


def _examples(document: Node, title: str, content: Node) -> Iterator[str]:
    for kind, media in content.items():
        for name, reference in media.get("examples", {}).items():
            example = resolved(document, reference)
            value = example["value"]
            shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            summary = escape(example.get("summary", name))
            yield f"<details><summary>{title}, <code>{escape(kind)}</code>: {summary}</summary>"
            yield f"<pre tabindex=0>{escape(shown)}</pre></details>"


def _problems(document: Node) -> Iterator[str]:
    yield "<section><h2 id=problems>Problems</h2>"
    yield "<p>The words that <code>reason</code> may have; <code>type</code> leads here.</p><dl>"
    for reason, meaning in document.get("x-problems", {}).items():
        yield f"<dt id='{escape(reason)}'><code>{escape(reason)}</code></dt><dd>{_inline(meaning)}</dd>"
    yield "</dl></section>"


def _schemas(document: Node) -> Iterator[str]:
    yield "<section><h2 id=schemas>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f"<h3 id='schema-{escape(name)}'>{escape(name)}</h3>{_text(schema.get('description', ''))}"
        rows = [
            (f"<code>{escape(key)}</code>", _type(value), _inline(value.get("description", "")))
            for key, value in schema.get("properties", {}).items()
        ]
        if rows:
            yield _table(("member", "type", "meaning"), rows)
    yield "</section>"


def _type(schema: Node) -> str:
    """A schema in a word or two: a link, the members of an enum, an array of something."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#schema-{name}'>{name}</a>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return escape(" or ".join(kind) if isinstance(kind, list) else str(kind))


def resolved(document: Node, node: Node) -> Node:
    """The node that a local $ref names, or the node itself."""
    if "$ref" not in node:
        return node
    found: Any = document
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return resolved(document, found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(word)}</th>" for word in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(words: str) -> str:
    """Paragraphs, with `code` between backquotes; nothing else of Markdown is used."""
    return "".join(f"<p>{_inline(part)}</p>" for part in words.strip().split("\n\n") if part.strip())


def _inline(words: str) -> str:
    parts = escape(words.strip()).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _slug(words: str) -> str:
    return escape(words.lower().replace(" ", "-"))

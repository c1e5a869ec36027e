"""A page with one button, for links in mails: a GET changes nothing, since scanners follow every link; a POST acts.

Knows: HTML without scripts, the reader's language. Never knows: what the button does.
Standard: WCAG 2.2 (a label, a status message, a page that needs no script).
"""

import base64
import hashlib
from collections.abc import Container
from html import escape

from aiohttp import web

_STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.5rem 1rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


def language_of(request: web.Request, known: Container[str]) -> str:
    """The first language of the browser that there are words in."""
    asked = (
        one.partition(";")[0].strip()[:2].lower() for one in request.headers.get("Accept-Language", "").split(",")[:20]
    )
    return next((one for one in asked if one in known), "en")


def button_page(language: str, title: str, button: str) -> web.Response:
    """The page before."""
    return _page(language, title, f'<form method="post"><button type="submit">{escape(button)}</button></form>')


def said_page(language: str, title: str, words: str, status: int = 200) -> web.Response:
    """The page after."""
    return _page(language, title, f'<p role="status">{escape(words)}</p>', status)


def _page(language: str, title: str, body: str, status: int = 200) -> web.Response:
    text = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>"
    )
    return web.Response(text=text, content_type="text/html", headers=_HEADERS, status=status)

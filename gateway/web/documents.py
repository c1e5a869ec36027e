"""Documents as downloads: a file with its name and type, that no browser takes for anything else.

Knows: HTTP headers. Never knows: what a document is about.
"""

from datetime import datetime

from aiohttp import web

from gateway.policy.forms import FORMS
from gateway.policy.paper import Paper


def filed(paper: Paper, form: str, name: str, at: datetime) -> web.Response:
    """The paper in a form of FORMS; takes a second for a long one: not on the loop."""
    return web.Response(
        body=FORMS[form].make(paper, at),
        headers={
            "Content-Type": FORMS[form].media_type,
            "Content-Disposition": f'attachment; filename="{name}.{form}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )

"""Manuals over HTTP: Markdown for those who alert, as it ships; works without a network.

Knows: which manuals there are, in which languages. Never knows: what they say.
Standard: RFC 7763 (text/markdown).
"""

import re
from importlib.resources import files

from aiohttp import web

from gateway.web.problem import problem

_FILE = re.compile(r"([a-z0-9-]+)\.([a-z]{2})\.md")
MAX_AGE_S = 300


class ManualPages:
    """GET /v1/manuals and /v1/manuals/{manual}; read once."""

    def __init__(self) -> None:
        folder = files("gateway.web").joinpath("static/manuals")
        found = [(match, item) for item in folder.iterdir() if (match := _FILE.fullmatch(item.name))]
        self._texts = {(match[1], match[2]): item.read_text(encoding="utf-8") for match, item in found}

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application; for everybody: there is no secret in a manual."""
        return [web.get("/v1/manuals", self.list_manuals), web.get("/v1/manuals/{manual}", self.manual)]

    async def list_manuals(self, _request: web.Request) -> web.Response:
        """All manuals with their titles."""
        found = [
            {
                "manual": name, "language": language, "title": text.partition("\n")[0].lstrip("# "),
                "link": f"/v1/manuals/{name}?language={language}",
            }
            for (name, language), text in sorted(self._texts.items())
        ]  # fmt: skip
        return web.json_response({"manuals": found})

    async def manual(self, request: web.Request) -> web.Response:
        """One manual, in the language that is asked for, else English."""
        name, language = request.match_info["manual"], request.query.get("language", "en")
        text = self._texts.get((name, language)) or self._texts.get((name, "en"))
        if text is None:
            return problem(404, "not-found", "There is no manual of this name.")
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/markdown", charset="utf-8", headers=headers)

"""The look-up of addresses over HTTP, for whoever registers: by words, or the house at a point of a map.

Knows: routes, JSON, that each asker has so many look-ups an hour. Never knows: SQL, citizens. See schemas/openapi.yaml.
"""

from aiohttp import web

from gateway.flows.locating import Locating
from gateway.flows.registering import Registering
from gateway.policy.registration import RegistrationRules, source_of
from gateway.web.problem import problem

MOST_CHARACTERS = 200


class PlacePages:
    """Handler of /v1/places."""

    def __init__(self, locating: Locating, registering: Registering, rules: RegistrationRules) -> None:
        self._locating = locating
        self._registering = registering
        self._rules = rules

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/v1/places", self.find)]

    async def find(self, request: web.Request) -> web.Response:
        """Places like `q`, or the house at `lon` and `lat`."""
        query = request.query
        point = _degrees(query.get("lon", ""), 180), _degrees(query.get("lat", ""), 90)
        if "q" not in query and None in point:
            return problem(422, "wrong-body", "Give q, or lon and lat.", mistakes=[])
        source = source_of(request.remote or "", request.headers.get("X-Forwarded-For", ""), self._rules.proxies)
        if not await self._registering.may_look(source):
            return problem(429, "too-often", "Too many look-ups. Try again later.", headers={"Retry-After": "60"})
        if "q" in query:
            found = await self._locating.search(query["q"].replace("\0", "")[:MOST_CHARACTERS])
        else:
            lon, lat = point
            assert lon is not None
            assert lat is not None
            found = await self._locating.at(lon, lat, query.get("language", "").replace("\0", "")[:3])
        return web.json_response({"places": found}, headers={"Cache-Control": "no-store"})


def _degrees(text: str, limit: int) -> float | None:
    try:
        value = float(text[:40])
    except ValueError:
        return None
    return value if -limit < value < limit else None

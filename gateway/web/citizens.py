"""Citizens over HTTP: register, prove, see and change one's own registration, leave. For everybody, without a token.

Knows: routes, JSON, who asks (the network address). Never knows: SQL, codes, who is registered: what is answered before
a proof is the same for everybody. See schemas/openapi.yaml.
Standard: RFC 6750 (the self-service's session as a bearer token), RFC 6585 §4 (429).
"""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, model_validator

from gateway.flows.answers import Answer
from gateway.flows.locating import Locating
from gateway.flows.registering import CLASS_BITS, Registering, Wish
from gateway.model import ChannelName
from gateway.policy.registration import MOST_PLACES, Endpoint, RegistrationRules, read_endpoint, source_of
from gateway.store.citizens import Place
from gateway.web.bodies import Body, taking
from gateway.web.problem import as_response, problem

NO_STORE = {"Cache-Control": "no-store"}
MOST_SESSION_CHARACTERS = 100
Class = Literal["prevention", "news", "other"]
LANGUAGE = "^[a-z]{2,3}$"
NAME = r"^[^\x00-\x1f]*$"


class PlaceWanted(Body):
    """An address: a point, one from the look-up, or a municipality as a whole. Exactly one of them."""

    label: str = Field(default="", max_length=200, pattern=NAME)
    lon: float | None = Field(default=None, ge=-180, lt=180)
    lat: float | None = Field(default=None, ge=-90, le=90)
    address: int | None = Field(default=None, ge=1, le=2**62)
    municipality: str | None = Field(default=None, max_length=20, pattern="^[A-Za-z0-9-]+$")

    @model_validator(mode="after")
    def _one_way(self) -> "PlaceWanted":
        given = [self.lon is not None, self.address is not None, self.municipality is not None]
        if (self.lon is None) != (self.lat is None) or given.count(True) != 1:
            raise ValueError("give lon and lat, or address, or municipality")
        return self


Places = Annotated[tuple[PlaceWanted, ...], Field(max_length=MOST_PLACES)]


class Endpoints(Body):
    """A mobile number or an e-mail address."""

    mobile: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=254)
    language: str = Field(default="nl", pattern=LANGUAGE)

    @model_validator(mode="after")
    def _some(self) -> "Endpoints":
        if not self.mobile and not self.email:
            raise ValueError("give mobile or email")
        return self


class Registration(Endpoints):
    """What somebody registers; `consent` has to be said."""

    consent: Literal[True]
    name: str = Field(default="", max_length=200, pattern=NAME)
    places: Places = Field(min_length=1)
    opt_out: frozenset[Class] = frozenset()


class OwnChange(Body):
    """What a citizen changes; what is absent stays."""

    name: str | None = Field(default=None, max_length=200, pattern=NAME)
    language: str | None = Field(default=None, pattern=LANGUAGE)
    places: Places | None = Field(default=None, min_length=1)
    opt_out: frozenset[Class] | None = None


class Proof(Body):
    """A code or link that came."""

    proof: str = Field(max_length=100)
    code: str = Field(max_length=100)


class GivenUp(Body):
    """Which way is given up."""

    channel: Literal["sms", "email"]


class CitizenPages:
    """Handlers of /v1/citizens."""

    def __init__(self, registering: Registering, rules: RegistrationRules, locating: Locating) -> None:
        self._registering = registering
        self._rules = rules
        self._locating = locating

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [
            web.post("/v1/citizens", taking(Registration, self.register)),
            web.post("/v1/citizens/confirm", taking(Proof, self.confirm)),
            web.post("/v1/citizens/links", taking(Endpoints, self.link)),
            web.get("/v1/citizens/me", self.seen),
            web.post("/v1/citizens/me", taking(OwnChange, self.change)),
            web.post("/v1/citizens/me/endpoints", taking(Endpoints, self.add)),
            web.post("/v1/citizens/me/endpoints/remove", taking(GivenUp, self.give_up)),
            web.post("/v1/citizens/me/erase", self.erase),
            web.post("/v1/citizens/me/close", self.close),
        ]

    async def register(self, request: web.Request, body: Registration) -> web.Response:
        """Keep it until each number or address is proven."""
        endpoints = self._endpoints(body)
        if isinstance(endpoints, web.Response):
            return endpoints
        places = await self._found(body.places, body.language)
        if isinstance(places, web.Response):
            return places
        wish = Wish(name=body.name, language=body.language, opt_out=_bits(body.opt_out), places=places)
        return _said(await self._registering.begin(wish, endpoints, self._source(request)))

    async def confirm(self, _request: web.Request, body: Proof) -> web.Response:
        """Prove a number or address."""
        return _said(await self._registering.confirm(body.proof, body.code))

    async def link(self, request: web.Request, body: Endpoints) -> web.Response:
        """A way into the self-service for whoever is registered, by one message."""
        endpoints = self._endpoints(body)
        if isinstance(endpoints, web.Response):
            return endpoints
        return _said(await self._registering.link(endpoints[0], body.language, self._source(request)))

    async def seen(self, request: web.Request) -> web.Response:
        """One's own registration."""
        return _said(await self._registering.seen(_session(request)))

    async def change(self, request: web.Request, body: OwnChange) -> web.Response:
        """Change one's own registration."""
        places = None if body.places is None else await self._found(body.places, body.language or "")
        if isinstance(places, web.Response):
            return places
        bits = None if body.opt_out is None else _bits(body.opt_out)
        wish = Wish(name=body.name, language=body.language, opt_out=bits, places=places)
        return _said(await self._registering.change(_session(request), wish))

    async def add(self, request: web.Request, body: Endpoints) -> web.Response:
        """Another number or address, to be proven."""
        endpoints = self._endpoints(body)
        if isinstance(endpoints, web.Response):
            return endpoints
        return _said(await self._registering.add(_session(request), endpoints[0], self._source(request)))

    async def give_up(self, request: web.Request, body: GivenUp) -> web.Response:
        """A number or address less."""
        return _said(await self._registering.give_up(_session(request), ChannelName(body.channel)))

    async def erase(self, request: web.Request) -> web.Response:
        """Leave, and be forgotten."""
        return _said(await self._registering.erase(_session(request)))

    async def close(self, request: web.Request) -> web.Response:
        """Close the self-service."""
        return _said(await self._registering.leave(_session(request)))

    def _endpoints(self, body: Endpoints) -> list[Endpoint] | web.Response:
        given = ((ChannelName.SMS, "mobile", body.mobile), (ChannelName.EMAIL, "email", body.email))
        read = [(name, read_endpoint(channel, text, self._rules)) for channel, name, text in given if text]
        mistakes = [{"at": name, "message": found} for name, found in read if isinstance(found, str)]
        return _wrong(mistakes) if mistakes else [found for _, found in read if isinstance(found, Endpoint)]

    async def _found(self, wanted: tuple[PlaceWanted, ...], language: str) -> tuple[Place, ...] | web.Response:
        found = [await self._place(one, language) for one in wanted]
        mistakes = [{"at": f"places.{at}", "message": one} for at, one in enumerate(found) if isinstance(one, str)]
        return _wrong(mistakes) if mistakes else tuple(one for one in found if isinstance(one, Place))

    async def _place(self, wanted: PlaceWanted, language: str) -> Place | str:
        if wanted.address is not None:
            return await self._locating.house(wanted.address, wanted.label, language)
        if wanted.municipality is not None:
            return await self._locating.municipality(wanted.municipality, wanted.label, language)
        assert wanted.lon is not None
        assert wanted.lat is not None
        return await self._locating.point(wanted.lon, wanted.lat, wanted.label, language)

    def _source(self, request: web.Request) -> str:
        return source_of(request.remote or "", request.headers.get("X-Forwarded-For", ""), self._rules.proxies)


def _bits(classes: frozenset[Class]) -> int:
    return sum(CLASS_BITS[one] for one in classes)


def _session(request: web.Request) -> str:
    """The bearer token, "" when there is none: then no session is found."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip()[:MOST_SESSION_CHARACTERS] if scheme.lower() == "bearer" and token.isascii() else ""


def _wrong(mistakes: list[dict[str, str]]) -> web.Response:
    return problem(422, "wrong-body", "The body is not what this takes.", mistakes=mistakes)


def _said(answer: Answer) -> web.Response:
    """The flow's answer; who asked too often is told when to come back."""
    if answer.status < 400:
        return web.json_response(answer.body, status=answer.status, headers=NO_STORE)
    headers = dict(NO_STORE)
    if answer.status == 429:
        headers["Retry-After"] = str(answer.body["retry_after_s"])
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return as_response(answer.status, answer.body, headers)

"""Agreement over HTTP: approve a held campaign, or break the glass.

Knows: routes, JSON. Never knows: who may agree, seals. See schemas/openapi.yaml.
"""

from aiohttp import web
from pydantic import Field

from gateway.flows.agreeing import Agreeing
from gateway.model import Role
from gateway.web.access import AUTHORITY, Access
from gateway.web.api import answered
from gateway.web.bodies import Body, taking


class Approval(Body):
    """`seal`: what the approver saw, as in the campaign's `approval`; absent = as it was at acceptance."""

    seal: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")


class BrokenGlass(Body):
    """Why this can not wait."""

    reason: str = ""


class AgreeingPages:
    """Approve and break-glass of /v1/campaigns."""

    def __init__(self, agreeing: Agreeing, access: Access) -> None:
        self._agreeing = agreeing
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.post("/v1/campaigns/{campaign}/approve", known(taking(Approval, self.approve))),
            web.post(
                "/v1/campaigns/{campaign}/break-glass", known(taking(BrokenGlass, self.break_glass), Role.BREAK_GLASS)
            ),
        ]

    async def approve(self, request: web.Request, body: Approval) -> web.Response:
        """Agree to a held campaign."""
        return answered(await self._agreeing.approve(request.match_info["campaign"], request[AUTHORITY], body.seal))

    async def break_glass(self, request: web.Request, body: BrokenGlass) -> web.Response:
        """Let a held campaign go without agreement."""
        name = request.match_info["campaign"]
        return answered(await self._agreeing.break_glass(name, request[AUTHORITY], body.reason))

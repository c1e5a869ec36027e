"""One person's data over HTTP: everything that is held of a contact, and its end.

Knows: routes, JSON; that citizens, whom no entity sees, are erased by the platform when they call it.
Never knows: SQL, what keeps the counts. See schemas/openapi.yaml.
"""

from aiohttp import web
from pydantic import Field, model_validator

from gateway.model import ChannelName, Role
from gateway.policy.registration import RegistrationRules, read_endpoint
from gateway.store import audit, citizens, erasing
from gateway.store.erasing import as_told
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.entities import platform_only
from gateway.web.exports import LEAST_REASON
from gateway.web.keeping import REACH, keeping
from gateway.web.persons import not_found
from gateway.web.problem import problem


class Reason(Body):
    """Why somebody's data is taken out: their own request, as a rule."""

    reason: str = Field(min_length=LEAST_REASON, max_length=1000)


class Caller(Body):
    """A citizen by one number or address."""

    mobile: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=254)

    @model_validator(mode="after")
    def _one(self) -> "Caller":
        if bool(self.mobile) == bool(self.email):
            raise ValueError("give mobile or email")
        return self


class ErasingPages(Pages):
    """Handlers of what concerns one person only."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.post("/v1/contacts/{contact}/data", known(taking(Reason, self.take_data), Role.EXPORTER)),
            web.post("/v1/contacts/{contact}/erase", known(keeping(self.erase))),
            web.post("/v1/citizens/erase", known(platform_only(taking(Caller, self.erase_citizen)), Role.ADMIN)),
        ]

    async def take_data(self, request: web.Request, body: Reason) -> web.Response:
        """Everything that is held of one contact."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await erasing.held(connection, authority.entity_id, None, request.match_info["contact"])
            if found is None:
                return not_found()
            number = await erasing.note_taken(connection, authority.entity_id, found, body.reason, authority.holder)
            subject = f"export_request:{number}"
            await audit.write(connection, authority.entity_id, "contacts.data-taken", subject, {"count": 1})
        return web.json_response(as_told(found), headers={"Cache-Control": "no-store"})

    async def erase(self, request: web.Request) -> web.Response:
        """A person leaves for good; what was sent loses their address and still counts."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            number = await erasing.erase(
                connection, authority.entity_id, reach.partnerships, request.match_info["contact"], authority.holder
            )
            if number is None:
                return not_found()
            await audit.write(connection, authority.entity_id, "contacts.erased", f"erasure:{number}", {"count": 1})
        return web.json_response({"erased": True, "erasure": number})

    async def erase_citizen(self, request: web.Request, body: Caller) -> web.Response:
        """A citizen who called leaves for good."""
        channel, text = (ChannelName.SMS, body.mobile) if body.mobile else (ChannelName.EMAIL, body.email)
        endpoint = read_endpoint(channel, text, RegistrationRules(secret=b"", service="", link=""))
        if isinstance(endpoint, str):
            mistakes = [{"at": "mobile" if body.mobile else "email", "message": endpoint}]
            return problem(422, "wrong-body", "The body is not what this takes.", mistakes=mistakes)
        holder = request[AUTHORITY].holder
        async with self._store.acting(holder) as connection:
            number = await citizens.find(connection, *endpoint)
            erasure = None if number is None else await citizens.erase(connection, number, holder)
        return not_found() if erasure is None else web.json_response({"erased": True, "erasure": erasure})

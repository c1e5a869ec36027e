"""Whose contacts the asker may see or keep, found before a handler runs, and whom a new one belongs to.

Knows: policy's answer about contacts, partnerships. Never knows: routes, contacts.
"""

from collections.abc import Callable

from aiohttp import web

from gateway.policy.contacts import MOST_SEEN_AN_HOUR, Reach, may_keep, may_see
from gateway.policy.rights import Authority, Refusal
from gateway.store import audit, persons
from gateway.store.pool import Connection, Store
from gateway.web.access import AUTHORITY
from gateway.web.bodies import Handler
from gateway.web.persons import not_found
from gateway.web.problem import problem

REACH = web.RequestKey("reach", Reach)
RETRY_AFTER_S = "600"


def seeing(store: Store, handler: Handler) -> Handler:
    """The handler for who may see contacts and has not seen too many within the hour: nobody copies an address book by
    leafing through it. It finds whose in request[REACH]."""

    async def counted(request: web.Request) -> web.StreamResponse:
        authority = request[AUTHORITY]
        async with store.tenant(authority.entity_id) as connection:
            seen = await audit.seen_lately(connection, authority.entity_id, authority.holder)
        if seen >= MOST_SEEN_AN_HOUR:
            return problem(
                429, "too-often", f"You have seen {seen} contacts within the hour. An export gives them all, with a "
                "reason and a second person.", headers={"Retry-After": RETRY_AFTER_S},
            )  # fmt: skip
        return await handler(request)

    return _within(may_see, counted)


def keeping(handler: Handler) -> Handler:
    """The handler for who may keep contacts; it finds whose in request[REACH]."""
    return _within(may_keep, handler)


def _within(question: Callable[[Authority], Reach | Refusal], handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        reach = question(request[AUTHORITY])
        if isinstance(reach, Refusal):
            return problem(reach.status, reach.reason, reach.message)
        request[REACH] = reach
        return await handler(request)

    return guarded


async def partnership_of(
    connection: Connection, entity_id: int, reach: Reach, slug: str | None
) -> int | web.Response | None:
    """The partnership that a contact, group or import is for: a coordinator has to name one of their own."""
    if slug is None:
        if reach.partnerships is None:
            return None
        if len(reach.partnerships) == 1:
            return reach.partnerships[0]
        return problem(422, "wrong-body", "Say which of your partnerships this is for.", mistakes=[])
    known = {row["slug"]: int(row["id"]) for row in await persons.partnerships(connection, entity_id)}
    found = known.get(slug)
    if found is None or (reach.partnerships is not None and found not in reach.partnerships):
        return not_found()
    return found


def word(text: str) -> str:
    """What a parameter says, as the database takes it."""
    return text.replace("\0", "")[:300]

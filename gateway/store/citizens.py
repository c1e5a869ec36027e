"""Citizens who register themselves: what waits for a proof, the self-service, how often anybody may ask.

Knows: the tables of migrations/0060, citizens as contacts of the platform. Never knows: how a code is made or sent,
HTTP, what may be registered.
"""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.cap.cells import Cell
from gateway.cap.cover import as_columns
from gateway.model import ChannelName, EntityKind
from gateway.store import audit, registry
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("citizens")
SMS = registry.CHANNEL_CODES[ChannelName.SMS]
CITIZEN = "citizen"
_PLATFORM = "SELECT id FROM entity WHERE slug = 'platform'"


class NewProof(NamedTuple):
    """A code or link to be sent; `wish` or `contact` is what it is for, neither: to open the self-service."""

    handle: str
    channel: ChannelName
    endpoint: str
    language: str
    nonce: bytes
    digest: bytes
    wish: int | None = None
    contact: int | None = None


class Place(NamedTuple):
    """One address of a citizen."""

    label: str
    lon: float
    lat: float


async def may_ask(connection: Connection, name: bytes, *, every_s: float, at_once: int) -> bool:
    """Whether this may be asked once more under this name: one in `every_s` seconds, and `at_once` in a burst."""
    debt_s = every_s * (at_once - 1)
    return await connection.fetchval(_SQL["citizen_rate"], name, every_s, debt_s) is not None


async def put_wish(connection: Connection, data: dict[str, Any], lasts_s: float) -> int:
    """Keep what somebody would like to register; its number."""
    number: int = await connection.fetchval(_SQL["citizen_wish_put"], data, lasts_s)
    return number


async def put_proof(connection: Connection, proof: NewProof, lasts_s: float) -> None:
    """Have a code or link sent; every node is told."""
    code = registry.CHANNEL_CODES[proof.channel]
    await connection.execute(
        _SQL["citizen_proof_put"], proof.handle, code, proof.endpoint, proof.language, proof.wish, proof.contact,
        proof.nonce, proof.digest, lasts_s,
    )  # fmt: skip
    await connection.execute("SELECT pg_notify('gateway', 'citizens')")


async def proofs_due(connection: Connection, channels: Sequence[ChannelName], limit: int) -> list[Any]:
    """What is to be sent now, taken for a while."""
    codes = [registry.CHANNEL_CODES[channel] for channel in channels]
    return list(await connection.fetch(_SQL["citizen_proofs_due"], codes, limit))


async def proof_again(connection: Connection, number: int, in_s: float | None) -> None:
    """It is due again so much later; None: never."""
    await connection.execute(_SQL["citizen_proof_again"], number, in_s)


async def try_proof(connection: Connection, handle: str, most: int) -> Any:
    """One try of a proof: its row, or None when there are none left."""
    return await connection.fetchrow(_SQL["citizen_proof_try"], handle, most)


async def use_proof(connection: Connection, row: Any) -> int | None:
    """What a proof that came back does: its wish is fulfilled, its endpoint becomes a citizen's, or nothing but who it
    is. The citizen's number; None when there is nobody, or it was used meanwhile."""
    await connection.execute(_SQL["citizen_endpoint_lock"], row["endpoint"])
    if await connection.fetchval(_SQL["citizen_proof_use"], row["id"]) is None:
        return None
    known: int | None = await connection.fetchval(_SQL["citizen_by_endpoint"], row["channel"], row["endpoint"])
    if row["wish_id"] is not None:
        known = await _fulfilled(connection, row, known)
    elif row["contact_id"] is not None:
        known = row["contact_id"]
    if known is not None:
        await _take_endpoint(connection, known, row["channel"], row["endpoint"])
    return known


async def _fulfilled(connection: Connection, row: Any, known: int | None) -> int | None:
    """The citizen of a wish: of its first endpoint, or `known`, or new."""
    wish = await connection.fetchrow(_SQL["citizen_wish_take"], row["wish_id"])
    if wish is None:
        return None
    if wish["contact_id"] is not None:
        number: int = wish["contact_id"]
        return number
    data = wish["data"]
    act = "citizen.changed"
    if known is None:
        source = f"self:{registry.CHANNELS[row['channel']].value}"
        known = await connection.fetchval(
            _SQL["citizen_put"], data["name"], data["language"], data["opt_out"], source, f"self-{secrets.token_hex(8)}"
        )
        act = "citizen.registered"
    assert known is not None
    places = [Place(*place) for place in data["places"]]
    await change(connection, known, act, data["name"], data["language"], data["opt_out"], places)
    await connection.execute(_SQL["citizen_wish_done"], row["wish_id"], known)
    return known


async def _take_endpoint(connection: Connection, number: int, channel: int, endpoint: str) -> None:
    """Who proved an endpoint last has it, alone among the citizens."""
    others = await connection.fetch(_SQL["citizen_lose_endpoint"], number, channel, endpoint)
    gone = await connection.fetch(_SQL["citizen_unreachable"], [row["id"] for row in others], CITIZEN)
    for row in gone:
        await _note(connection, "citizen.erased", row["id"])
    await connection.execute(_SQL["citizen_take_endpoint"], number, channel, endpoint)


async def change(
    connection: Connection,
    number: int,
    act: str = "citizen.changed",
    name: str | None = None,
    language: str | None = None,
    opt_out: int | None = None,
    places: Sequence[Place] | None = None,
) -> None:
    """What a citizen says of themselves; None stays."""
    await connection.execute(_SQL["citizen_change"], number, name, language, opt_out)
    if places is not None:
        await connection.execute(_SQL["citizen_place_drop"], number)
        platform: int = await connection.fetchval(_PLATFORM)
        await registry.put_places(connection, platform, [(number, slot, *p) for slot, p in enumerate(places, 1)])
    await _note(connection, act, number)


async def drop_endpoint(connection: Connection, number: int, channel: ChannelName) -> bool:
    """Give up a number or address; False when it is the last."""
    code = registry.CHANNEL_CODES[channel]
    if await connection.fetchval(_SQL["citizen_drop_endpoint"], number, code) is None:
        return False
    await _note(connection, "citizen.changed", number)
    return True


async def show(connection: Connection, number: int) -> Any:
    """A citizen as they see themselves, or None."""
    return await connection.fetchrow(_SQL["citizen_show"], number)


async def find(connection: Connection, channel: ChannelName, endpoint: str) -> int | None:
    """The citizen whose number or address this is."""
    number: int | None = await connection.fetchval(
        _SQL["citizen_by_endpoint"], registry.CHANNEL_CODES[channel], endpoint
    )
    return number


async def erase(connection: Connection, number: int, by: str = CITIZEN) -> int | None:
    """A citizen goes, with everything that is known of them here; what was sent to them loses its address when its
    campaign is closed (erasing.forget). The number of the erasure, None when there is no such citizen."""
    row = await show(connection, number)
    if row is None:
        return None
    erasure: int = await connection.fetchval(_SQL["citizen_erase"], number, by)
    endpoints = [str(one).lower() for one in (row["mobile"], row["email"]) if one]
    await connection.execute(_SQL["citizen_proofs_forget"], endpoints)
    await _note(connection, "citizen.erased", number, by)
    return erasure


async def open_session(connection: Connection, number: int, digest: bytes, lasts_s: float) -> None:
    """Open the self-service of a citizen."""
    await connection.execute(_SQL["citizen_session_put"], digest, number, lasts_s)


async def session_of(connection: Connection, digest: bytes) -> int | None:
    """Whose session this is, while it is open."""
    number: int | None = await connection.fetchval(_SQL["citizen_session_of"], digest)
    return number


async def end_session(connection: Connection, digest: bytes) -> None:
    """Close it."""
    await connection.execute(_SQL["citizen_session_end"], digest)


async def forget(connection: Connection) -> int:
    """Drop everything that has run out; how many proofs and wishes."""
    number: int = await connection.fetchval(_SQL["citizen_forget"])
    return number


async def registered_in(connection: Connection, cells: Sequence[Cell]) -> list[Any]:
    """language, month, citizens, sms, email, voice: who is registered in these cells, counted."""
    return list(await connection.fetch(_SQL["citizens_in"], *as_columns(cells)))


async def territory(connection: Connection, slug: str) -> tuple[EntityKind, list[Ring]] | None:
    """The kind and territory of an entity."""
    row = await connection.fetchrow(_SQL["citizen_territory"], slug)
    if row is None:
        return None
    return EntityKind(row["kind"]), [Ring(tuple((lon, lat) for lon, lat in ring)) for ring in row["territory"]]


async def _note(connection: Connection, act: str, number: int, by: str = CITIZEN) -> None:
    platform: int = await connection.fetchval(_PLATFORM)
    await audit.write(connection, platform, act, f"contact:{number}", {}, by)

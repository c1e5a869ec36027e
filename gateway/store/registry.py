"""Who may alert and who is alerted: tokens, entities, groups, geocodes, citizens.

Knows: the tables of migrations/0001. Never knows: rights (it only reports them), texts, channels' protocols.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.cap.cells import Cell, morton
from gateway.cap.cover import as_columns
from gateway.cap.trust import Trust
from gateway.model import ChannelName, EntityKind, MessageClass, Purpose, Realm, Role, SecondWay, SignatureRule
from gateway.policy.rights import Authority, EntityPolicy, Identity
from gateway.policy.security import in_force, networks_of
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("registry")
CHANNEL_CODES = {ChannelName.SMS: 1, ChannelName.VOICE: 2, ChannelName.EMAIL: 3}
CHANNELS = {code: name for name, code in CHANNEL_CODES.items()}
OPT_OUT_BITS = {MessageClass.URGENT: 1, MessageClass.PREVENTION: 2, MessageClass.NEWS: 4, MessageClass.OTHER: 8}


class Group(NamedTuple):
    """A group that an alert may name."""

    id: int
    slug: str
    exercises: bool
    partnership: int | None = None
    agreement: str = "none"


class Target(NamedTuple):
    """Whom an alert reaches: citizens in cells, own contacts in groups."""

    cells: Sequence[Cell] = ()
    groups: Sequence[int] = ()


class Citizen(NamedTuple):
    """A registered citizen to store: `key` is the registrar's own; `places` are (label, lon, lat)."""

    key: str
    name: str
    language: str
    mobile: str | None
    landline: str | None
    email: str | None
    places: Sequence[tuple[str, float, float]]


async def put_citizens(
    connection: Connection, entity_id: int, citizens: Sequence[Citizen], consent_source: str
) -> None:
    """Register many citizens with their addresses; those known by key are changed."""
    rows = await connection.fetch(
        _SQL["insert_contacts"],
        entity_id,
        True,
        [c.name for c in citizens],
        [c.language for c in citizens],
        [c.mobile for c in citizens],
        [c.landline for c in citizens],
        [c.email for c in citizens],
        [0] * len(citizens),
        [c.key for c in citizens],
        consent_source,
    )
    ids = {row["key"]: row["id"] for row in rows}
    await put_places(
        connection,
        entity_id,
        [(ids[c.key], slot, *place) for c in citizens for slot, place in enumerate(c.places, 1)],
    )


async def put_places(
    connection: Connection, entity_id: int, places: Sequence[tuple[int, int, str, float, float]]
) -> None:
    """Address points of contacts: (contact, slot, label, lon, lat)."""
    await connection.execute(
        _SQL["insert_addresses"],
        entity_id,
        [p[0] for p in places],
        [p[1] for p in places],
        [p[2] for p in places],
        [p[3] for p in places],
        [p[4] for p in places],
        [morton(p[3], p[4]) for p in places],
    )


async def citizens_of_source(connection: Connection, consent_source: str) -> int:
    """How many citizens registered there."""
    number: int = await connection.fetchval(_SQL["citizens_of_source"], consent_source)
    return number


async def drop_citizens_after(connection: Connection, consent_source: str, last_key: str) -> None:
    """Remove the citizens of a source whose key sorts after this one."""
    await connection.execute(_SQL["drop_citizens_after"], consent_source, last_key)


async def authority_of_token(connection: Connection, token: str) -> Authority | None:
    """The authority behind a bearer token, None when it is unknown, revoked or expired."""
    return await authority_of_digest(connection, hashlib.sha256(token.encode()).digest())


async def authority_of_digest(
    connection: Connection, digest: bytes, entity: str | None = None, realm: str | None = None
) -> Authority | None:
    """The authority behind the digest of a credential, None as above. A session's is asked for as which entity it acts
    and in which world; a token has but one of each."""
    row = await connection.fetchrow(_SQL["token_holder"], digest, entity, realm)
    if row is None or row["revoked"] or row["expired"]:
        return None
    if row["token_id"] is not None:
        await connection.execute(_SQL["touch_token"], row["token_id"])
    return authority_of(row)


def authority_of(row: Any) -> Authority:
    """The authority that a row of token_authority tells of."""
    granted = [(MessageClass(c), ChannelName(h), place, purposes) for c, h, place, purposes in row["mandates"]]
    return Authority(
        entity_id=row["entity_id"],
        slug=row["slug"],
        name=row["name"],
        kind=EntityKind(row["kind"]),
        live=row["live"],
        suspended=row["suspended"],
        realm=Realm(row["realm"]),
        token_id=row["token_id"],
        languages=tuple(row["languages"]),
        rings=_rings(row["territory"]),
        mandates=frozenset((c, h) for c, h, place, _ in granted if place is None),
        policy=_policy(in_force(row["policy"], row["platform_policy"])),
        identity=Identity(
            signatures=SignatureRule(row["signatures"]),
            trust=Trust(pinned=tuple(row["pinned"]), authorities=tuple(row["authorities"])),
            allow_sha1=row["allow_sha1"],
            senders=tuple(row["senders"]),
        ),
        cap_answers=row["cap_answers"],
        person_id=row["person_id"],
        trained=row["trained"],
        roles=frozenset(Role(role) for role in row["roles"]),
        partner_roles=frozenset((place, role) for place, role in row["partner_roles"]),
        within=frozenset((place, c, h) for c, h, place, _ in granted if place is not None),
        purposes=frozenset((c, h, Purpose(p)) for c, h, place, of in granted if place is None for p in of),
    )


def _rings(stored: Sequence[Sequence[Sequence[float]]]) -> tuple[tuple[tuple[float, float], ...], ...]:
    return tuple(tuple((lon, lat) for lon, lat in ring) for ring in stored)


def _policy(stored: Mapping[str, Any]) -> EntityPolicy:
    usual, security = EntityPolicy(), stored["security"]
    channels = dict(usual.channels) | {
        MessageClass(c): tuple(ChannelName(h) for h in names) for c, names in stored.get("channels", {}).items()
    }
    return EntityPolicy(
        channels=tuple(channels.items()),
        approval=frozenset(MessageClass(c) for c in stored.get("approval", ())),
        declaration=frozenset(MessageClass(c) for c in stored.get("declaration", ())),
        approval_above=tuple((MessageClass(c), int(n)) for c, n in stored.get("approval_above", {}).items()),
        training=bool(stored.get("training_required", False)),
        clip=stored.get("partly_outside", "clip") != "refuse",
        escalation=tuple((MessageClass(c), 60.0 * m) for c, m in (stored.get("escalation_minutes") or {}).items()),
        quiet=_hours(stored.get("quiet_hours")),
        second_way=SecondWay(security["second_way"]) if "second_way" in security else None,
        networks=networks_of(security["networks"]) if "networks" in security else None,
    )


def _hours(stored: Sequence[str] | None) -> tuple[time, time] | None:
    return (time.fromisoformat(stored[0]), time.fromisoformat(stored[1])) if stored else None


async def groups_by_slug(connection: Connection, entity_id: int, slugs: Sequence[str]) -> list[Group]:
    """The entity's own groups with these slugs; what is missing does not exist for it."""
    rows = await connection.fetch(_SQL["groups_by_slug"], entity_id, list(slugs))
    return [Group(*row) for row in rows]


async def geocode_rings(
    connection: Connection, codes: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Ring, ...]]:
    """The outlines of the geocodes that are on record."""
    if not codes:
        return {}
    rows = await connection.fetch(_SQL["geocode_rings"], [c[0] for c in codes], [c[1] for c in codes])
    return {(r["scheme"], r["value"]): tuple(Ring(points) for points in _rings(r["rings"])) for r in rows}


async def count_targets(
    connection: Connection, entity_id: int, message_class: MessageClass, channels: Sequence[ChannelName], target: Target
) -> dict[tuple[ChannelName, str], int]:
    """Messages by channel and the people's language, nothing written."""
    rows = await connection.fetch(
        _SQL["count_targets"],
        entity_id,
        OPT_OUT_BITS[message_class],
        [CHANNEL_CODES[c] for c in channels],
        list(target.groups),
        *as_columns(target.cells),
    )
    return {(CHANNELS[row["channel"]], row["language"]): row["messages"] for row in rows}


async def texts_to_send(connection: Connection, campaign: int) -> list[Any]:
    """The texts of one campaign and what goes along with them, as rows."""
    return list(await connection.fetch(_SQL["texts_of_campaign"], campaign))


async def campaign_for_texts(connection: Connection, campaign: int) -> Any:
    """What a channel has to know of a campaign beside its texts."""
    return await connection.fetchrow(_SQL["campaign_for_texts"], campaign)

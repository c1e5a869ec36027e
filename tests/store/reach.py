"""People to tell, and one slice of a fan-out that tells them."""

from collections.abc import Sequence

from gateway.cap.area import Disc
from gateway.cap.cells import Cell
from gateway.cap.cover import cover_union
from gateway.model import ChannelName, MessageClass
from gateway.policy.importing import ImportedContact
from gateway.store import admin, contacts, fan_out, registry
from gateway.store.fan_out import NewRows, Slice
from gateway.store.pool import Connection
from gateway.store.registry import Citizen, Target
from tests.store import made

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
HERE, THERE = (4.40, 50.85), (4.60, 50.95)
TEXTS = [("nl", SMS, 0), ("nl", VOICE, 1), ("nl", EMAIL, 2), ("fr", SMS, 3), ("fr", VOICE, 4), ("fr", EMAIL, 5)]


def around(*places: tuple[float, float], radius_km: float = 1.0) -> list[Cell]:
    return cover_union([Disc(*place, radius_km) for place in places])


def citizen(key: str, *places: tuple[float, float], **more: str) -> Citizen:
    fields: dict[str, str | None] = {"language": "nl", "mobile": None, "landline": None, "email": None, **more}
    return Citizen(key=key, name="", places=[("", *place) for place in places or (HERE,)], **fields)  # type: ignore[arg-type]


async def citizens(connection: Connection, *people: Citizen) -> None:
    platform = await connection.fetchval("SELECT id FROM entity WHERE slug = 'platform'")
    await registry.put_citizens(connection, platform, people, "test")


async def group_of(connection: Connection, entity_id: int, slug: str, **people: dict[str, str]) -> int:
    """A group with contacts of the entity, all made now."""
    await admin.create_group(connection, entity_id=entity_id, slug=slug, name=slug)
    made_now = [ImportedContact(row=1, key=key, **fields) for key, fields in people.items()]  # type: ignore[arg-type]
    await admin.import_contacts(connection, entity_id, made_now)
    ((number, *_),) = await registry.groups_by_slug(connection, entity_id, [slug])
    ids = [r["id"] for r in await connection.fetch("SELECT id FROM contact WHERE key = ANY ($1::text[])", list(people))]
    await admin.add_members(connection, number, entity_id, ids)
    return number


async def tell(
    connection: Connection,
    campaign: int,
    entity_id: int,
    target: Target | Slice,
    *,
    channels: Sequence[ChannelName] = made.CHANNELS,
    message_class: MessageClass = MessageClass.URGENT,
    first_seq: int = 1,
    transport: int = 1,
    texts: Sequence[tuple[str, ChannelName, int]] | None = None,
) -> list[NewRows]:
    whom = target if isinstance(target, Slice) else Slice(cells=target.cells, people=[
        number for group in target.groups
        for number in await contacts.numbers_of_group(connection, entity_id, group, 0, 1_000)
    ])  # fmt: skip
    texts = [t for t in TEXTS if t[1] in channels] if texts is None else texts
    found = await fan_out.find(
        connection, entity_id=entity_id, transport=transport, message_class=message_class, channels=channels,
        texts=texts, whom=whom,
    )  # fmt: skip
    return await fan_out.write(
        connection, campaign=campaign, first_seq=first_seq, entity_id=entity_id, transport=transport, texts=texts,
        found=found,
    )  # fmt: skip

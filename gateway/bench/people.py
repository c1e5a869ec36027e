"""Everybody in a bench: one authority, and registered citizens with exactly one endpoint each.

Knows: the tables of people, as far as COPY fills them. Never knows: channels' rates, alerts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from gateway.bench.places import COUNTRY_RADIUS_KM, homes, territory
from gateway.cap.area import Point, Ring
from gateway.cap.cells import morton
from gateway.model import ChannelName, EntityKind, Realm
from gateway.policy.outlines import Outline
from gateway.store import admin
from gateway.store.pool import Connection

SLUG = "bench"
FIRST_ID = 1_000_000_000  # far above what the tables number themselves
BATCH = 50_000
CONTACT = ("id", "entity_id", "registered", "name", "language", "mobile", "landline", "email", "consent_at", "key")
ADDRESS = ("contact_id", "slot", "entity_id", "label", "lon", "lat", "z")


class Tokens(NamedTuple):
    """The credentials of the authority."""

    live: str
    test: str


async def authority(connection: Connection) -> Tokens:
    """Make the authority that posts every alert; its territory is more than the country."""
    number = await admin.create_entity(
        connection, slug=SLUG, name="Bench", kind=EntityKind.TYPE1, live=True, languages=["en"]
    )
    assert number is not None
    await admin.set_territory(connection, number, [Outline("", (Ring(territory()),))])
    made = {realm: admin.new_token(realm) for realm in Realm}
    for realm, token in made.items():
        await admin.create_token(connection, entity_id=number, realm=realm, token=token)
    return Tokens(live=made[Realm.LIVE].text, test=made[Realm.TEST].text)


async def citizens(
    connection: Connection,
    wanted: Mapping[ChannelName, int],
    *,
    within_km: float = COUNTRY_RADIUS_KM * 0.9,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Register so many people for each channel, each with one endpoint, so that one message goes to each."""
    platform = await admin.entity(connection, "platform")
    assert platform is not None
    channels = (channel for channel, count in wanted.items() for _ in range(count))
    places = homes(sum(wanted.values()), within_km=within_km)
    people = enumerate(zip(channels, places, strict=True))
    while batch := list(islice(people, BATCH)):
        contacts = [_contact(number, channel, platform.id) for number, (channel, _) in batch]
        await connection.copy_records_to_table("contact", records=contacts, columns=CONTACT)
        addresses = _addresses(((number, place) for number, (_, place) in batch), platform.id)
        await connection.copy_records_to_table("address", records=addresses, columns=ADDRESS)
        progress(len(batch))


def _contact(number: int, channel: ChannelName, entity: int) -> tuple[object, ...]:
    mobile = f"+3247{number:08d}" if channel is ChannelName.SMS else None
    landline = f"+322{number:08d}" if channel is ChannelName.VOICE else None
    email = f"person.{number}@example.org" if channel is ChannelName.EMAIL else None
    now = datetime.now(UTC)
    return FIRST_ID + number, entity, True, "", "en", mobile, landline, email, now, f"bench-{number}"


def _addresses(people: Iterable[tuple[int, Point]], entity: int) -> Iterator[tuple[object, ...]]:
    for number, (lon, lat) in people:
        yield FIRST_ID + number, 1, entity, "home", lon, lat, morton(lon, lat)

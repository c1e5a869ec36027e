"""Entities, alerts, campaigns and rows for tests of the store, made with the store's own statements."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gateway.model import CampaignState, ChannelName, Closure, EntityKind, MessageClass, Mode, Purpose, Realm
from gateway.store import admin, alerts, fan_out, registry
from gateway.store.alerts import NewAlert, NewCampaign, NewText
from gateway.store.pool import Connection

CHANNELS = (ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL)
_NUMBERS = itertools.count(1)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def entity(connection: Connection, slug: str = "brugge", kind: EntityKind = EntityKind.TYPE1) -> int:
    number = await admin.create_entity(
        connection, slug=slug, name=slug.title(), kind=kind, live=True, languages=["nl", "fr"]
    )
    assert number is not None
    return number


def an_alert(entity_id: int, identifier: str | None = None, **more: object) -> NewAlert:
    number = next(_NUMBERS)
    fields: dict[str, object] = {
        "public_id": f"al_{number}",
        "entity_id": entity_id,
        "realm": Realm.LIVE,
        "source": "token:1",
        "token_id": None,
        "accepted": True,
        "sender": "alerts@brugge.example",
        "identifier": identifier or f"made-{number}",
        "sent": "2026-01-01T12:00:00+00:00",
        "sent_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "status": "Actual",
        "msg_type": "Alert",
        "scope": "Public",
        "version": "1.2",
        "sha256": hashlib.sha256(b"<alert/>").digest(),
        "raw": b"<alert/>",
        "findings": [],
        "http_status": 201,
        "answer": {},
    }
    return NewAlert(**(fields | more))  # type: ignore[arg-type]


def texts_of(channels: Sequence[ChannelName], languages: Sequence[str] = ("nl", "fr")) -> list[NewText]:
    pairs = itertools.product(languages, channels)
    return [
        NewText(key=key, channel=channel, language=language, body=f"{language} text", subject="", html="", parts=1)
        for key, (language, channel) in enumerate(pairs)
    ]


async def campaign(
    connection: Connection,
    entity_id: int,
    *,
    channels: Sequence[ChannelName] = CHANNELS,
    message_class: MessageClass = MessageClass.URGENT,
    mode: Mode = Mode.LIVE,
    state: CampaignState = CampaignState.SENDING,
    closure: Closure | None = None,
    plan: Mapping[str, object] | None = None,
    expires_at: datetime | None = None,
    planned: bool = True,
    released: bool = False,
    priority: int = 0,
    alert: NewAlert | None = None,
    languages: Sequence[str] = ("nl", "fr"),
) -> int:
    async with connection.transaction():
        number = await alerts.next_campaign_id(connection)
        alert_id = await alerts.insert_alert(connection, alert or an_alert(entity_id))
        await alerts.insert_campaign(
            connection,
            NewCampaign(
                id=number,
                public_id=f"ca_{number}",
                entity_id=entity_id,
                alert_id=alert_id,
                mode=mode,
                message_class=message_class,
                purpose=Purpose.RISK,
                channels=channels,
                priority=priority,
                state=state,
                closure=closure,
                plan=plan or {"groups": [], "variants": [], "territory": [], "told": []},
                expires_at=expires_at or in_an_hour(),
                planned=planned,
                released=released,
                texts=texts_of(channels, languages),
            ),
        )
    return number


async def rows(
    connection: Connection,
    campaign_id: int,
    entity_id: int,
    channel: ChannelName,
    *,
    lo: int,
    hi: int,
    size: int,
    transport: int = 1,
) -> None:
    """Deliveries lo..hi of one channel, queued in chunks of `size`."""
    code = registry.CHANNEL_CODES[channel]
    address = "'person' || s || '@example.org'" if channel is ChannelName.EMAIL else "'+3247' || (1000000 + s)"
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO delivery (campaign_id, seq, entity_id, contact_id, channel, transport, text_key, address) "
            f"SELECT $1, s, $2, s, $3, $4, $5, {address} FROM generate_series($6::int, $7::int) s",
            campaign_id,
            entity_id,
            code,
            transport,
            await connection.fetchval(
                "SELECT min(key) FROM text WHERE campaign_id = $1 AND channel = $2", campaign_id, code
            ),
            lo,
            hi,
        )
        await fan_out.insert_chunks(
            connection,
            campaign=campaign_id,
            entity_id=entity_id,
            rows=fan_out.NewRows(channel, lo, hi),
            transport=transport,
            exercise_group=False,
            size=size,
        )

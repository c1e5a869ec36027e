"""Alerts as received and the campaigns that they start.

Knows: the tables alert, alert_reference, campaign, text, campaign_event. Never knows: CAP, rights, channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from gateway.model import CampaignState, ChannelName, Closure, MessageClass, Mode, Purpose, Realm, SignatureVerdict
from gateway.store.deliveries import SHARDS
from gateway.store.pool import Connection
from gateway.store.registry import CHANNEL_CODES
from gateway.store.sql import Queries

_SQL = Queries.load("alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """An alert as it is stored, accepted or refused. Identity fields are None when the bytes could not be read.

    `signature` sums up `signatures`, one verdict for each that stands in it. `conflict_with` is the number of the
    accepted alert whose sender and identifier this one has, with other content.
    """

    public_id: str
    entity_id: int
    realm: Realm
    source: str
    token_id: int | None
    accepted: bool
    sender: str | None
    identifier: str | None
    sent: str | None
    sent_at: datetime | None
    status: str | None
    msg_type: str | None
    scope: str | None
    version: str | None
    sha256: bytes
    raw: bytes
    findings: Sequence[Mapping[str, object]]
    http_status: int
    answer: Mapping[str, object]
    signature: SignatureVerdict | None = None
    signatures: Sequence[Mapping[str, object]] = ()
    conflict_with: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewText:
    """One text of a new campaign."""

    key: int
    channel: ChannelName
    language: str
    body: str
    subject: str
    html: str
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """The dispatch of an accepted alert. `plan` is what the planner needs; `released`: the feed may show it now."""

    id: int
    public_id: str
    entity_id: int
    alert_id: int
    mode: Mode
    message_class: MessageClass
    purpose: Purpose | None
    channels: Sequence[ChannelName]
    priority: int
    state: CampaignState
    closure: Closure | None
    plan: Mapping[str, object]
    expires_at: datetime
    planned: bool
    released: bool
    texts: Sequence[NewText]
    escalate_after_s: float | None = None
    quiet: tuple[time, time] | None = None
    quiet_zone: str = "UTC"
    author: str = "gateway"


async def lock_identity(connection: Connection, key: str) -> None:
    """Wait until no other transaction stores an alert of this identity."""
    await connection.execute(_SQL["lock_identity"], key)


async def alert_by_identity(connection: Connection, realm: Realm, entity_id: int, sender: str, identifier: str) -> Any:
    """The accepted alert of this identity, or None."""
    return await connection.fetchrow(_SQL["alert_by_identity"], realm.value, entity_id, sender, identifier)


async def is_new_conflict(connection: Connection, alert_id: int, sha256: bytes) -> bool:
    """Whether this content was not held against the accepted alert before."""
    new: bool = await connection.fetchval(_SQL["is_new_conflict"], alert_id, sha256)
    return new


async def answered_alert(connection: Connection, public_id: str, entity_id: int) -> Any:
    """sender, identifier, sent, status, msg_type and received_at of a stored alert, or None."""
    return await connection.fetchrow(_SQL["answered_alert"], public_id, entity_id)


async def alert_kin(connection: Connection, public_id: str, entity_id: int) -> Any:
    """What one alert of this entity has to do with others of it, and what its signatures were worth at receipt."""
    return await connection.fetchrow(_SQL["alert_kin"], public_id, entity_id)


async def insert_alert(connection: Connection, alert: NewAlert) -> int:
    """Store it and return its number."""
    number: int = await connection.fetchval(
        _SQL["insert_alert"],
        alert.public_id,
        alert.entity_id,
        alert.realm.value,
        alert.source,
        alert.token_id,
        alert.accepted,
        alert.sender,
        alert.identifier,
        alert.sent,
        alert.sent_at,
        alert.status,
        alert.msg_type,
        alert.scope,
        alert.version,
        alert.sha256,
        alert.raw,
        alert.findings,
        alert.http_status,
        alert.answer,
        alert.signature.value if alert.signature else None,
        list(alert.signatures),
        alert.conflict_with,
    )
    return number


async def insert_references(
    connection: Connection, alert_id: int, entity_id: int, references: Sequence[tuple[str, str, str]]
) -> None:
    """Keep what it refers to, known or not."""
    if references:
        senders, identifiers, sents = (list(column) for column in zip(*references, strict=True))
        await connection.execute(_SQL["insert_references"], alert_id, entity_id, senders, identifiers, sents)


async def referenced_alerts(
    connection: Connection, realm: Realm, references: Sequence[tuple[str, str, str]]
) -> list[Any]:
    """The accepted alerts of this realm that the references name, whose ever they are."""
    return list(
        await connection.fetch(
            _SQL["referenced_alerts"], realm.value, [r[0] for r in references], [r[1] for r in references]
        )
    )


async def later_alerts(connection: Connection, entity_id: int, sender: str, identifier: str, realm: Realm) -> list[Any]:
    """Updates and Cancels of this entity that came before the alert they refer to."""
    return list(await connection.fetch(_SQL["later_alerts"], entity_id, sender, identifier, realm.value))


async def tell_also(connection: Connection, campaign: int, earlier: int) -> None:
    """A held campaign tells those of an earlier one as well, that came after it."""
    await connection.execute(_SQL["tell_also"], campaign, earlier)


async def next_campaign_id(connection: Connection) -> int:
    """The number of a new campaign; its partition of deliveries exists afterwards."""
    number: int = await connection.fetchval(_SQL["next_campaign_id"])
    await connection.execute(_SQL["ensure_delivery_partition"], number)
    return number


async def insert_campaign(connection: Connection, campaign: NewCampaign) -> None:
    """Store the campaign, its texts, its count rows and its first event."""
    await connection.execute(
        _SQL["insert_campaign"],
        campaign.id,
        campaign.public_id,
        campaign.entity_id,
        campaign.alert_id,
        campaign.mode.value,
        campaign.message_class.value,
        campaign.purpose.value if campaign.purpose else None,
        [c.value for c in campaign.channels],
        campaign.priority,
        campaign.state.value,
        campaign.closure.value if campaign.closure else None,
        campaign.plan,
        campaign.expires_at,
        campaign.planned,
        campaign.released,
        None if campaign.escalate_after_s is None else timedelta(seconds=campaign.escalate_after_s),
        *(campaign.quiet or (None, None)),
        campaign.quiet_zone if campaign.quiet else None,
        campaign.author,
    )
    texts = campaign.texts
    await connection.execute(
        _SQL["insert_texts"],
        campaign.id,
        campaign.entity_id,
        [t.key for t in texts],
        [CHANNEL_CODES[t.channel] for t in texts],
        [t.language for t in texts],
        [t.body for t in texts],
        [t.subject for t in texts],
        [t.html for t in texts],
        [t.parts for t in texts],
    )
    codes = [CHANNEL_CODES[c] for c in campaign.channels]
    await connection.execute(_SQL["insert_progress"], campaign.id, campaign.entity_id, codes, len(SHARDS))
    await insert_event(connection, campaign.id, campaign.entity_id, "accepted", campaign.state, campaign.author)


async def insert_event(
    connection: Connection, campaign: int, entity_id: int, event: str, state: CampaignState, actor: str
) -> None:
    """Write down a change: ids and words only."""
    await connection.execute(_SQL["insert_event"], campaign, entity_id, event, state.value, actor)


async def lock_state(connection: Connection, campaign: int) -> CampaignState:
    """The state as it is now; nobody else changes it until this transaction ends."""
    return CampaignState(await connection.fetchval(_SQL["lock_state"], campaign))


async def set_state(
    connection: Connection,
    campaign: int,
    was: CampaignState,
    becomes: CampaignState,
    *,
    closure: Closure | None = None,
    release: bool = False,
) -> bool:
    """Change the state if it is still `was`; False when somebody else was faster."""
    reason = closure.value if closure else None
    changed = await connection.fetchval(_SQL["set_state"], campaign, was.value, becomes.value, reason, release)
    return changed is not None


async def told_campaigns(connection: Connection, campaign: int) -> list[Any]:
    """The earlier campaigns whose people this one tells."""
    return list(await connection.fetch(_SQL["told_campaigns"], campaign))


async def settle_told(connection: Connection, campaign: int) -> None:
    """Fix whom a campaign tells, when the campaigns before it are stopped in the same transaction."""
    await connection.execute(_SQL["settle_told"], campaign)


async def approve(connection: Connection, campaign: int, token_id: int | None) -> None:
    """Note who approved."""
    await connection.execute(_SQL["approve"], campaign, token_id)


async def alert_by_public_id(connection: Connection, public_id: str, entity_id: int, realm: Realm) -> Any:
    """One alert of this entity, or None; to a test token only rehearsals are there, here and below."""
    return await connection.fetchrow(_SQL["alert_by_public_id"], public_id, entity_id, realm.value)


async def alert_bytes(connection: Connection, public_id: str, entity_id: int, realm: Realm) -> bytes | None:
    """The bytes as received, or None."""
    raw: bytes | None = await connection.fetchval(_SQL["alert_bytes"], public_id, entity_id, realm.value)
    return raw


async def campaign_by_public_id(connection: Connection, public_id: str, entity_id: int, realm: Realm) -> Any:
    """One campaign of this entity, or None."""
    return await connection.fetchrow(_SQL["campaign_by_public_id"], public_id, entity_id, realm.value)


async def campaigns_of_entity(
    connection: Connection, entity_id: int, before: int, limit: int, realm: Realm
) -> list[Any]:
    """A page of campaigns, newest first."""
    return list(await connection.fetch(_SQL["campaigns_of_entity"], entity_id, before, limit, realm.value))


async def campaign_events(connection: Connection, campaign: int) -> list[Any]:
    """The ledger of one campaign."""
    return list(await connection.fetch(_SQL["campaign_events"], campaign))


async def deliveries_page(connection: Connection, campaign: int, after: int, limit: int) -> list[Any]:
    """One page of deliveries in order of seq."""
    return list(await connection.fetch(_SQL["deliveries_page"], campaign, after, limit))

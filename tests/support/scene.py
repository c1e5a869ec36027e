"""A small world for tests: an authority with tokens and groups, some citizens, alerts to post, the flows over a store.

Everything lies around HOME, a square of about 14 by 22 km that holds the areas of the sample alert.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.check import Verdict, check
from gateway.cap.model import CapAlert, CapArea, CapReference, MsgType, NameValue, Polygon
from gateway.cap.parse import Limits
from gateway.cap.signature import SignatureVerdict, verify
from gateway.cap.trust import Trust
from gateway.cap.write import write
from gateway.flows.answers import Answer
from gateway.flows.campaigns import Campaigns
from gateway.flows.checking import Checker, Read
from gateway.flows.closing import Closer
from gateway.flows.forecasting import Forecasting
from gateway.flows.intake import Intake, IntakeRules
from gateway.flows.planning import Planner
from gateway.log import unit_logger
from gateway.metrics import Metrics
from gateway.model import ChannelName, DeliveryState, EntityKind, Realm
from gateway.policy.compose import ComposeRules
from gateway.policy.importing import ImportedContact
from gateway.policy.outlines import Outline
from gateway.policy.rights import Authority
from gateway.simulators.sample import sample_alert
from gateway.smpp import text as smpp_text
from gateway.store import admin, registry
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Store

HOME = Ring(((4.2, 50.7), (4.4, 50.7), (4.4, 50.9), (4.2, 50.9), (4.2, 50.7)))
HELP = {"name": "Help desk", "phone": "+32 2 555 00 00"}
URL = "https://alerts.example"
RATES = {ChannelName.SMS: 500.0, ChannelName.EMAIL: 2500.0, ChannelName.VOICE: 10.0}


class Clock:
    """The wall clock, stopped: it moves when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


# Alerts ---------------------------------------------------------------------------------------------------------


def an_alert(identifier: str = "A-1", *, at: datetime | None = None, **changes: Any) -> CapAlert:
    """The sample alert (nl, fr, de, en; Actual, Public, urgent, inside HOME) with some of its fields changed."""
    found = check(sample_alert(sent=(at or datetime.now(UTC)).replace(microsecond=0), identifier=identifier)).alert
    assert found is not None
    return replace(found, **changes)


def with_infos(alert: CapAlert, *languages: str, **changes: Any) -> CapAlert:
    """The alert with every info (only those of these languages, when some are named) changed alike."""
    kept = [info for info in alert.info if not languages or info.language in languages]
    return replace(alert, info=tuple(replace(info, **changes) for info in kept))


def asking(alert: CapAlert, **wishes: str) -> CapAlert:
    """The alert with these parameters of the gateway and no others: asking(alert, channels="sms email")."""
    pairs = tuple(NameValue(f"gateway:{name}", value) for name, value in wishes.items())
    return with_infos(alert, parameter=pairs)


def follow_up(kind: MsgType, *earlier: CapAlert, identifier: str = "A-2", **changes: Any) -> CapAlert:
    """An Update, Cancel, Ack or Error that refers to these alerts."""
    references = tuple(
        CapReference(sender=a.sender, identifier=a.identifier, sent=a.sent, sent_text=a.sent_text) for a in earlier
    )
    return an_alert(identifier, msg_type=kind, references=references, **changes)


def square(lon: float, lat: float, half: float = 0.01) -> Polygon:
    """A square around a place, as CAP writes it: (lat, lon), closed."""
    west, east, south, north = lon - half, lon + half, lat - half, lat + half
    return ((south, west), (south, east), (north, east), (north, west), (south, west))


def area(*polygons: Polygon, called: str = "here", geocodes: Sequence[tuple[str, str]] = ()) -> CapArea:
    """One area."""
    return CapArea(area_desc=called, polygon=polygons, geocode=tuple(NameValue(*code) for code in geocodes))


def document(alert: CapAlert | bytes) -> bytes:
    """The alert as XML."""
    return alert if isinstance(alert, bytes) else write(alert)


# People ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An authority in the store; `tokens` are one live and one test token, `second` another live one."""

    id: int
    slug: str
    tokens: Mapping[Realm, str]
    second: str


async def put_entity(
    connection: Connection,
    slug: str = "commune",
    *,
    kind: EntityKind = EntityKind.TYPE1,
    live: bool = True,
    languages: Sequence[str] = ("fr", "nl", "de", "en"),
    rings: Sequence[Ring] = (HOME,),
    groups: Mapping[str, int] | None = None,
    marked: Sequence[str] = (),
    policy: Mapping[str, Any] | None = None,
) -> Entity:
    """An authority with every mandate; `groups` by slug with their number of members, `marked` ones for exercises."""
    name = f"Authority {slug}"
    number = await admin.create_entity(connection, slug=slug, name=name, kind=kind, live=live, languages=languages)
    assert number is not None
    await admin.set_territory(connection, number, [Outline(value=slug, rings=tuple(rings))])
    await connection.execute("UPDATE entity SET policy = $2::jsonb WHERE id = $1", number, dict(policy or {}))
    for word, size in (groups or {}).items():
        await put_group(connection, number, word, size, exercises=word in marked)
    tokens = {realm: await put_token(connection, number, realm) for realm in Realm}
    return Entity(id=number, slug=slug, tokens=tokens, second=await put_token(connection, number, Realm.LIVE))


async def put_token(connection: Connection, entity_id: int, realm: Realm, **more: Any) -> str:
    """A new token's text; `more` goes to admin.create_token (classes, channels, expires_at)."""
    token = admin.new_token(realm)
    await admin.create_token(connection, entity_id=entity_id, realm=realm, token=token, **more)
    return token.text


async def put_group(connection: Connection, entity_id: int, slug: str, size: int, *, exercises: bool = False) -> None:
    """A group of the entity's own contacts, each with a mobile and an e-mail address."""
    group = await admin.create_group(connection, entity_id=entity_id, slug=slug, name=slug, exercises=exercises)
    members = [
        ImportedContact(
            row=i, key=f"{slug}-{i}", name=f"Member {i}", language="nl", mobile=f"+3248{entity_id:03}{group:02}{i:02}",
            email=f"m{i}.{group}@members.example",
        )
        for i in range(size)
    ]  # fmt: skip
    await admin.import_contacts(connection, entity_id, members, group_id=group)


def citizen(
    number: int, language: str = "nl", *, lon: float = 4.325, lat: float = 50.815, **more: Any
) -> registry.Citizen:
    """Somebody who registered: a mobile and an e-mail address, unless told otherwise, and one place."""
    usual = {"mobile": f"+3247{number:07}", "landline": None, "email": f"c{number}@citizens.example"}
    return registry.Citizen(
        key=f"c-{number}", name=f"Citizen {number}", language=language, places=[("home", lon, lat)], **(usual | more)
    )


async def put_citizens(connection: Connection, *citizens: registry.Citizen) -> None:
    """Register them."""
    platform = await admin.entity(connection, "platform")
    assert platform is not None
    await registry.put_citizens(connection, platform.id, citizens, "test")


# The flows ------------------------------------------------------------------------------------------------------


class InlineChecker(Checker):
    """The check without its process, for tests that are about something else."""

    async def check(self, raw: bytes, received_at: datetime) -> Verdict:
        return check(raw, received_at=received_at)

    async def verify(self, raw: bytes, trust: Trust, at: datetime, *, allow_sha1: bool = False) -> SignatureVerdict:
        return verify(raw, trust=trust, at=at, allow_sha1=allow_sha1)

    async def apart(self, broken: Callable[[str], Read], work: Callable[..., Read], *arguments: object) -> Read:
        return await asyncio.to_thread(work, *arguments)


@dataclass(slots=True, kw_only=True)
class Scene:
    """The flows that an alert meets before anything is sent, over one store and one stopped clock."""

    store: Store
    checker: Checker
    clock: Clock
    intake: Intake
    campaigns: Campaigns
    forecasting: Forecasting
    planner: Planner
    closer: Closer
    metrics: Metrics
    news: list[str] = field(default_factory=list)

    @property
    def doors(self) -> tuple[Store, Intake, Campaigns, Forecasting]:
        """What the API is opened with."""
        return self.store, self.intake, self.campaigns, self.forecasting

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A session of the application's role."""
        async with self.store.connection() as connection:
            yield connection

    async def entity(self, slug: str = "commune", **more: Any) -> Entity:
        """`put_entity` over a session of its own."""
        async with self.connected() as connection:
            return await put_entity(connection, slug, **more)

    async def citizens(self, *people: registry.Citizen) -> None:
        """`put_citizens` over a session of its own."""
        async with self.connected() as connection:
            await put_citizens(connection, *people)

    async def authority(self, entity: Entity | str, realm: Realm = Realm.LIVE) -> Authority:
        """The authority behind a token, as the API finds it."""
        token = entity if isinstance(entity, str) else entity.tokens[realm]
        async with self.connected() as connection:
            found = await registry.authority_of_token(connection, token)
        assert found is not None
        return found

    async def post(self, alert: CapAlert | bytes, entity: Entity | str, realm: Realm = Realm.LIVE) -> Answer:
        """Post an alert; `entity` may be a token."""
        authority = await self.authority(entity, realm)
        return await self.intake.accept(document(alert), authority, f"token:{authority.token_id}")

    async def forecast(self, alert: CapAlert | bytes, entity: Entity | str, realm: Realm = Realm.LIVE) -> Answer:
        """What the alert would do."""
        return await self.forecasting.forecast(document(alert), await self.authority(entity, realm))

    async def plan(self) -> None:
        """Write every delivery that waits to be planned."""
        while await self.planner.slice():
            pass

    async def campaign(self, answer: Answer) -> Any:
        """The row of the campaign that an answer names."""
        rows = await self.rows("SELECT * FROM campaign WHERE public_id = $1", answer.body["campaign"])
        return rows[0]

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        """Rows of any statement."""
        async with self.connected() as connection:
            return list(await connection.fetch(statement, *arguments))

    async def addresses(self, answer: Answer) -> set[str]:
        """Whom the campaign of an answer has deliveries for."""
        number = (await self.campaign(answer))["id"]
        found = await self.rows("SELECT address FROM delivery WHERE campaign_id = $1", number)
        return {row["address"] for row in found}

    async def end(self, answer: Answer, state: DeliveryState = DeliveryState.DELIVERED) -> None:
        """All deliveries of a campaign end in this state, as if they had been sent and answered."""
        number = (await self.campaign(answer))["id"]
        count = state.name.lower()
        async with self.store.transaction() as connection:
            await connection.execute(
                "UPDATE delivery SET state = $2, attempt = 1, submitted_at = now(), done_at = now() "
                "WHERE campaign_id = $1",
                number,
                int(state),
            )
            await connection.execute("UPDATE chunk SET state = 2, marked_to = hi WHERE campaign_id = $1", number)
            await connection.execute(
                f"UPDATE progress SET queued = 0, {count} = {count} + queued WHERE campaign_id = $1", number
            )


@asynccontextmanager
async def a_scene(
    pg: Cluster, *, checker: Checker | None = None, receipt_window_s: float = 900
) -> AsyncIterator[Scene]:
    """The flows over a fresh database; `checker` is closed by whoever gave it."""
    store = await Store.open(pg.app_dsn, name="scene")
    clock, metrics, news = Clock(), Metrics(), list[str]()
    checker = checker or InlineChecker(workers=1, limits=Limits())
    rules = IntakeRules(
        compose=ComposeRules(count_sms=count_sms), default_expiry=timedelta(hours=24), public_url=URL, help=HELP
    )
    intake = Intake(
        store, checker, rules, metrics=metrics, log=unit_logger("test.intake"), utcnow=clock,
        accepted=lambda: news.append("accepted"),
    )  # fmt: skip
    campaigns = Campaigns(store, public_url=URL, utcnow=clock, changed=lambda: news.append("changed"))
    forecasting = Forecasting(store, intake, capacity=lambda: RATES, utcnow=clock)
    planner = Planner(
        store, chunk_rows=dict.fromkeys(ChannelName, 100), sliced=lambda: None, log=unit_logger("test.planning")
    )
    closer = Closer(
        store, metrics=metrics, log=unit_logger("test.closing"), receipt_window_s=receipt_window_s, utcnow=clock,
        leads=lambda: True,
    )  # fmt: skip
    try:
        yield Scene(
            store=store, checker=checker, clock=clock, intake=intake, campaigns=campaigns,
            forecasting=forecasting, planner=planner, closer=closer, metrics=metrics, news=news,
        )  # fmt: skip
    finally:
        await store.close()


def count_sms(text: str) -> tuple[str, int]:
    """Encoding and parts of an SMS."""
    counted = smpp_text.count(text)
    return str(counted.encoding.value), counted.parts

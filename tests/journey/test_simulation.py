"""Nothing but Actual with a live right, or a stamped Exercise to a group marked for exercises, reaches a real provider.

Random lives of random alerts: every realm, status, kind of message, target and right, with approval, pauses, updates,
cancellations and calls to those whose SMS did not arrive. `wanted` is written from the sentence above, not from the
program. Then the transports themselves: what was tampered with in the database does not leave either.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.model import CapAlert, MsgType, Scope, Status
from gateway.channels.base import may_leave
from gateway.channels.sms_provider import refusal_of
from gateway.flows.escalating import Escalator
from gateway.flows.texts import Texts
from gateway.log import unit_logger
from gateway.model import ChannelName, Delivery, Lease, MessageClass, Mode, Realm, Text, Transport
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.registry import CHANNELS
from tests.support.database import Servers
from tests.support.line import cap, running
from tests.support.line import scene as line_scene
from tests.support.scene import (
    Entity,
    Scene,
    a_scene,
    an_alert,
    area,
    asking,
    citizen,
    document,
    follow_up,
    put_token,
    square,
    with_infos,
)

STAMPS = ("EXERCICE", "OEFENING", "ÜBUNG", "EXERCISE")
HERE = area(square(4.325, 50.815))
GROUPS = ((), ("plain",), ("drill",), ("plain", "drill"))
KINDS = (MsgType.ALERT, MsgType.UPDATE, MsgType.CANCEL)
STATUSES = (Status.ACTUAL, Status.EXERCISE, Status.EXERCISE, Status.ACTUAL, *Status)
ACTS = ("approve", "pause", "resume", "stop", "escalate", "settle")


class Post(NamedTuple):
    """An alert: what it is, for whom, by whose right; `of` picks an earlier one that it refers to."""

    realm: Realm
    status: Status
    msg_type: MsgType
    groups: tuple[str, ...]
    by_place: bool
    mandated: bool
    of: int


class Act(NamedTuple):
    """Something that somebody does with a campaign."""

    what: str
    of: int


STEPS = st.lists(
    st.one_of(
        st.builds(
            Post, st.sampled_from([Realm.LIVE, *Realm]), st.sampled_from(STATUSES), st.sampled_from(KINDS),
            st.sampled_from(GROUPS), st.booleans(), st.sampled_from([True, True, True, False]), st.integers(0, 3),
        ),
        st.builds(Act, st.sampled_from(ACTS), st.integers(0, 3)),
    ),
    min_size=4, max_size=10,
)  # fmt: skip


class Life:
    """One entity and everything that it does in an example."""

    def __init__(self, scene: Scene, entity: Entity, bare: str) -> None:
        self.scene, self.entity, self.bare = scene, entity, bare
        self.posted: list[CapAlert] = []
        self.campaigns: list[str] = []

    async def take(self, step: Post | Act) -> None:
        """One step."""
        if isinstance(step, Post):
            await self._post(step)
        elif self.campaigns:
            await self._act(step.what, self.campaigns[step.of % len(self.campaigns)])

    async def _post(self, step: Post) -> None:
        identifier = f"A-{len(self.posted)}"
        if step.msg_type is MsgType.ALERT or not self.posted:
            alert = an_alert(identifier)
        else:
            alert = follow_up(step.msg_type, self.posted[step.of % len(self.posted)], identifier=identifier)
        alert = asking(replace(alert, status=step.status, addresses=step.groups, note="drill"), channels="sms email")
        alert = with_infos(alert, area=(HERE,) if step.by_place else ())
        alert = replace(alert, scope=Scope.PUBLIC if step.by_place else Scope.PRIVATE)
        self.posted.append(alert)
        token = self.entity.tokens[step.realm] if step.mandated or step.realm is Realm.TEST else self.bare
        answer = await self.scene.post(document(alert), token)
        if answer.body.get("campaign"):
            self.campaigns.append(answer.body["campaign"])
        await self.scene.plan()

    async def _act(self, what: str, name: str) -> None:
        match what:
            case "escalate":
                await Escalator(
                    self.scene.store, chunk_rows=10, leads=lambda: True, called=lambda: None, log=unit_logger("test")
                ).once()
            case "settle":  # half of them arrived
                number = (await self.scene.rows("SELECT id FROM campaign WHERE public_id = $1", name))[0]["id"]
                await self.scene.rows(
                    "UPDATE delivery SET state = CASE WHEN seq % 2 = 0 THEN 3 ELSE 4 END "
                    "WHERE campaign_id = $1 AND state < 3 RETURNING 1",
                    number,
                )
                await self.scene.rows(
                    "UPDATE chunk SET state = 2, lease_until = now() - interval '1 hour', marked_to = hi "
                    "WHERE campaign_id = $1 AND lo > 0 RETURNING 1",
                    number,
                )
            case _:
                token = self.entity.second if what == "approve" else self.entity.tokens[Realm.LIVE]
                await self.scene.campaigns.act(what, name, await self.scene.authority(token))
        await self.scene.plan()


ROWS = """
SELECT d.campaign_id, d.seq, d.channel, d.transport, d.address, d.text_key, c.mode, a.status, a.realm, a.accepted,
    t.body, t.subject, coalesce(k.exercise_group, false) AS exercise_group,
    coalesce(k.transport, d.transport) AS chunk_transport,
    EXISTS (SELECT FROM mandate m WHERE m.token_id = a.token_id) AS mandated,
    EXISTS (SELECT FROM group_member m JOIN contact_group g ON g.id = m.group_id
            WHERE m.contact_id = d.contact_id AND g.exercises) AS drills
FROM delivery d JOIN campaign c ON c.id = d.campaign_id JOIN alert a ON a.id = c.alert_id
JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key
LEFT JOIN chunk k ON k.campaign_id = d.campaign_id AND d.seq BETWEEN k.lo AND k.hi AND k.lo > 0
WHERE c.entity_id = $1
"""


def wanted(row: Any) -> bool:
    """Whether this delivery may reach a live transport at all."""
    if row["realm"] != "live" or not row["accepted"] or not row["mandated"]:
        return False
    if row["status"] == "Actual":
        return True
    return row["status"] == "Exercise" and row["drills"] and any(stamp in row["body"] for stamp in STAMPS)


async def look(scene: Scene, entity: Entity, seen: set[tuple[Any, ...]]) -> None:
    """Every delivery of the entity against the sentence, as planned and as it would stand at a channel."""
    texts = Texts(scene.store)
    for row in await scene.rows(ROWS, entity.id):
        assert row["transport"] == row["chunk_transport"]
        live = row["transport"] == 1
        assert not live or wanted(row), dict(row)
        text = (await texts.of(row["campaign_id"]))[row["text_key"]]
        for transport in Transport:  # by whatever way it came to a channel
            lease = Lease(
                campaign=row["campaign_id"], channel=CHANNELS[row["channel"]], lo=1, epoch=1, remaining=1,
                transport=Transport.LIVE if live else Transport.SIMULATED, exercise_group=row["exercise_group"],
            )  # fmt: skip
            left = may_leave(Delivery(lease, row["seq"], row["address"], text), transport)
            assert left is (live is (transport is Transport.LIVE))
            assert not left or transport is Transport.SIMULATED or wanted(row), dict(row)
        seen.add((row["realm"], row["status"], live, row["channel"]))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def test_no_life_of_an_alert_leads_a_rehearsal_to_a_live_transport(servers: Servers, runner: asyncio.Runner) -> None:
    seen: set[tuple[Any, ...]] = set()
    numbers = count()

    async def live(pg: Cluster, steps: Sequence[Post | Act]) -> None:
        async with a_scene(pg) as scene:
            number = next(numbers)
            if number == 0:
                await scene.citizens(*(citizen(n) for n in range(4)))
            policy = {"escalation_minutes": {of.value: 1 for of in MessageClass}, "approval": ["news"]}
            entity = await scene.entity(f"e{number}", groups={"plain": 2, "drill": 2}, marked=["drill"], policy=policy)
            async with scene.connected() as connection:
                bare = await put_token(connection, entity.id, Realm.LIVE, classes=[], channels=[])
            life = Life(scene, entity, bare)
            for step in steps:
                await life.take(step)
            await look(scene, entity, seen)

    with servers.database("embedded") as pg:

        @settings(max_examples=20)
        @given(steps=STEPS)
        def hold(steps: list[Post | Act]) -> None:
            runner.run(live(pg, steps))

        hold()
    # the examples were about something
    assert {
        ("live", "Actual", True),
        ("live", "Exercise", True),
        ("live", "Exercise", False),
        ("test", "Actual", False),
    } <= {one[:3] for one in seen}


@given(
    mode=st.sampled_from(Mode), planned=st.sampled_from(Transport), at=st.sampled_from(Transport), drills=st.booleans(),
    channel=st.sampled_from(ChannelName), message_class=st.sampled_from(MessageClass),
)  # fmt: skip
def test_a_transport_believes_nobody(
    mode: Mode, planned: Transport, at: Transport, drills: bool, channel: ChannelName, message_class: MessageClass
) -> None:
    """Whatever was planned, and wherever it is handed in: the campaign's mode decides once more."""
    now = datetime.now(UTC)
    text = Text(
        campaign=1, key=1, channel=channel, language="nl", body="x", mode=mode, message_class=message_class,
        expires_at=datetime.max.replace(tzinfo=UTC), reference="r",
    )  # fmt: skip
    lease = Lease(campaign=1, channel=channel, transport=planned, lo=1, epoch=1, remaining=1, exercise_group=drills)
    delivery = Delivery(lease, 1, "+32470000001", text)
    if at is Transport.LIVE and may_leave(delivery, at):
        assert planned is Transport.LIVE
        assert mode is Mode.LIVE or (mode is Mode.EXERCISE and drills)
    assert (refusal_of(delivery, at, now) == "") is may_leave(delivery, at)


async def test_what_a_campaign_is_can_not_be_changed(pg: Cluster) -> None:
    async with a_scene(pg) as scene:
        await scene.citizens(citizen(1))
        answer = await scene.post(asking(an_alert(), channels="sms"), await scene.entity(), Realm.TEST)
        await scene.plan()
        assert (await scene.campaign(answer))["mode"] == "test"
        for statement in (
            "UPDATE campaign SET mode = 'live' RETURNING 1", "UPDATE chunk SET transport = 1 RETURNING 1",
            "UPDATE delivery SET transport = 1 RETURNING 1", "UPDATE chunk SET exercise_group = true RETURNING 1",
        ):  # fmt: skip
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await scene.rows(statement)
        owner = await asyncpg.connect(pg.owner_dsn)
        try:
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute("UPDATE delivery_0 SET transport = 1")  # past the table, which nobody else may
        finally:
            await owner.close()


async def test_a_rehearsal_whose_rows_were_tampered_with_does_not_leave(pg: Cluster) -> None:
    """Its rows are set to the live transport past every rule of the database; the channels refuse all of them."""
    async with line_scene(pg) as line:
        async with a_scene(pg) as scene:
            raw = cap("one", scope="Private", area="", addresses="plp-centre", channels="sms email")
            answer = await scene.post(raw, line.tokens["demo-police"]["test"])
            assert answer.status == 201, answer.body
            await scene.plan()
            number = (await scene.campaign(answer))["id"]
        owner = await asyncpg.connect(pg.admin_dsn)
        try:
            await owner.execute("SET session_replication_role = replica")  # no trigger speaks
            for table in ("chunk", "delivery"):
                await owner.execute(f"UPDATE {table} SET transport = 1 WHERE campaign_id = $1", number)
        finally:
            await owner.close()
        async with running(line):
            await line.closed(str(answer.body["campaign"]), realm="test", who="demo-police")
        async with admin.connected(pg.app_dsn) as connection:
            states = await connection.fetch("SELECT DISTINCT state FROM delivery WHERE campaign_id = $1", number)
        assert [row["state"] for row in states] == [4]
        assert line.received("sms") == line.received("email") == []

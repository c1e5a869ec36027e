"""The rights of an entity, in one table: kind x class x channel x target x mandate, over HTTP, as mail and by command.

`wanted` is written from the convention, not from the program: type 2 reaches groups and nobody by place; a mandate for
the entity covers its groups and, where the kind allows, its citizens; a mandate for a partnership covers the groups of
that one and nothing else; a mandate is for one class by one channel.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from gateway.cap.model import Scope
from gateway.model import ChannelName, EntityKind, MessageClass, Purpose, Realm
from gateway.store import admin, persons
from gateway.store.embedded import Cluster
from gateway.store.persons import NewMandate
from gateway.store.pool import Connection
from tests.support.authority import Client, a_client, ask
from tests.support.people import put_person
from tests.support.scene import Scene, a_scene, an_alert, area, asking, citizen, document, put_token, square, with_infos

TARGETS = ("place", "group", "both", "partnership", "other partnership", "two partnerships", "partnership and place")
MANDATES = ("entity", "partnership", "none")
HERE = area(square(4.325, 50.815))
ADDRESSES = {
    "place": (), "group": ("g",), "both": ("g",), "partnership": ("plp",), "other partnership": ("bin",),
    "two partnerships": ("plp", "bin"), "partnership and place": ("plp",),
}  # fmt: skip
BY_PLACE = ("place", "both", "partnership and place")


def wanted(kind: EntityKind, target: str, mandate: str) -> str:
    """The reason for a refusal, or "" for yes."""
    if target in BY_PLACE and kind is EntityKind.TYPE2:
        return "groups-only"
    if mandate == "entity" or (mandate == "partnership" and target == "partnership"):
        return ""
    return "no-mandate"


def posted(target: str, message_class: MessageClass, channel: ChannelName, identifier: str = "A-1") -> bytes:
    scope = Scope.PUBLIC if target in BY_PLACE else Scope.PRIVATE
    alert = an_alert(identifier, addresses=ADDRESSES[target], scope=scope)
    alert = asking(alert, channels=channel.value, **{"class": message_class.value})
    places = (HERE,) if target in BY_PLACE else ()
    return document(with_infos(alert, alert.info[0].language, area=places))


async def people(
    connection: Connection, scene: Scene, kind: EntityKind, message_class: MessageClass, channel: ChannelName
) -> Mapping[tuple[str, str], str]:
    """Tokens by (holder, mandate) in a fresh entity with a group, two partnerships and their groups."""
    slug = f"{kind.value}-{message_class.value}-{channel.value}"
    entity = await scene.entity(slug, kind=kind, groups={"g": 1, "plp": 1, "bin": 1})
    numbers = {}
    for name in ("plp", "bin"):
        numbers[name] = await persons.put_partnership(connection, entity.id, name, name, "none")
        await persons.give_group(connection, entity.id, name, numbers[name])
    one = [message_class], [channel]
    return {
        ("token", "entity"): await put_token(connection, entity.id, Realm.LIVE, classes=one[0], channels=one[1]),
        ("token", "none"): await put_token(connection, entity.id, Realm.LIVE, classes=[], channels=[]),
        ("person", "entity"): await put_person(
            connection, entity.id, mandate=NewMandate(classes=one[0], channels=one[1])
        ),
        ("person", "partnership"): await put_person(
            connection,
            entity.id,
            mandate=NewMandate(classes=one[0], channels=one[1], partnership=numbers["plp"]),
        ),
        ("person", "none"): await put_person(connection, entity.id),
    }


async def forecast(client: Client, token: str, raw: bytes) -> str:
    head = {"Content-Type": "application/cap+xml"}
    status, body = await ask(client, token, "POST", "/v1/alerts?dry_run=true", data=raw, headers=head)
    assert status in (200, 403), body
    return "" if status == 200 else str(body["reason"])


@pytest.mark.parametrize("kind", list(EntityKind))
async def test_every_cell_of_the_table_is_what_the_convention_says(kind: EntityKind, pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client, scene.connected() as connection:
        await scene.citizens(citizen(1))
        for message_class, channel in product(MessageClass, ChannelName):
            tokens = await people(connection, scene, kind, message_class, channel)
            wrong: list[Any] = []
            for (holder, mandate), token in tokens.items():
                for target in TARGETS:
                    found = await forecast(client, token, posted(target, message_class, channel))
                    if found != wanted(kind, target, mandate):
                        wrong.append((kind, message_class, channel, holder, mandate, target, found))
            others = [(c, h) for c, h in product(MessageClass, ChannelName) if (c, h) != (message_class, channel)]
            for other in others:  # one mandate is for one class by one channel
                found = await forecast(client, tokens["person", "entity"], posted("group", *other))
                wrong += [(other, found)] if found != "no-mandate" else []
            assert wrong == []


@pytest.mark.parametrize("kind", list(EntityKind))
async def test_mail_and_command_meet_the_same_table(kind: EntityKind, pg: Cluster) -> None:
    """Both give their bytes and their authority to the same intake; here with a different alert for every cell."""
    async with a_scene(pg) as scene, scene.connected() as connection:
        await scene.citizens(citizen(1))
        tokens = await people(connection, scene, kind, MessageClass.URGENT, ChannelName.SMS)
        for (holder, mandate), token in tokens.items():
            for number, target in enumerate(TARGETS):
                raw = posted(target, MessageClass.URGENT, ChannelName.SMS, f"{holder}-{mandate}-{number}")
                source = "mailbox" if number % 2 else "command"
                answer = await scene.intake.accept(raw, await scene.authority(token), source)
                reason = "" if answer.status == 201 else answer.body["reason"]
                assert reason == wanted(kind, target, mandate), (holder, mandate, target)


async def test_a_purpose_outside_the_mandate_reaches_no_citizen(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client, scene.connected() as connection:
        commune = await scene.entity(groups={"g": 1})
        mandate = NewMandate(
            classes=tuple(MessageClass), channels=tuple(ChannelName), purposes=[Purpose.PUBLIC_INTEREST]
        )
        token = await put_person(connection, commune.id, mandate=mandate)
        for purpose in Purpose:
            alert = asking(an_alert(), channels="sms", **{"class": "news", "purpose": purpose.value})
            found = await forecast(client, token, document(with_infos(alert, area=(HERE,))))
            assert found == ("" if purpose is Purpose.PUBLIC_INTEREST else "no-purpose")
        assert await forecast(client, token, posted("group", MessageClass.URGENT, ChannelName.SMS)) == ""


async def test_who_is_not_trained_sends_nothing_where_training_is_asked_for(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client, scene.connected() as connection:
        commune = await scene.entity(groups={"g": 1}, policy={"training_required": True})
        token = await put_person(connection, commune.id, mandate=NewMandate(
            classes=tuple(MessageClass), channels=tuple(ChannelName)), email="t@people.example",
        )  # fmt: skip
        raw = posted("group", MessageClass.URGENT, ChannelName.SMS)
        assert await forecast(client, token, raw) == "not-trained"
        assert await forecast(client, commune.second, raw) == ""
        for days, reason in ((-1, "not-trained"), (0, ""), (30, "")):
            await connection.execute("UPDATE membership SET trained_until = current_date + $1::int", days)
            assert await forecast(client, token, raw) == reason


async def test_a_mandate_holds_between_its_dates(pg: Cluster) -> None:
    async with a_scene(pg) as scene, scene.connected() as connection:
        commune = await scene.entity()
        token = await put_person(connection, commune.id, mandate=NewMandate(
            classes=[MessageClass.URGENT], channels=[ChannelName.SMS]))  # fmt: skip
        for first, last, holds in ((-2, -1, False), (-1, 1, True), (1, 2, False)):
            await connection.execute(
                "UPDATE mandate SET not_before = now() + $1::int * interval '1 hour', "
                "not_after = now() + $2::int * interval '1 hour' WHERE person_id IS NOT NULL", first, last,
            )  # fmt: skip
            assert bool((await scene.authority(token)).mandates) is holds
        assert await admin.revoke_token(connection, (await scene.authority(token)).token_id or 0)

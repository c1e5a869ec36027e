"""Agreement on a real store: what waits for whom, what voids it, races, broken glass, and the database's own no."""

import asyncio
from typing import Any

import asyncpg
import pytest

from gateway.cap.model import Scope
from gateway.flows.answers import Answer
from gateway.model import ChannelName, MessageClass, Realm, Role
from gateway.policy import approval
from gateway.policy.importing import ImportedContact
from gateway.store import admin, approvals, persons
from gateway.store.persons import Grant, NewMandate
from tests.support.people import everything, put_person
from tests.support.scene import Entity, Scene, an_alert, area, asking, citizen, square, with_infos

HERE = area(square(4.325, 50.815))
APPROVAL = {"approval": ["urgent"]}


def to_group(identifier: str = "A-1", group: str = "g") -> Any:
    alert = asking(an_alert(identifier, addresses=(group,), scope=Scope.PRIVATE), channels="sms")
    return with_infos(alert, area=())


async def approve(scene: Scene, answer: Answer, token: Entity | str, seal: str | None = None) -> Answer:
    return await scene.campaigns.agreeing.approve(answer.body["campaign"], await scene.authority(token), seal)


async def partnership(scene: Scene, entity: Entity, agreement: str) -> tuple[int, dict[str, str]]:
    """A partnership with group g and, by role, the tokens of its people and of somebody without one."""
    async with scene.connected() as connection:
        number = await persons.put_partnership(connection, entity.id, "plp", "PLP", agreement)
        assert await persons.give_group(connection, entity.id, "g", number)
        tokens = {
            role: await put_person(connection, entity.id, partner=[(number, role)], mandate=everything(number))
            for role in ("coordinator", "co-coordinator", "police")
        }
        tokens["nobody"] = await put_person(connection, entity.id, mandate=everything())
    return number, tokens


AGREEMENTS = {
    "none": [], "coordinator": ["co-coordinator"], "police": ["police"], "both": ["police", "coordinator"],
}  # fmt: skip


@pytest.mark.parametrize("rule", list(AGREEMENTS))
async def test_a_partnership_s_alert_waits_for_those_whom_its_rule_names(rule: str, scene: Scene) -> None:
    zone = await scene.entity("zone", groups={"g": 2})
    _, tokens = await partnership(scene, zone, rule)
    answer = await scene.post(to_group(), tokens["nobody"])
    assert answer.body["state"] == ("held" if AGREEMENTS[rule] else "planned")
    for who in AGREEMENTS[rule]:
        assert (await scene.campaign(answer))["state"] == "held"
        assert (await approve(scene, answer, tokens["nobody"])).status == 403
        assert (await approve(scene, answer, tokens[who])).status == 200
    await scene.plan()
    assert len(await scene.addresses(answer)) == 2
    seen = await scene.campaigns.progress(answer.body["campaign"], await scene.authority(zone))
    assert seen is not None
    given = seen.get("approval", {}).get("given", [])
    assert [one["need"].partition(":")[0] for one in given] == [who.removeprefix("co-") for who in AGREEMENTS[rule]]


async def test_a_coordinator_who_sends_has_agreed_and_the_police_still_must(scene: Scene) -> None:
    zone = await scene.entity("zone", groups={"g": 2})
    number, tokens = await partnership(scene, zone, "both")
    answer = await scene.post(to_group(), tokens["coordinator"])
    assert (answer.body["state"], answer.body["needs"]) == ("held", [f"police:{number}"])
    assert (await approve(scene, answer, tokens["co-coordinator"])).body["reason"] == "not-approver"
    assert (await approve(scene, answer, tokens["police"])).body["state"] == "planned"


async def test_who_may_send_for_a_partnership_reaches_its_groups_and_nobody_else(scene: Scene) -> None:
    zone = await scene.entity("zone", groups={"g": 2, "other": 2})
    _, tokens = await partnership(scene, zone, "none")
    refused = await scene.post(to_group(group="other"), tokens["coordinator"])
    assert (refused.status, refused.body["reason"]) == (403, "no-mandate")
    by_place = with_infos(asking(an_alert("A-2"), channels="sms"), area=(HERE,))
    assert (await scene.post(by_place, tokens["coordinator"])).body["reason"] == "no-mandate"
    answer = await scene.post(to_group("A-3"), tokens["coordinator"])
    assert answer.status == 201
    acted = await scene.campaigns.act("pause", answer.body["campaign"], await scene.authority(tokens["coordinator"]))
    assert acted.status == 200
    resumed = await scene.campaigns.act("resume", answer.body["campaign"], await scene.authority(tokens["coordinator"]))
    assert resumed.status == 200


async def test_size_asks_for_a_second_person(scene: Scene) -> None:
    commune = await scene.entity(policy={"approval_above": {"urgent": 3}}, groups={"g": 3, "h": 4})
    assert (await scene.post(to_group(), commune)).body["state"] == "planned"
    held = await scene.post(to_group("A-2", "h"), commune)
    assert (held.body["state"], held.body["needs"]) == ("held", ["second"])


async def test_what_was_seen_has_changed_so_agreement_is_void(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 2})
    _, tokens = await partnership(scene, commune, "police")
    answer = await scene.post(to_group(), commune)
    assert (await approve(scene, answer, tokens["police"])).body["needs"] == ["second"]
    async with scene.connected() as connection:
        group = (await admin.groups(connection, "commune"))[0].id
        more = ImportedContact(row=1, key="new", mobile="+32470999999")
        await admin.import_contacts(connection, commune.id, [more], group_id=group)
    changed = await approve(scene, answer, commune.second)
    assert (changed.status, changed.body["reason"], changed.body["messages"]) == (409, "changed", 3)
    seal = changed.body["seal"]
    second = await approve(scene, answer, commune.second, seal)
    assert second.body["state"] == "held"  # the police agreed to something else
    assert (await approve(scene, answer, tokens["police"], seal.upper())).body["state"] == "planned"
    who = [(await scene.authority(one)).holder for one in (commune, tokens["police"], commune.second, tokens["police"])]
    report = await reported(scene, answer)
    assert report["approved_by"] == [who[2], who[3]], "and not the police for what they agreed to before"
    held = [(entry["what"], entry["by"]) for entry in report["custody"] if entry["state"] == "held"]
    assert held == [("accepted", who[0]), ("agreed", who[1]), ("agreement void", who[2]), ("agreed", who[2])]


async def test_what_has_grown_beyond_its_size_asks_for_a_second_person_after_all(scene: Scene) -> None:
    commune = await scene.entity(policy={"approval_above": {"urgent": 2}}, groups={"g": 2})
    number, tokens = await partnership(scene, commune, "police")
    answer = await scene.post(to_group(), commune)
    assert answer.body["needs"] == [f"police:{number}"]
    async with scene.connected() as connection:
        group = (await admin.groups(connection, "commune"))[0].id
        more = ImportedContact(row=1, key="new", mobile="+32470999999")
        await admin.import_contacts(connection, commune.id, [more], group_id=group)
    changed = await approve(scene, answer, tokens["police"])
    assert (changed.status, changed.body["needs"]) == (409, ["second", f"police:{number}"])
    seal = changed.body["seal"]
    police = await approve(scene, answer, tokens["police"], seal)
    assert (police.body["state"], police.body["needs"]) == ("held", ["second"])
    assert (await approve(scene, answer, commune, seal)).body["reason"] == "own-alert"
    assert (await approve(scene, answer, commune.second, seal)).body["state"] == "planned"


async def test_who_agrees_to_what_it_has_grown_to_at_once_lets_it_wait_for_the_second_person(scene: Scene) -> None:
    """The seal of today needs no refusal first: whoever computes it agrees to today's size."""
    commune = await scene.entity(policy={"approval_above": {"urgent": 2}}, groups={"g": 2, "h": 3})
    _, tokens = await partnership(scene, commune, "police")
    answer = await scene.post(to_group(), commune)
    held = await scene.rows("SELECT id, plan FROM campaign")
    async with scene.connected() as connection:
        group = (await admin.groups(connection, "commune"))[0].id
        more = ImportedContact(row=1, key="new", mobile="+32470999999")
        await admin.import_contacts(connection, commune.id, [more], group_id=group)
        seal = approval.seal(held[0]["plan"], await approvals.texts(connection, held[0]["id"]), 3)
    police = await approve(scene, answer, tokens["police"], seal.hex())
    assert (police.status, police.body["needs"]) == (200, ["second"])


async def reported(scene: Scene, answer: Answer) -> Any:
    """The final report of a campaign that was let go."""
    await scene.plan()
    await scene.end(answer)
    await scene.closer.once()
    ((body,),) = await scene.rows("SELECT body FROM report")
    return body


async def test_citizens_who_come_meanwhile_are_counted_without_being_seen(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    await scene.citizens(citizen(1))
    answer = await scene.post(with_infos(asking(an_alert(), channels="sms"), area=(HERE,)), commune)
    await scene.citizens(citizen(2))
    changed = await approve(scene, answer, commune.second)
    assert (changed.body["reason"], changed.body["messages"]) == ("changed", 2)
    assert (await approve(scene, answer, commune.second, changed.body["seal"])).status == 200


async def test_two_who_approve_at_once_send_once(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 3})
    answer = await scene.post(to_group(), commune)
    async with scene.connected() as connection:
        tokens = [await put_person(connection, commune.id, roles=[Role.APPROVER]) for _ in range(4)]
    found = await asyncio.gather(*(approve(scene, answer, token) for token in tokens))
    assert sorted(one.status for one in found) == [200, 409, 409, 409]
    await scene.plan()
    assert len(await scene.addresses(answer)) == 3
    events = await scene.rows("SELECT event FROM campaign_event WHERE event = 'approved'")
    assert len(events) == 1


async def test_one_person_with_two_tokens_is_one_author(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 1})
    async with scene.connected() as connection:
        first = await put_person(
            connection, commune.id, roles=[Role.APPROVER], mandate=everything(), email="an@people.example"
        )
        second = await put_person(connection, commune.id, email="an@people.example")
    answer = await scene.post(to_group(), first)
    assert (await approve(scene, answer, second)).body["reason"] == "own-alert"


async def test_who_made_the_token_of_a_machine_is_no_second_person_to_it(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 1})
    everything_ = NewMandate(classes=tuple(MessageClass), channels=tuple(ChannelName))
    async with scene.connected() as connection:
        people = [
            await put_person(connection, commune.id, roles=[Role.ADMIN, Role.APPROVER], mandate=everything())
            for _ in range(2)
        ]
        first, second = [(await scene.authority(one)).holder for one in people]
        machines = []
        for by in (first, first, second):
            grant = Grant(by, "operator")
            made = await persons.make_token(
                connection, commune.id, Realm.LIVE, everything_, grant, note="room", expires_at=None
            )
            machines.append(made[1])
    for number, (author, hand) in enumerate(
        [(machines[0], people[0]), (machines[0], machines[1]), (people[0], machines[0])]
    ):
        answer = await scene.post(to_group(f"A-{number}"), author)
        assert (await approve(scene, answer, hand)).body["reason"] == "own-alert", number
        other = machines[2] if number == 1 else people[1]
        assert (await approve(scene, answer, other)).body["state"] == "planned", number


async def test_the_database_too_says_no_to_the_author(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 1})
    answer = await scene.post(to_group(), commune)
    authority = await scene.authority(commune)
    async with scene.connected() as connection:
        row = await approvals.case(connection, answer.body["campaign"], commune.id, authority.realm)
        with pytest.raises(asyncpg.CheckViolationError):
            await approvals.give(connection, row, authority.holder, ["second"], row["seal"])
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await approvals.give(connection, dict(row) | {"author": "token:999"}, authority.holder, ["second"], b"")


async def test_broken_glass_sends_and_tells_every_approver(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 2})
    async with scene.connected() as connection:
        named = await put_person(connection, commune.id, roles=[Role.BREAK_GLASS], mandate=everything())
        approver = await put_person(connection, commune.id, roles=[Role.APPROVER])
    answer = await scene.post(to_group(), named)
    name, why = answer.body["campaign"], "the tank may burst any minute"
    agreeing, author = scene.campaigns.agreeing, await scene.authority(named)
    assert (await agreeing.break_glass(name, author, "now")).status == 422
    assert (await agreeing.break_glass(name, await scene.authority(approver), why)).status == 403
    assert (await agreeing.break_glass(name, author, why)).body["state"] == "planned"
    assert (await agreeing.break_glass(name, author, why)).status == 409
    told = await scene.authority(approver)
    async with scene.connected() as connection:
        (notice,) = await persons.notices(connection, commune.id, told.person_id or 0, 99, 99)
    assert (notice["word"], notice["subject"], notice["body"]) == ("glass-broken", f"campaign:{name}", why)
    assert author.holder in (await reported(scene, answer))["approved_by"]
    events = await scene.rows("SELECT event, actor FROM campaign_event ORDER BY id")
    assert ("broken glass", author.holder) in [tuple(row) for row in events]


async def test_a_rehearsal_waits_for_nobody(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL, groups={"g": 1})
    _, tokens = await partnership(scene, commune, "both")
    async with scene.connected() as connection:
        rehearsing = await put_person(connection, commune.id, mandate=everything(), realm=Realm.TEST)
    assert (await scene.post(to_group(), rehearsing)).body["state"] == "planned"
    assert (await approve(scene, await scene.post(to_group(), commune), tokens["police"])).status == 200

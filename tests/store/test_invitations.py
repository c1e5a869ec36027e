"""Invitations that go by mail: nothing works before the mail leaves, and only the last link does."""

from datetime import UTC, datetime, timedelta

from gateway.model import Realm, Role
from gateway.store import invitations, persons
from gateway.store.persons import Grant
from tests.support.people import put_person
from tests.support.scene import Scene

AN = "an@people.example"


async def asked(scene: Scene, grant: Grant) -> tuple[int, int]:
    """(entity, invitation) of An, who is to be invited by mail."""
    commune = await scene.entity()
    async with scene.store.acting("test") as connection:
        await put_person(connection, commune.id, email=AN, roles=[Role.ADMIN])
        an = await persons.find(connection, commune.id, AN)
        until = datetime.now(UTC) + timedelta(days=7)
        number = await invitations.ask(connection, commune.id, an["id"], Realm.LIVE, until, grant, anew=False)
    return commune.id, number


async def test_a_secret_is_made_when_the_mail_leaves_and_only_the_last_one_works(scene: Scene) -> None:
    entity, number = await asked(scene, Grant())
    found = []
    for _ in range(2):
        async with scene.store.acting("test") as connection:
            ((row, secret),) = await invitations.take_due(connection, 10)
            assert (row["id"], row["email"], row["language"], row["entity"]) == (
                number, AN, "nl", "Authority commune",
            )  # fmt: skip
            assert await invitations.take_due(connection, 10) == [], "taken for a while"
            await invitations.settle(connection, entity, number, False, 0.0)
        found.append(secret)
    async with scene.store.acting("test") as connection:
        await invitations.settle(connection, entity, number, True, None)
        assert await invitations.take_due(connection, 10) == []
        assert await persons.redeem(connection, found[0], "", None) is None
        assert await persons.redeem(connection, found[1], "", None) is not None
    acts = [row["act"] for row in await scene.rows("SELECT act FROM audit_event WHERE act LIKE 'invitation.%mailed'")]
    assert acts == ["invitation.mailed"]


async def test_nothing_leaves_before_a_second_administrator_agreed_nor_to_who_is_suspended(scene: Scene) -> None:
    entity, number = await asked(scene, Grant("person:1", None))
    async with scene.store.acting("test") as connection:
        assert await invitations.take_due(connection, 10) == []
        assert await persons.confirm_invitation(connection, entity, number, "person:2")
        an = await persons.find(connection, entity, AN)
        await persons.suspend(connection, entity, an["id"], True)
        assert await invitations.take_due(connection, 10) == []
        await persons.suspend(connection, entity, an["id"], False)
        assert len(await invitations.take_due(connection, 10)) == 1

"""What is kept of alerts by mail, on a real server."""

import secrets
from dataclasses import replace

import asyncpg
import pytest

from gateway.model import EntityKind, Realm
from gateway.policy.mailproof import MailSource, ProofKind
from gateway.store import admin, mailbox
from gateway.store.mailbox import OwedAnswer, SettledMail, Spot
from gateway.store.pool import Connection

pytestmark = pytest.mark.both_servers
WANTED = MailSource(
    id=0, mailbox="alerts", address="Duty@Commune.example", entity_id=0, proof=ProofKind.DKIM,
    domain="Commune.example", answers=True, reply_address="duty@commune.example",
)  # fmt: skip
SPOT = Spot("alerts", 77, 5)


async def token(connection: Connection, realm: Realm = Realm.LIVE) -> int:
    entity = await admin.entity(connection, "brugge")
    number = entity.id if entity else await admin.create_entity(
        connection, slug="brugge", name="Brugge", kind=EntityKind.TYPE1, live=True, languages=["nl"]
    )  # fmt: skip
    assert number is not None
    return await admin.create_token(
        connection, entity_id=number, realm=realm, token=admin.NewToken(text="", digest=secrets.token_bytes(32))
    )


async def source(connection: Connection, **more: object) -> MailSource:
    wanted = replace(WANTED, **more)  # type: ignore[arg-type]
    assert await mailbox.add_source(connection, wanted, await token(connection)) is not None
    found = await mailbox.source_of_address(connection, wanted.mailbox, wanted.address.lower())
    assert found is not None
    return found


async def test_a_source_is_found_by_its_address_in_lower_case(connection: Connection) -> None:
    found = await source(connection)
    assert (found.address, found.domain, found.proof) == ("duty@commune.example", "commune.example", ProofKind.DKIM)
    assert await mailbox.sources_of_entity(connection, found.entity_id) == [found]
    assert await mailbox.source_of_address(connection, "other", found.address) is None


async def test_an_address_is_one_source_until_it_is_revoked(connection: Connection) -> None:
    found = await source(connection)
    assert await mailbox.add_source(connection, WANTED, await token(connection)) is None
    assert await mailbox.authority_of_source(connection, found.id) is not None
    assert await mailbox.revoke_source(connection, found.id)
    assert not await mailbox.revoke_source(connection, found.id)
    assert await mailbox.authority_of_source(connection, found.id) is None
    assert await mailbox.source_of_address(connection, "alerts", found.address) is None
    assert (await source(connection)).id != found.id


async def test_the_authority_is_that_of_the_credential(connection: Connection) -> None:
    found = await source(connection)
    authority = await mailbox.authority_of_source(connection, found.id)
    assert authority is not None
    assert (authority.slug, authority.realm, len(authority.mandates)) == ("brugge", Realm.LIVE, 12)
    assert authority.token_id is not None
    await admin.revoke_token(connection, authority.token_id)
    assert await mailbox.authority_of_source(connection, found.id) is None
    assert await mailbox.authority_of_source(connection, 10**6) is None


@pytest.mark.parametrize(
    "wrong", [{"domain": ""}, {"proof": ProofKind.SMIME}, {"reply_address": ""}, {"address": "nobody"}]
)
async def test_a_source_without_what_its_proof_needs_can_not_be(
    connection: Connection, wrong: dict[str, object]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await source(connection, **wrong)


async def test_a_new_numbering_begins_at_its_first_mail(connection: Connection) -> None:
    assert await mailbox.enter(connection, "alerts", 77) == 0
    await mailbox.advance(connection, "alerts", 77, 9)
    await mailbox.advance(connection, "alerts", 77, 3)
    await mailbox.advance(connection, "alerts", 76, 100)
    assert await mailbox.enter(connection, "alerts", 77) == 9
    assert await mailbox.enter(connection, "alerts", 78) == 0


async def test_attempts_at_one_mail_are_counted_until_it_ends(connection: Connection) -> None:
    await mailbox.enter(connection, "alerts", 77)
    assert [await mailbox.begin(connection, SPOT) for _ in range(3)] == [1, 2, 3]
    assert await mailbox.begin(connection, SPOT._replace(uid=6)) == 1
    await mailbox.end(connection, "alerts", 77)
    assert await mailbox.begin(connection, SPOT._replace(uid=6)) == 1


async def test_a_mail_has_one_verdict_and_its_answers_come_with_it(connection: Connection) -> None:
    found = await source(connection)
    mail = SettledMail(SPOT, b"x" * 32, 10, found, "taken", alerts=[("al_1", 201)])
    answer = OwedAnswer("<a@b>", "Accepted", "words", b"<alert/>")
    assert await mailbox.settle(connection, mail, [answer] * 3, answers_per_hour=2) == 2
    assert await mailbox.settle(connection, mail, [answer], answers_per_hour=9) is None
    assert await mailbox.is_known(connection, "alerts", b"x" * 32)
    assert not await mailbox.is_known(connection, "other", b"x" * 32)
    assert await mailbox.settled_behind(connection, "alerts", 77, 4) == {5}
    assert await mailbox.settled_behind(connection, "alerts", 77, 5) == set()


async def test_an_answer_is_claimed_by_one_and_ends_when_sent(connection: Connection) -> None:
    found = await source(connection)
    mail = SettledMail(SPOT, b"x" * 32, 10, found, "taken")
    await mailbox.settle(connection, mail, [OwedAnswer("", "s", "b", None)], answers_per_hour=9)
    [due] = await mailbox.claim_answers(connection, 10, 5)
    assert (due.to, due.document, due.wanted) == ("duty@commune.example", None, True)
    assert await mailbox.claim_answers(connection, 10, 5) == []
    await mailbox.answer_sent(connection, due.id)
    await connection.execute("UPDATE mail_answer SET not_before = now()")
    assert await mailbox.claim_answers(connection, 10, 5) == []


async def test_a_verdict_can_not_be_changed_by_the_application(connection: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE mail SET verdict = 'taken'")

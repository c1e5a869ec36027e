"""Entities in the store: the tree, the papers, terms."""

from datetime import date

from gateway.model import EntityKind, Role
from gateway.policy.onboarding import missing
from gateway.store import admin, entities, persons
from gateway.store.pool import Connection
from tests.store import made
from tests.support.people import put_person


async def test_the_tree_is_read_from_any_place_in_it(connection: Connection) -> None:
    for slug, kind, parent in (("be", "national", None), ("wvl", "type1", "be"), ("brugge", "type1", "wvl")):
        await admin.create_entity(
            connection, slug=slug, name=slug, kind=EntityKind(kind), live=False, languages=["nl"], parent=parent
        )
    province = await entities.show(connection, "wvl")
    below = await entities.page(connection, province["id"], "", 10)
    assert [(row["slug"], row["parent"]) for row in below] == [("brugge", "wvl"), ("wvl", "be")]
    whole = await entities.page(connection, None, "be", 10)
    assert [row["slug"] for row in whole] == ["brugge", "platform", "wvl"]


async def test_papers_come_one_by_one_until_nothing_is_missing(connection: Connection) -> None:
    number = await made.entity(connection)
    await entities.note_papers(connection, number, convention=date(2026, 1, 5), order_form=date(2026, 1, 6))
    await entities.change_own(connection, number, contact_persons=[{"name": "An"}])
    await put_person(connection, number, roles=[Role.ADMIN])
    assert missing(entities.papers_of(await entities.show(connection, "brugge"))) == []
    version = await entities.publish_terms(connection, "Be kind.")
    assert missing(entities.papers_of(await entities.show(connection, "brugge"))) == ["terms"]
    assert await entities.answer_terms(connection, number, version, True, "person:1")
    assert missing(entities.papers_of(await entities.show(connection, "brugge"))) == []
    assert not await entities.answer_terms(connection, number, version + 1, True, "person:1")


async def test_new_terms_and_notices_reach_those_whom_they_are_for(connection: Connection) -> None:
    number, other = await made.entity(connection), await made.entity(connection, "gent")
    await put_person(connection, number, roles=[Role.ADMIN], email="a@x.example")
    await put_person(connection, other, roles=[Role.VIEWER], email="b@x.example")
    await entities.publish_terms(connection, "Be kind.")
    await entities.tell(connection, [other], "Hello.")
    await entities.tell(connection, None, "Everybody.")
    told = []
    for entity, email in ((number, "a@x.example"), (other, "b@x.example")):
        person = await persons.find(connection, entity, email)
        notices = await persons.notices(connection, entity, person["id"], 999, 99)
        told.append([(row["word"], row["body"]) for row in reversed(notices)])
    assert told == [[("terms", ""), ("platform", "Everybody.")], [("platform", "Hello."), ("platform", "Everybody.")]]

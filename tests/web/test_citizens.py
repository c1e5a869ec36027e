"""Citizens over HTTP: double opt-in, the self-service, and that nobody learns who is registered."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from gateway.store.embedded import Cluster
from tests.support.authority import ask
from tests.support.citizens import ANNA, HERE, Desk, a_desk

NUMBER = "+32470123456"


@pytest_asyncio.fixture
async def desk(pg: Cluster) -> AsyncIterator[Desk]:
    async with a_desk(pg) as made:
        yield made


async def citizens(desk: Desk) -> list[str]:
    rows = await desk.rows("SELECT coalesce(mobile, email) AS who FROM contact WHERE registered ORDER BY id")
    return [row["who"] for row in rows]


async def test_nobody_is_registered_before_the_code_came_back(desk: Desk) -> None:
    status, body = await desk.post("", ANNA)
    assert status == 202
    assert body["proofs"][0]["by"] == "sms"
    assert await citizens(desk) == []
    code = await desk.come(NUMBER)
    proof = body["proofs"][0]["proof"]
    status, answer = await desk.post("/confirm", {"proof": proof, "code": code})
    assert status == 200
    assert await citizens(desk) == [NUMBER]
    _, seen = await ask(desk.client, answer["session"], "GET", "/v1/citizens/me")
    assert (seen["name"], seen["language"], seen["mobile"], seen["consent"]) == ("Anna", "fr", NUMBER, "self:sms")
    assert seen["places"] == [HERE]
    assert (await desk.post("/confirm", {"proof": proof, "code": code}))[0] == 403, "a code works once"


async def test_an_address_is_proven_by_a_link_and_a_second_way_joins_the_first(desk: Desk) -> None:
    status, body = await desk.post("", ANNA | {"email": "Anna@Example.org"})
    assert status == 202
    sms, mail = body["proofs"]
    assert mail["by"] == "email"
    for proof, address in ((mail, "Anna@example.org"), (sms, NUMBER)):
        code = await desk.come(address)
        assert (await desk.post("/confirm", {"proof": proof["proof"], "code": code}))[0] == 200
    rows = await desk.rows("SELECT mobile, email, verified_at, consent_source FROM contact WHERE registered")
    assert [(row["mobile"], row["email"]) for row in rows] == [(NUMBER, "Anna@example.org")]
    assert rows[0]["consent_source"] == "self:email"
    assert rows[0]["verified_at"] is not None


async def test_wrong_codes_run_out_of_tries(desk: Desk) -> None:
    _, body = await desk.post("", ANNA)
    code, proof = await desk.come(NUMBER), body["proofs"][0]["proof"]
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**8:08}"
    for _ in range(5):
        status, answer = await desk.post("/confirm", {"proof": proof, "code": wrong})
        assert (status, answer["reason"]) == (403, "not-proven")
    status, after = await desk.post("/confirm", {"proof": proof, "code": code})
    assert (status, after["reason"]) == (403, "not-proven")
    assert after == answer == (await desk.post("/confirm", {"proof": "pr_none", "code": code}))[1]
    assert await citizens(desk) == []


async def test_neither_code_nor_session_can_be_read_from_the_database(desk: Desk, pg: Cluster) -> None:
    _, body = await desk.post("", ANNA)
    code = await desk.come(NUMBER)
    session = (await desk.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code}))[1]["session"]
    await desk.post("", ANNA | {"mobile": "0470000001"})
    second = await desk.come("+32470000001")
    connection = await asyncpg.connect(pg.admin_dsn)
    try:
        tables = ("citizen_proof", "citizen_wish", "citizen_session", "citizen_rate", "contact", "audit_event")
        said = "".join([str(await connection.fetch(f"SELECT t::text FROM {name} t")) for name in tables])
    finally:
        await connection.close()
    for secret in (code, second, session):
        assert secret.replace(" ", "") not in said
    assert "Anna" not in str(await desk.rows("SELECT data FROM citizen_wish WHERE contact_id IS NOT NULL"))


async def test_known_and_unknown_are_answered_alike_without_a_look_at_anybody(desk: Desk, pg: Cluster) -> None:
    await desk.registered()
    owner = await asyncpg.connect(pg.owner_dsn)
    try:  # whoever looks at people now fails
        await owner.execute("REVOKE ALL ON contact, address FROM gateway_app, gateway_app_tenant")
    finally:
        await owner.close()
    for path, body in (("", ANNA), ("/links", {})):
        answers = []
        for mobile in ("0470123456", "0470999999"):
            status, answer = await desk.post(path, body | {"mobile": mobile})
            assert len(answer["proofs"]) == 1
            answer["proofs"][0]["proof"] = "pr"
            answers.append((status, answer))
        assert answers[0] == answers[1]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.rows("SELECT * FROM contact")


async def test_a_link_goes_only_to_who_is_registered(desk: Desk) -> None:
    await desk.registered()
    desk.sent.clear()
    for mobile in ("0470123456", "0470999999"):
        assert (await desk.post("/links", {"mobile": mobile}))[0] == 202
    await desk.courier.turn()
    assert [to for to, _ in desk.sent] == [NUMBER]
    assert await desk.courier.turn() == 0, "nothing is owed to the other one"


async def test_a_citizen_sees_changes_and_leaves(desk: Desk) -> None:
    session = await desk.registered()
    change = {"language": "de", "opt_out": ["news", "other"], "places": [HERE] * 5}
    status, seen = await desk.post("/me", change, session)
    assert status == 200
    assert (seen["name"], seen["language"], seen["opt_out"]) == ("Anna", "de", ["news", "other"])
    assert len(seen["places"]) == 5
    assert (await desk.post("/me", {"places": [HERE] * 6}, session))[0] == 422
    assert (await desk.post("/me", {"opt_out": ["urgent"]}, session))[0] == 422, "never of what is urgent"
    assert (await desk.post("/me/erase", session=session))[1] == {"erased": True, "erasure": 1}
    assert (await ask(desk.client, session, "GET", "/v1/citizens/me"))[0] == 401
    for table in ("contact", "address", "citizen_session", "citizen_proof"):
        assert await desk.rows(f"SELECT * FROM {table}") == []


async def test_a_number_is_changed_when_the_new_one_is_proven(desk: Desk) -> None:
    session = await desk.registered()
    status, body = await desk.post("/me/endpoints", {"mobile": "0470000002"}, session)
    assert status == 202
    assert await citizens(desk) == [NUMBER]
    code = await desk.come("+32470000002")
    assert (await desk.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code}))[0] == 200
    assert await citizens(desk) == ["+32470000002"]
    assert (await desk.post("/me/endpoints/remove", {"channel": "sms"}, session))[1]["reason"] == "last-endpoint"
    _, body = await desk.post("/me/endpoints", {"email": "a@b.example"}, session)
    code = await desk.come("a@b.example")
    assert (await desk.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code}))[0] == 200
    status, seen = await desk.post("/me/endpoints/remove", {"channel": "sms"}, session)
    assert (status, seen["mobile"], seen["email"]) == (200, None, "a@b.example")


async def test_who_proves_a_number_last_has_it_alone(desk: Desk) -> None:
    first = await desk.registered()
    _, body = await desk.post("/me/endpoints", {"email": "anna@b.example"}, first)
    code = await desk.come("anna@b.example")
    await desk.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code})
    second = await desk.registered(mobile="0470000003", name="Bram")
    _, body = await desk.post("/me/endpoints", {"email": "anna@b.example"}, second)
    code = await desk.come("anna@b.example")
    assert (await desk.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code}))[0] == 200
    emails = await desk.rows("SELECT name, email FROM contact WHERE registered ORDER BY id")
    assert [tuple(row) for row in emails] == [("Anna", None), ("Bram", "anna@b.example")]


async def test_who_registers_again_is_the_same_citizen(desk: Desk) -> None:
    await desk.registered()
    await desk.registered(name="Anna B.", language="nl")
    rows = await desk.rows("SELECT name, language FROM contact WHERE registered")
    assert [tuple(row) for row in rows] == [("Anna B.", "nl")]


@pytest.mark.parametrize("more", [
    {"group": "plp-centre"}, {"partnership": "plp"}, {"entity": "brugge"}, {"landline": "025550000"},
    {"consent": False}, {"mobile": "02 555 00 00"},
    {"mobile": "0900 00 000"}, {"mobile": "", "email": "x"}, {"places": []},
    {"places": [{"lon": 4.3}]}, {"places": [{"lon": 4.3, "lat": 50.8, "municipality": "21007"}]},
])  # fmt: skip
async def test_what_is_not_taken(desk: Desk, more: dict[str, object]) -> None:
    """Not into a partnership, not without consent, not with a landline or premium number, not nowhere."""
    status, body = await desk.post("", ANNA | more)
    assert (status, body["reason"]) == (422, "wrong-body")
    assert await desk.rows("SELECT * FROM citizen_wish") == []


async def test_the_database_itself_keeps_citizens_out_of_partnerships(desk: Desk) -> None:
    await desk.registered()
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.rows("UPDATE contact SET partnership_id = 1 WHERE registered RETURNING id")


async def test_the_record_names_nobody(desk: Desk) -> None:
    session = await desk.registered()
    await desk.post("/me", {"language": "de"}, session)
    await desk.post("/me/erase", session=session)
    rows = await desk.rows("SELECT act, subject, actor, detail::text FROM audit_event WHERE act LIKE 'citizen.%'")
    assert [row["act"] for row in rows] == ["citizen.registered", "citizen.changed", "citizen.erased"]
    assert {row["actor"] for row in rows} == {"citizen"}
    assert "Anna" not in str(rows)
    assert NUMBER[-8:] not in str(rows)


async def test_rates_hold_for_a_number_for_an_asker_and_for_all(pg: Cluster) -> None:
    async with a_desk(pg, per_endpoint=2, per_source=4, in_all=1000) as desk:
        found = [(await desk.post("/links", {"mobile": "0470123456"}))[0] for _ in range(3)]
        assert found == [202, 202, 429], "of one number"
        found = [(await desk.post("/links", {"mobile": f"047000000{n}"}))[0] for n in range(3)]
        assert found == [202, 202, 429], "of one asker, whatever the number"
        async with desk.client.post("/v1/citizens/links", json={"mobile": "0470000009"}) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 0
        assert len(await desk.rows("SELECT * FROM citizen_proof")) == 4, "nothing is kept of what was refused"
    async with a_desk(pg, in_all=2) as desk:
        await desk.rows("DELETE FROM citizen_rate RETURNING 1")
        found = [(await desk.post("/links", {"email": f"{n}@b.example"}))[0] for n in range(3)]
        assert found == [202, 202, 429], "of everybody together"


async def test_a_closed_self_service_is_closed(desk: Desk) -> None:
    session = await desk.registered()
    assert (await desk.post("/me/close", session=session))[1] == {"closed": True}
    for method, path in (("GET", "/me"), ("POST", "/me"), ("POST", "/me/erase")):
        status, body = await ask(desk.client, session, method, f"/v1/citizens{path}", json={})
        assert (status, body["reason"]) == (401, "no-session")

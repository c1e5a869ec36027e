"""Passkeys against an authenticator of our own making: what is asked of it, and what is refused."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.flows.passkeys import Begun, Passkeys, RelyingParty
from gateway.log import unit_logger
from gateway.policy.rights import Refusal
from gateway.store import persons, sessions
from gateway.store.embedded import Cluster
from gateway.store.persons import Grant
from gateway.store.pool import Store
from gateway.store.sessions import Lasting, Session, State
from tests.store import made
from tests.support.authenticator import UP, UV, Authenticator, b64

ORIGIN = "https://alerts.example"
LASTING = Lasting(3600, 43200)


@pytest_asyncio.fixture
async def store(pg: Cluster) -> AsyncIterator[Store]:
    found = await Store.open(pg.app_dsn)
    yield found
    await found.close()


@pytest.fixture
def passkeys(store: Store) -> Passkeys:
    return Passkeys(store, RelyingParty("alerts.example", "Alerts", ORIGIN), LASTING, log=unit_logger("test"))


@pytest_asyncio.fixture
async def session(store: Store) -> Session:
    return await a_session(store)


async def a_session(store: Store, email: str = "an@x.example") -> Session:
    async with store.transaction() as connection:
        entity = await made.entity(connection, email.partition("@")[0])
        await persons.join(connection, entity, name="An", email=email, language="nl", roles=(), grant=Grant())
        person = await persons.find(connection, entity, email)
        secret = await sessions.open_session(connection, person["id"], State.ENROLLING, "invitation", LASTING)
        found = await sessions.find(connection, secret)
    assert found is not None
    return found


def wire(begun: Begun) -> dict[str, Any]:
    return {"publicKey": begun.options}


async def registered(passkeys: Passkeys, session: Session, authenticator: Authenticator) -> int | Refusal:
    begun = await passkeys.begin_registration(session)
    return await passkeys.register(session, begun.ceremony, authenticator.create(wire(begun)), "")


async def proven(passkeys: Passkeys, authenticator: Authenticator) -> str | Refusal:
    begun = await passkeys.begin_sign_in()
    return await passkeys.sign_in(begun.ceremony, authenticator.get(wire(begun)))


async def test_a_passkey_is_kept_and_proves_its_owner(passkeys: Passkeys, session: Session, store: Store) -> None:
    authenticator = Authenticator(ORIGIN)
    assert isinstance(await registered(passkeys, session, authenticator), int)
    secret = await proven(passkeys, authenticator)
    assert isinstance(secret, str)
    async with store.connection() as connection:
        found = await sessions.find(connection, secret)
    assert found is not None
    assert (found.person_id, found.state, found.way) == (session.person_id, State.OPEN, "passkey")


async def test_the_options_ask_for_a_verified_user_and_a_key_that_is_found_without_a_name(
    passkeys: Passkeys, session: Session
) -> None:
    begun = await passkeys.begin_registration(session)
    assert begun.options["authenticatorSelection"] == {
        "residentKey": "required", "requireResidentKey": True, "userVerification": "required"
    }  # fmt: skip
    assert begun.options["attestation"] == "none"
    assert "an@x.example" not in str(begun.options)
    assert (await passkeys.begin_sign_in()).options["userVerification"] == "required"


@pytest.mark.parametrize(
    "broken",
    [
        {"flags": UP},
        {"flags": UV},
        {"origin": "https://alerts.example.evil.example"},
        {"format": "packed"},
        {"format": "x"},
    ],
)
async def test_an_authenticator_that_does_not_do_what_it_should_is_refused(
    broken: dict[str, Any], passkeys: Passkeys, session: Session
) -> None:
    authenticator = Authenticator(ORIGIN)
    assert isinstance(await registered(passkeys, session, authenticator), int)
    for name, value in broken.items():
        setattr(authenticator, name, value)
    made_ = await registered(passkeys, session, authenticator)
    assert isinstance(made_, Refusal)
    assert made_.reason == "passkey-refused"
    if "format" not in broken:
        assert isinstance(await proven(passkeys, authenticator), Refusal)


async def test_a_count_that_does_not_grow_is_a_copy_of_the_key(passkeys: Passkeys, session: Session) -> None:
    authenticator = Authenticator(ORIGIN)
    await registered(passkeys, session, authenticator)
    copied = copy.copy(authenticator)
    copied.keys = [copy.copy(key) for key in authenticator.keys]
    for _ in range(3):
        assert isinstance(await proven(passkeys, authenticator), str)
    assert isinstance(await proven(passkeys, copied), Refusal)
    authenticator.step, authenticator.keys[0].count = 0, 0  # one that counts nothing says 0 for ever
    assert isinstance(await proven(passkeys, authenticator), Refusal)


async def test_an_authenticator_that_does_not_count_is_fine(passkeys: Passkeys, session: Session) -> None:
    authenticator = Authenticator(ORIGIN, step=0)
    await registered(passkeys, session, authenticator)
    assert [isinstance(await proven(passkeys, authenticator), str) for _ in range(2)] == [True, True]


async def test_a_passkey_of_one_person_is_never_another_s(passkeys: Passkeys, session: Session, store: Store) -> None:
    other = await a_session(store, "jan@x.example")
    authenticator = Authenticator(ORIGIN)
    begun = await passkeys.begin_registration(session)
    credential = authenticator.create(wire(begun))
    stolen = await passkeys.register(other, begun.ceremony, credential, "")
    assert isinstance(stolen, Refusal)
    await registered(passkeys, session, authenticator)
    begun = await passkeys.begin_sign_in()
    credential = authenticator.get(wire(begun))
    credential["response"]["userHandle"] = b64(other.person.encode())
    assert isinstance(await passkeys.sign_in(begun.ceremony, credential), Refusal)


async def test_a_session_that_ended_meanwhile_keeps_no_passkey(
    passkeys: Passkeys, session: Session, store: Store
) -> None:
    begun = await passkeys.begin_registration(session)
    async with store.transaction() as connection:
        await sessions.end_all(connection, session.person_id)
    made_ = await passkeys.register(session, begun.ceremony, Authenticator(ORIGIN).create(wire(begun)), "")
    assert isinstance(made_, Refusal)


def damaged(credential: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The credential with one of its parts replaced by something else."""
    anything = st.one_of(
        st.none(),
        st.integers(),
        st.text(max_size=40),
        st.binary(max_size=80).map(b64),
        st.lists(st.integers(), max_size=2),
    )

    def change(path: str, value: Any) -> dict[str, Any]:
        whole = copy.deepcopy(credential)
        (whole["response"] if path in whole["response"] else whole)[path] = value
        return whole

    return st.builds(change, st.sampled_from([*credential, *credential["response"]]), anything)


async def test_nothing_that_an_authenticator_could_say_breaks_anything(
    passkeys: Passkeys, session: Session, store: Store
) -> None:
    authenticator = Authenticator(ORIGIN)
    await registered(passkeys, session, authenticator)
    begun, asked = await passkeys.begin_registration(session), await passkeys.begin_sign_in()
    new, proof = authenticator.create(wire(begun)), authenticator.get(wire(asked), authenticator.keys[0])
    found: list[dict[str, Any]] = []

    @settings(max_examples=40)
    @given(st.one_of(damaged(new), damaged(proof), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)))
    def collect(credential: dict[str, Any]) -> None:
        found.append(credential)

    collect()
    for credential in found:
        begun, asked = await passkeys.begin_registration(session), await passkeys.begin_sign_in()
        assert isinstance(await passkeys.register(session, begun.ceremony, credential, ""), Refusal)
        assert isinstance(await passkeys.sign_in(asked.ceremony, credential), Refusal)

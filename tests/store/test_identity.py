"""By what an entity's alerts are known, kept and found again with its credential."""

from datetime import UTC, datetime

import asyncpg
import pytest

from gateway.model import Realm, SignatureRule
from gateway.policy.rights import Authority
from gateway.store import admin, identity, registry
from gateway.store.embedded import Cluster
from tests.cap.signed import issued, rsa_key
from tests.store import made
from tests.support.keys import pin, signer


async def authority(pg: Cluster, entity_id: int) -> Authority:
    async with admin.connected(pg.app_dsn) as connection:
        token = admin.new_token(Realm.LIVE)
        await admin.create_token(connection, entity_id=entity_id, realm=Realm.LIVE, token=token)
        found = await registry.authority_of_token(connection, token.text)
    assert found is not None
    return found


async def test_a_new_entity_verifies_trusts_nobody_and_may_use_any_sender(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        number = await made.entity(connection)
        assert await identity.rule(connection, number) == ("verify", False)
        assert await identity.pinned(connection, number) == [] == await identity.senders(connection, number)
    found = (await authority(pg, number)).identity
    assert (found.signatures, found.trust.pinned, found.allow_sha1) == (SignatureRule.VERIFY, (), False)
    assert found.senders == ()


async def test_what_is_set_comes_with_the_credential(pg: Cluster) -> None:
    own, centre = signer(), signer("Centre", rsa_key(12), ca=True)
    async with admin.connected(pg.app_dsn) as connection:
        number, other = await made.entity(connection), await made.entity(connection, "gent")
        await identity.set_rule(connection, number, rule=SignatureRule.REQUIRE)
        await identity.set_rule(connection, number, allow_sha1=True)
        await pin(connection, number, own, centre)
        await identity.add_senders(connection, number, ["b@x.example", "a@x.example", "b@x.example"])
        await pin(connection, other, own)
        rows = await identity.pinned(connection, number)
    assert [(row.fingerprint, row.certifies) for row in rows] == [(own.fingerprint, False), (centre.fingerprint, True)]
    assert rows[0].not_after == datetime(2049, 1, 1, tzinfo=UTC)
    found = (await authority(pg, number)).identity
    assert found.signatures is SignatureRule.REQUIRE and found.allow_sha1
    assert (found.trust.pinned, found.trust.authorities) == ((own.der, centre.der), (centre.der,))
    assert found.senders == ("b@x.example", "a@x.example")


async def test_a_certificate_counts_once_and_no_more_when_it_is_taken_away(pg: Cluster) -> None:
    own, next_ = signer(), issued("Next", rsa_key(13))
    async with admin.connected(pg.app_dsn) as connection:
        number = await made.entity(connection)
        for _ in range(2):
            await pin(connection, number, own)
        await pin(connection, number, next_)
        assert len(await identity.pinned(connection, number)) == 2
        assert await identity.unpin(connection, number, own.fingerprint[:8].upper()) == 1
        assert await identity.unpin(connection, number, own.fingerprint) == 0
        assert [row.fingerprint for row in await identity.pinned(connection, number)] == [next_.fingerprint]
        await pin(connection, number, own)  # back again
        assert len(await identity.pinned(connection, number)) == 2


async def test_senders_are_added_and_removed(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        number = await made.entity(connection)
        await identity.add_senders(connection, number, ["a", "b"])
        assert await identity.remove_senders(connection, number, ["a", "c"]) == 1
        assert await identity.senders(connection, number) == ["b"]


@pytest.mark.parametrize("slug", ["alerts", "exercise", "feed", "heartbeat", "hub", "incoming", "validate"])
async def test_an_entity_is_never_called_like_a_route(pg: Cluster, slug: str) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await made.entity(connection, slug)

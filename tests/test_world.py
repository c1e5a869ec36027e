"""The demo's world: its settings are valid, its people are loaded once, what it writes is for its owner only."""

import stat
from pathlib import Path
from typing import Any

import pytest

from gateway import world
from gateway.cap.cells import contains
from gateway.cap.cover import cover_union
from gateway.channels.voice_trunks import RestTrunk
from gateway.model import ChannelName, Realm
from gateway.settings import parse
from gateway.simulators.sample import sample_area, sample_people
from gateway.store import admin, registry
from gateway.store.embedded import Cluster

HOST = "127.0.0.1"


def silent(_have: int, _wanted: int) -> None:
    """Nobody looks."""


async def test_its_settings_are_a_valid_configuration_with_a_simulator_behind_every_transport() -> None:
    async with world.Simulators.running(HOST, keep=10, time_scale=1) as simulators:
        document = world.document_for(simulators, "postgresql://x", host=HOST, port=0, more={"sms": {"rate_per_s": 7}})
        settings = parse(document)
        assert settings == world.settings_for(
            simulators, "postgresql://x", host=HOST, port=0, more={"sms": {"rate_per_s": 7}}
        )
        assert settings.sms.rate_per_s == 7
        assert [p.port for p in settings.sms.providers] == [simulators.smsc["live"].port]
        assert [p.port for p in settings.sms.simulated] == [simulators.smsc["test"].port]
        assert settings.email is not None and settings.voice.trunk is not None and settings.voice.simulated is not None
        assert [r.port for r in settings.email.relays] == [simulators.smtp["live"].port]
        assert [r.port for r in settings.email.simulated] == [simulators.smtp["test"].port]
        assert settings.voice.max_starts_per_minute == 600
        assert len(set(settings.provider_names())) == 6


async def test_calls_are_reported_by_callbacks_where_the_port_is_known_and_polled_elsewhere() -> None:
    async with world.Simulators.running(HOST, keep=10, time_scale=1) as simulators:
        for port, url in ((0, ""), (8081, "http://127.0.0.1:8081")):
            settings = world.settings_for(simulators, "postgresql://x", host=HOST, port=port, more={})
            assert isinstance(settings.voice.trunk, RestTrunk)
            assert settings.voice.trunk.public_url == url


async def test_the_simulators_listen_on_ports_of_their_own_and_record_by_channel() -> None:
    async with world.Simulators.running(HOST, keep=10, time_scale=1) as simulators:
        addresses = simulators.addresses()
        assert set(addresses) == {"simulators", "rehearsal_simulators", "received"}
        assert set(addresses["simulators"]) == {"smsc", "smtp", "voice", "sip"}
        assert set(addresses["received"]) == {"sms", "email", "voice"}
        listed = [*addresses["simulators"].values(), *addresses["rehearsal_simulators"].values()]
        assert len(set(listed)) == len(listed) == 7
        assert all(HOST in address for address in listed)


async def test_a_second_load_uses_what_the_first_left(pg: Cluster) -> None:
    """The same tokens, people and groups; more people are added to those that are there, fewer are kept of them."""
    async with admin.connected(pg.app_dsn) as connection:
        first = await world.load(connection, 30, silent, {})
        again = await world.load(connection, 30, silent, first)
        assert again == first
        many = world.people_for(30)
        assert await registry.citizens_of_source(connection, world.SOURCE) == many
        await world.load(connection, 50, silent, first)
        assert await registry.citizens_of_source(connection, world.SOURCE) == world.people_for(50) > many
        await world.load(connection, 30, silent, first)
        assert await registry.citizens_of_source(connection, world.SOURCE) == many
        groups = {group.slug: group for group in await admin.groups(connection, "demo-police")}
        assert set(groups) == {"plp-centre", "key-actors"}
        assert not any(group.exercises for group in groups.values())


async def test_every_token_opens_its_own_realm(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        tokens = await world.load(connection, 0, silent, {})
        for slug, by_realm in tokens.items():
            assert set(by_realm) == {"live", "test"}
            for realm, token in by_realm.items():
                assert token.startswith(f"gw_{realm}_")
                authority = await registry.authority_of_token(connection, token)
                assert authority is not None
                assert (authority.slug, authority.realm, authority.live) == (slug, Realm(realm), True)
                assert {channel for _, channel in authority.mandates} == set(ChannelName)


async def test_a_token_that_no_longer_works_is_replaced(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        first = await world.load(connection, 0, silent, {})
        await connection.execute("UPDATE token SET revoked_at = now()")
        second = await world.load(connection, 0, silent, first)
        assert not {t for of in first.values() for t in of.values()} & {
            t for of in second.values() for t in of.values()
        }


@pytest.mark.parametrize("recipients", [0, 1, 25, 400])
def test_exactly_as_many_people_as_asked_for_live_in_the_area(recipients: int) -> None:
    cells = cover_union(sample_area())
    people = list(sample_people(world.people_for(recipients)))
    inside = [p for p in people if any(contains(cells, a.lon, a.lat) for a in p.addresses)]
    assert len(inside) == recipients
    if people:
        assert people[-1] == inside[-1]


def test_what_is_written_is_for_its_owner_only_and_is_read_again(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"url": "http://127.0.0.1:1", "tokens": {"demo-commune": {"live": "x"}}}
    (tmp_path / "demo.json").write_text("an older one")
    (tmp_path / "demo.json").chmod(0o644)
    world.write_facts(tmp_path, facts)
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert world.read_facts(tmp_path) == facts


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "\udcff"])
def test_facts_that_can_not_be_read_are_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "demo.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert world.read_facts(tmp_path) == {}

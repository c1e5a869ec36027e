"""gateway migrate."""

import pytest

from gateway.store.embedded import Cluster
from gateway.store.migrate import load
from tests.commands.conftest import Command


def test_an_empty_database_is_brought_forward_once(
    command: Command, empty_pg: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", empty_pg.app_dsn)
    monkeypatch.setenv("GATEWAY_DATABASE_OWNER_DSN", empty_pg.owner_dsn)
    monkeypatch.setenv("GATEWAY_DATABASE_PASSWORD", empty_pg.app_password)
    first, second = command("migrate"), command("migrate")
    assert first.code == second.code == 0
    assert first.out == "".join(f"applied {migration.name}\n" for migration in load())
    assert second.out == "up to date\n"
    assert command("entity", "list").code == 0


def test_without_the_owner_s_dsn_it_says_what_is_missing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", "postgresql:///x")
    monkeypatch.delenv("GATEWAY_DATABASE_OWNER_DSN", raising=False)
    ran = command("migrate")
    assert (ran.code, "database.owner_dsn" in ran.err) == (2, True)


def test_a_command_on_an_empty_database_says_to_migrate(
    command: Command, empty_pg: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", empty_pg.owner_dsn)
    ran = command("entity", "list")
    assert (ran.code, "gateway migrate" in ran.err) == (3, True)

"""How a command finds its configuration and its database."""

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.commands import database
from gateway.errors import SettingsError, StoreUnavailable
from gateway.store import admin
from gateway.store.embedded import Cluster


def write(path: Path, dsn: str) -> Path:
    path.write_text(f'[database]\ndsn = "{dsn}"\n')
    return path


def dsn_of(path: Path | None) -> str:
    return database.settings_of(path).database.dsn.get_secret_value()


def test_a_named_file_goes_before_the_environment_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    write(tmp_path / "gateway.toml", "postgresql:///folder")
    named = write(tmp_path / "named.toml", "postgresql:///named")
    assert dsn_of(None) == "postgresql:///folder"
    monkeypatch.setenv("GATEWAY_CONFIG", str(write(tmp_path / "other.toml", "postgresql:///environment")))
    assert dsn_of(None) == "postgresql:///environment"
    assert dsn_of(named) == "postgresql:///named"


async def test_the_demo_s_database_is_found_in_its_folder(pg: Cluster, tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"dsn": pg.app_dsn}))
    async with database.session(argparse.Namespace(demo=tmp_path, config=None)) as connection:
        assert [row.slug for row in await admin.entities(connection)] == ["platform"]


async def test_a_folder_without_demo_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no demo has run"):
        async with database.session(argparse.Namespace(demo=tmp_path, config=None)):
            pass


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    config = write(tmp_path / "gateway.toml", "postgresql://u:p@127.0.0.1:1/x")
    with pytest.raises(StoreUnavailable):
        async with database.session(argparse.Namespace(demo=None, config=config)):
            pass


async def test_an_embedded_server_is_started_for_one_command(
    pg: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @asynccontextmanager
    async def embedded(folder: Path) -> AsyncIterator[Cluster]:
        told.append(f"start {folder.name}")
        yield pg
        told.append("stop")

    monkeypatch.setattr(database, "EmbeddedPostgres", embedded)
    config = tmp_path / "gateway.toml"
    config.write_text(f'[database]\nembedded = "{tmp_path / "data"}"\n')
    async with database.session(argparse.Namespace(demo=None, config=config)) as connection:
        assert [row.slug for row in await admin.entities(connection)] == ["platform"]
    assert told == ["start data", "stop"]

"""How a command finds its configuration and its database.

Knows: where a configuration may lie, the demo's data folder. Never knows: what is stored.
"""

import argparse
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import SettingsError
from gateway.settings import Settings, load
from gateway.store import admin
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.pool import Connection

PLACES = (Path("gateway.toml"), Path("/etc/cap-alert-gateway/gateway.toml"))


def config_argument(parser: argparse.ArgumentParser) -> None:
    """The option --config."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration (default: $GATEWAY_CONFIG, ./gateway.toml, /etc/cap-alert-gateway/gateway.toml)",
    )


def database_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that lead to a database: --config, or --demo for the one of a running demo."""
    config_argument(parser)
    parser.add_argument(
        "--demo",
        type=Path,
        nargs="?",
        const=Path(".gateway"),
        metavar="DIR",
        help="use the database of the demo that runs on this data folder (default: .gateway)",
    )


def settings_of(path: Path | None) -> Settings:
    """The settings from this file, else from the usual places, else from the environment alone."""
    named = os.environ.get("GATEWAY_CONFIG")
    if path is None and named:
        path = Path(named)
    if path is None:
        path = next((place for place in PLACES if place.exists()), None)
    return load(path, environment=os.environ)


@asynccontextmanager
async def session(options: argparse.Namespace) -> AsyncIterator[Connection]:
    """One session on the database that the options lead to."""
    if options.demo is not None:
        async with admin.connected(_demo_dsn(options.demo)) as connection:
            yield connection
        return
    database = settings_of(options.config).database
    if database.embedded is not None:
        async with EmbeddedPostgres(database.embedded) as cluster, admin.connected(cluster.app_dsn) as connection:
            yield connection
        return
    dsn, password = database.dsn.get_secret_value(), database.password.get_secret_value()
    async with admin.connected(dsn, password) as connection:
        yield connection


def _demo_dsn(folder: Path) -> str:
    try:
        return str(json.loads((folder / "demo.json").read_text(encoding="utf-8"))["dsn"])
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError([f"no demo has run on the folder {folder} ({type(error).__name__})"]) from error

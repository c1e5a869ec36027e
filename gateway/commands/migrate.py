"""`gateway migrate`: the database's schema, brought to the one of this program.

Knows: which role may do that. Never knows: what the tables mean.
"""

import argparse
import asyncio

from gateway.commands.console import Exit, note, say
from gateway.commands.database import config_argument, settings_of
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.migrate import migrate

EXAMPLES = """\
Works as the owner of the schema (database.owner_dsn), makes the role that the gateway works as when it is missing, and
may run while another node does the same: the second one waits and finds nothing left to do.

examples:
  gateway migrate
  GATEWAY_DATABASE_OWNER_DSN=postgresql://owner@db/gateway gateway migrate
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Apply what is missing and name it."""
    applied = asyncio.run(_migrate(settings_of(options.config)))
    say(*(f"applied {name}" for name in applied) if applied else ("up to date",))
    return Exit.DONE


async def _migrate(settings: Settings) -> list[str]:
    database = settings.database
    if database.embedded is not None:
        async with EmbeddedPostgres(database.embedded) as cluster:
            return await migrate(cluster.owner_dsn, cluster.app_role, cluster.app_password, progress=_announce)
    owner = database.owner_dsn.get_secret_value()
    if not owner:
        raise SettingsError(["database.owner_dsn is missing: migrations are made by the owner of the schema"])
    password = database.password.get_secret_value() or None
    return await migrate(owner, database.app_role, password, progress=_announce)


def _announce(name: str) -> None:
    note(f"applying {name} ...")

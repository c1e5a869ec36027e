"""The database that a node works with: a server by DSN, or an embedded one that is started and brought forward.

Knows: DSNs, the embedded server, migrations. Never knows: what is stored.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from gateway.errors import SchemaError
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.migrate import migrate, pending
from gateway.store.pool import with_password


class Place(Protocol):
    """Where the database is: one of `dsn` and `embedded`; `password` wins over the DSN's."""

    @property
    def dsn(self) -> SecretStr:
        """Of the application's role."""
        ...

    @property
    def password(self) -> SecretStr:
        """Of the application's role, or empty."""
        ...

    @property
    def embedded(self) -> Path | None:
        """The folder of an embedded server."""
        ...


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[str]:
    """The application's DSN while the block runs. Raises SchemaError when a server lacks migrations."""
    if place.embedded is None:
        dsn = with_password(place.dsn.get_secret_value(), place.password.get_secret_value())
        todo = await pending(dsn)
        if todo:
            raise SchemaError(f"the database lacks {', '.join(todo)}: run `gateway migrate` first")
        yield dsn
        return
    server = EmbeddedPostgres(place.embedded)
    cluster = await server.start()
    try:
        await migrate(cluster.owner_dsn, cluster.app_role, cluster.app_password)
        yield cluster.app_dsn
    finally:
        await server.stop()

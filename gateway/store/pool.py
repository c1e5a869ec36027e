"""The way to PostgreSQL: one pool for questions, one for the work queue, and what it means when neither answers.

Knows: connections, how their plans are pinned, which errors mean "not now". Never knows: tables.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from gateway.errors import RolledBack, StoreUnavailable

if TYPE_CHECKING:  # the classes are generic for type checkers only
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Done = TypeVar("Done")

# a plan made while a partition was empty scans the campaign for ever after: plans of queue statements use indexes only
PINNED = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
# of a host that is gone without a word the server lets go of the rows in half a minute, not in two hours
WATCHED = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
ARRAYS = """SELECT $1::int[], $2::bigint[], $3::smallint[], $4::text[], $5::bool[], $6::float8[], $7::timestamptz[],
    $8::numeric[], $9::bytea[]"""
CONFINE = """SELECT set_config('gateway.entity', $1, true), set_config('gateway.actor', $2, true),
    set_config('role', session_user || '_tenant', true)"""
UNDONE = (
    asyncpg.exceptions.InvalidCachedStatementError,  # a migration changed what it returns; prepared anew the next time
    asyncpg.exceptions.TransactionRollbackError,  # deadlock, serialisation: rolled back, may be repeated
)
GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a session that a shutdown ended, handed out before its end was noticed
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,  # shutdown in progress, starting up, terminated by the administrator
    asyncpg.exceptions.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.exceptions.ReadOnlySQLTransactionError,  # a standby that has not been promoted
    asyncpg.exceptions.PostgresIOError,
    *UNDONE,
)
"""Errors after which the same statement may be tried again: nothing of it was committed, or it is safe to repeat."""

NEVER = (ValueError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""Errors of the values themselves: they come again however often the statement is tried. To be caught before GONE, some
of whose classes asyncpg uses for them as well."""


FULL_S = 10.0
"""So long after it had no room a server is thought to be full: others may try, to see whether that has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """Connections of each pool; the longest to connect, to wait for one that is free, and for one statement to take."""

    least: int = 1
    most: int = 10
    connect_timeout_s: float = 10.0
    free_timeout_s: float = 15.0
    command_timeout_s: float = 60.0


class Store:
    """Two pools of one database. `queue` sessions have pinned plans; `ask` sessions plan freely."""

    def __init__(
        self,
        ask: asyncpg.Pool,
        queue: asyncpg.Pool,
        limits: PoolLimits = PoolLimits(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ask = ask
        self.queue = queue
        self._free_timeout_s = limits.free_timeout_s
        self._monotonic = monotonic
        self._no_room_at = float("-inf")

    @property
    def full(self) -> bool:
        """Whether the server has said lately that it has no room for what was to be written."""
        return self._monotonic() - self._no_room_at < FULL_S

    @classmethod
    async def open(cls, dsn: str, *, limits: PoolLimits = PoolLimits(), name: str = "gateway") -> Self:
        """Connect; raises StoreUnavailable when the server can not be reached."""
        try:
            ask = await _pool(dsn, limits, {"application_name": name, "jit": "off"})
            queue = await _pool(dsn, limits, PINNED | {"application_name": f"{name} queue"})
        except GONE as error:
            raise StoreUnavailable(f"PostgreSQL can not be reached: {error}") from error
        return cls(ask, queue, limits)

    async def close(self) -> None:
        """End both pools; connections that do not end by themselves within 5 s are cut."""
        for pool in (self.ask, self.queue):
            try:
                await asyncio.wait_for(pool.close(), 5)
            except (TimeoutError, *GONE):
                pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction on a session that plans freely. Raises StoreUnavailable when it can not be done now."""
        try:
            async with self.ask.acquire(timeout=self._free_timeout_s) as connection, connection.transaction():
                yield connection
        except NEVER:
            raise
        except UNDONE as error:
            raise RolledBack(f"PostgreSQL has undone this: {type(error).__name__}") from error
        except GONE as error:
            if isinstance(error, asyncpg.exceptions.DiskFullError):
                self._no_room_at = self._monotonic()
            raise StoreUnavailable(f"PostgreSQL can not take this now: {type(error).__name__}") from error

    @asynccontextmanager
    async def tenant(self, entity_id: int, actor: str = "") -> AsyncIterator[Connection]:
        """One transaction in the name of an entity: rows of others are not there, and what it changes is written down
        as done by `actor`. Raises like `transaction`."""
        async with self.transaction() as connection:
            await confine(connection, entity_id, actor)
            yield connection

    @asynccontextmanager
    async def acting(self, actor: str) -> AsyncIterator[Connection]:
        """One transaction over all entities, written down as done by `actor`. Raises like `transaction`."""
        async with self.transaction() as connection:
            await act_as(connection, actor)
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A session that plans freely, for questions. Raises StoreUnavailable like `transaction`."""
        try:
            async with self.ask.acquire(timeout=self._free_timeout_s) as connection:
                yield connection
        except NEVER:
            raise
        except UNDONE as error:
            raise RolledBack(f"PostgreSQL has undone this: {type(error).__name__}") from error
        except GONE as error:
            raise StoreUnavailable(f"PostgreSQL can not answer now: {type(error).__name__}") from error


async def again(work: Callable[[], Awaitable[Done]], tries: int = 4) -> Done:
    """What the work comes to; it is done again from its beginning when the server has undone it, which it then has to
    bear: at most one of its transactions may change anything."""
    for _ in range(tries - 1):
        with suppress(RolledBack):
            return await work()
    return await work()


async def confine(connection: Connection, entity_id: int, actor: str = "") -> None:
    """Until this transaction ends, only rows of this entity are there (row-level security of the tenant's role), and
    the audit record names `actor`."""
    await connection.execute(CONFINE, str(entity_id), actor)


async def act_as(connection: Connection, actor: str) -> None:
    """Until this transaction ends, the audit record names `actor`."""
    await connection.execute("SELECT set_config('gateway.actor', $1, true)", actor)


def with_password(dsn: str, password: str) -> str:
    """The DSN with this password instead of its own; unchanged when it is empty."""
    parts = urlsplit(dsn)
    if not password or not parts.scheme:
        return dsn
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(netloc=f"{quote(parts.username or '', safe='')}:{quote(password, safe='')}@{host}")
    )


async def _pool(dsn: str, limits: PoolLimits, settings: dict[str, str]) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=limits.least,
        max_size=limits.most,
        command_timeout=limits.command_timeout_s,
        timeout=limits.connect_timeout_s,
        server_settings=WATCHED | settings,
        init=_know_types,
        reset=_keep,
        max_inactive_connection_lifetime=0,
    )


async def _keep(_connection: Any) -> None:
    """No session state is ever changed, so a release costs no round trip."""


async def _know_types(connection: Connection) -> None:
    """Ask for every kind of array at once: at the first use of each one the driver would ask for it by itself, which
    takes the server longer than most statements."""
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    await connection.prepare(ARRAYS)

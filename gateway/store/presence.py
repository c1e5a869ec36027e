"""A node's presence: its name held for itself, its ears for what other nodes did, and what it leads in.

One connection does all three: session locks end with it, so a dead node frees its name at once. Of a node that is
frozen, or whose host is gone without a word, the server itself ends the session when it has said nothing for a while;
by then the node does not take itself for the leader any more. One whose name another process took meanwhile ends: two
nodes of one number would take each other's binds.
Knows: advisory locks, LISTEN. Never knows: what the news are about.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import asyncpg

from gateway.errors import NameTaken, StoreUnavailable
from gateway.log import UnitLogger
from gateway.store import progress
from gateway.store.pool import GONE

NODE_LOCKS = 7230002
LEADER_LOCK = 7230003
DUTY_LOCKS = 7230080
CHANNEL = "gateway"
SILENT_S = 10.0
"""So long a node may say nothing before another one leads."""
_OWN_SESSIONS = 50


def _boottime() -> float:
    """A clock that runs on while the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Presence:
    """Keeps a node present; `news` is called for every notification, and after every reconnect.

    `leads` are those of its `duties` in which it is the one leader among all nodes that have the same duty.
    """

    def __init__(
        self,
        dsn: str,
        name: str,
        *,
        duties: Iterable[str],
        news: Callable[[], None],
        log: UnitLogger,
        look_s: float = 1.0,
        silent_s: float = SILENT_S,
        clock: Callable[[], float] = _boottime,
    ) -> None:
        self._dsn = dsn
        self._name = name
        self._news = news
        self._log = log
        self._look_s = look_s
        self._silent_s = silent_s
        self._clock = clock
        self._asked_at = float("-inf")
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._own: deque[int] = deque(maxlen=_OWN_SESSIONS)  # sessions of this process: the server may still keep one
        self._duties = frozenset(duties)
        self._present: Mapping[str, int] = {}
        self._leads: frozenset[str] = frozenset()

    @property
    def leads(self) -> frozenset[str]:
        """In what it leads; in nothing from a while before the server would give the lead to another."""
        return self._leads if self.holds_name() else frozenset()

    def holds_name(self) -> bool:
        """Whether the server has answered so lately that it can not have given the name to another process."""
        return self._clock() < self._asked_at + 0.8 * self._silent_s

    async def enter(self, patience_s: float = 10.0) -> int:
        """Take the name and return the node's number. Raises NameTaken when another process holds the name."""
        self._connection = await self._connect(patience_s)
        await self._count(self._connection)
        return await progress.node_id(self._connection, self._name)

    async def run(self) -> None:
        """Stay present until cancelled: notice a lost connection, reconnect, try to lead. Raises NameTaken when another
        process has taken the name while this one was frozen or cut off."""
        while True:
            try:
                connection = self._connection or await self._connect(0.0)
                self._connection = connection
                await self._count(connection)
                for duty in sorted(self._duties - self._leads):
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", LEADER_LOCK, duty):
                        self._leads |= {duty}
            except NameTaken:
                self._leads = frozenset()
                self._log.error("node_name_taken")
                raise
            except (*GONE, StoreUnavailable) as error:
                self._log.warning("presence_lost", error=type(error).__name__)
                self._drop()
            await asyncio.sleep(self._look_s)

    def among(self, duty: str) -> int:
        """How many nodes have this duty, this one included; what was last known while the store does not answer."""
        return max(1, self._present.get(duty, 1))

    async def leave(self) -> None:
        """Free the name and the lead."""
        if self._connection is not None:
            try:
                await self._connection.close(timeout=2)
            except GONE:
                self._connection.terminate()
            self._connection = None

    async def _count(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        asked_at = self._clock()
        self._present = await progress.nodes_by_duty(connection, DUTY_LOCKS, sorted(self._duties))
        self._asked_at = asked_at

    def _drop(self) -> None:
        self._leads, self._asked_at = frozenset(), float("-inf")
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self, patience_s: float) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            alone_ms = str(round(self._silent_s * 1000))
            settings = {"application_name": "gateway node", "idle_session_timeout": alone_ms}
            connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=5, server_settings=settings)
        except GONE as error:
            raise StoreUnavailable(f"PostgreSQL can not be reached: {error}") from error
        held, holder, asked_at = False, None, self._clock()
        try:
            self._own.append(connection.get_server_pid())
            held = await self._take_name(connection, patience_s)
            holder = None if held else await progress.holder_of(connection, NODE_LOCKS, self._name)
        finally:
            if not held:  # also when cancelled: no session may be left to hold the name
                connection.terminate()
        if not held:
            if holder is None or holder in self._own:
                raise StoreUnavailable("the server has not ended this node's last session yet")
            raise NameTaken(f"another gateway runs under the name {self._name!r}: give each node its own node.name")
        self._leads, self._asked_at = frozenset(), asked_at
        self._news()
        return connection

    async def _take_name(self, connection: "asyncpg.Connection[asyncpg.Record]", patience_s: float) -> bool:
        for _ in range(max(1, int(patience_s / 0.2))):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", NODE_LOCKS, self._name):
                for duty in sorted(self._duties):
                    await connection.execute("SELECT pg_advisory_lock_shared($1, hashtext($2))", DUTY_LOCKS, duty)
                await connection.add_listener(CHANNEL, self._on_news)
                return True
            await asyncio.sleep(0.2)
        return False

    def _on_news(self, *_: object) -> None:
        self._news()

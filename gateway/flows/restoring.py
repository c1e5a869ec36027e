"""A database that came back from a backup sends nothing by itself: what it holds open may have been sent since.

Every campaign is paused until somebody resumes or stops it, and so is what a mailbox brings again. Knows: what a
recovery looks like from here. Never knows: how a backup is made.
"""

from collections.abc import Callable

from gateway.flows import lineage
from gateway.flows.leading import as_leader
from gateway.log import UnitLogger
from gateway.store import restoring
from gateway.store.pool import Connection, Store
from gateway.store.restoring import Seen

EVERY_S = 5.0
ACTOR = "restored database"


def is_restored(seen: Seen | None, *, failover_s: float) -> bool:
    """Another cluster or database was filled from a dump. Another timeline is a failover, which lost nothing, when a
    node was at work not long before it; else a recovery to a point in time."""
    if seen is None:
        return False
    return not seen.same_place or (not seen.same_timeline and seen.silent_s > failover_s)


async def hold(connection: Connection, actor: str) -> int:
    """Pause everything that sends or will; how many campaigns. Alerts sent before now wait as well when they come."""
    await restoring.note(connection, restored=True)
    held = 0
    for campaign, entity_id in await restoring.going(connection):
        held += await lineage.pause(connection, campaign, entity_id, actor) is not None
    return held


class Restoring:
    """Looks when the node starts, before anything is sent, and from then on where this node leads."""

    def __init__(self, store: Store, *, failover_s: float, leads: Callable[[], bool], log: UnitLogger) -> None:
        self._store = store
        self._failover_s = failover_s
        self._leads = leads
        self._log = log

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        await as_leader(self.once, every_s=EVERY_S, leads=self._leads, log=self._log)

    async def once(self) -> None:
        """Hold what is open when the database is not the one that it was."""
        async with self._store.connection() as connection, connection.transaction():
            if is_restored(await restoring.look(connection), failover_s=self._failover_s):
                held = await hold(connection, ACTOR)
                self._log.warning("database_restored", campaigns_paused=held)
            else:
                await restoring.note(connection, restored=False)

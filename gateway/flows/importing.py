"""An import of contacts over HTTP: a record, the file read apart, its contacts stored whole or not at all.

Knows: the order of it, that one node reads few files at a time. Never knows: HTTP, how files are read, SQL.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.flows.reading import read_apart
from gateway.policy.importing import ImportedContact, ImportOptions, Problem
from gateway.store import audit, importing
from gateway.store.importing import Imported, ImportInto
from gateway.store.pool import Connection, Store

BATCH_ROWS = 2_000
MOST_WAITING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A file to be imported: into what, how it is read, by whom."""

    data: bytes
    into: ImportInto
    options: ImportOptions
    separator: str | None = None
    dry_run: bool = False
    by: str = ""


class Importer:
    """Takes one file after the other; `busy` when enough of them wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one = asyncio.Lock()
        self._waiting = 0

    @property
    def busy(self) -> bool:
        """Whether another file has to come later."""
        return self._waiting >= MOST_WAITING

    async def run(self, order: Order) -> tuple[int, str]:
        """The number of the import, and why the file could not be read (then nothing was changed) or ""."""
        entity_id = order.into.entity_id
        async with self._store.tenant(entity_id, order.by) as connection:
            number = await importing.begin(connection, order.into, dry_run=order.dry_run, by=order.by)
        self._waiting += 1
        try:
            async with self._one:
                return number, await self._read_and_store(number, order)
        finally:
            self._waiting -= 1

    async def _read_and_store(self, number: int, order: Order) -> str:
        kind, found = await read_apart(order.data, order.options, order.separator)
        fatal = next((one for one in found if isinstance(one, Problem) and one.fatal), None)
        entity_id = order.into.entity_id
        if fatal is not None:
            reason = f"{fatal.column}: {fatal.reason}" if fatal.column else fatal.reason
            async with self._store.tenant(entity_id, order.by) as connection:
                await importing.end(
                    connection, entity_id, number, Imported(), kind=kind, rows=0, problems=(), failed=reason
                )
            return reason
        async with self._store.tenant(entity_id, order.by) as connection:
            await self._store_all(connection, number, order, kind, found)
        return ""

    async def _store_all(
        self, connection: Connection, number: int, order: Order, kind: str, found: Sequence[ImportedContact | Problem]
    ) -> None:
        contacts = [one for one in found if isinstance(one, ImportedContact)]
        problems = [one for one in found if isinstance(one, Problem)]
        done = Imported(refused=len(problems))
        into, inner = replace(order.into, run=number), connection.transaction()
        await importing.one_at_a_time(connection, into.entity_id)
        await inner.start()
        for first in range(0, len(contacts), BATCH_ROWS):
            await self._tell(number, order, kind, len(found), first)
            one, wrong = await importing.put_batch(connection, into, contacts[first : first + BATCH_ROWS])
            done, problems = done.plus(one), [*problems, *wrong]
        await (inner.rollback() if order.dry_run else inner.commit())
        problems.sort(key=lambda problem: problem.row)
        await importing.end(
            connection, into.entity_id, number, done, kind=kind, rows=len(found), problems=problems
        )  # fmt: skip
        act = "contacts.import-tried" if order.dry_run else "contacts.imported"
        await audit.write(connection, into.entity_id, act, f"import_run:{number}", done._asdict())

    async def _tell(self, number: int, order: Order, kind: str, read: int, done: int) -> None:
        """Progress that others see while the import's own transaction is open."""
        async with self._store.tenant(order.into.entity_id, order.by) as connection:
            await importing.progress(connection, order.into.entity_id, number, kind, read, done)

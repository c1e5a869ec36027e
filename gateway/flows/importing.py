"""An import of contacts over HTTP: a record, the file read apart while it is stored, whole or not at all.

Knows: the order of it, that one node reads few files at a time. Never knows: HTTP, how files are read, SQL.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.flows.reading import Part, read_apart
from gateway.policy.importing import ImportedContact, ImportOptions, Problem, first_of
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
        """Why nothing was changed, or ""."""
        entity_id, into = order.into.entity_id, replace(order.into, run=number)
        async with (
            self._store.tenant(entity_id, order.by) as connection,
            aclosing(read_apart(order.data, order.options, order.separator)) as parts,
        ):
            await importing.one_at_a_time(connection, entity_id)
            inner = connection.transaction()
            await inner.start()
            stored = await self._store_parts(connection, number, replace(order, into=into), parts)
            await (inner.rollback() if order.dry_run or stored.failed else inner.commit())
            await importing.end(
                connection, entity_id, number, stored.done, kind=stored.kind, rows=stored.rows,
                problems=sorted(stored.problems, key=lambda problem: problem.row), failed=stored.failed,
            )  # fmt: skip
            if not stored.failed:
                act = "contacts.import-tried" if order.dry_run else "contacts.imported"
                await audit.write(connection, entity_id, act, f"import_run:{number}", stored.done._asdict())
        return stored.failed

    async def _store_parts(
        self, connection: Connection, number: int, order: Order, parts: AsyncIterator[Part]
    ) -> "_Stored":
        """Store each part while the next one is read."""
        done, problems, kind, rows, stored = Imported(), list[Problem](), "", 0, 0
        seen: dict[bytes, int] = {}
        async for part in parts:
            found = [first_of(seen, one) for one in part.found]
            fatal = next((one for one in found if isinstance(one, Problem) and one.fatal), None)
            if fatal is not None:
                return _Stored(part.kind, failed=f"{fatal.column}: {fatal.reason}" if fatal.column else fatal.reason)
            kind, rows = part.kind, rows + len(found)
            contacts = [one for one in found if isinstance(one, ImportedContact)]
            refused = [one for one in found if isinstance(one, Problem)]
            done, problems = done.plus(Imported(refused=len(refused))), problems + refused
            for first in range(0, len(contacts), BATCH_ROWS):
                await self._tell(number, order, kind, rows, stored)
                batch = contacts[first : first + BATCH_ROWS]
                one, wrong = await importing.put_batch(connection, order.into, batch)
                done, problems, stored = done.plus(one), problems + wrong, stored + len(batch)
        return _Stored(kind, rows, done, problems)

    async def _tell(self, number: int, order: Order, kind: str, read: int, done: int) -> None:
        """Progress that others see while the import's own transaction is open."""
        async with self._store.tenant(order.into.entity_id, order.by) as connection:
            await importing.progress(connection, order.into.entity_id, number, kind, read, done)


class _Stored(NamedTuple):
    """What became of a file; `failed`: why it could not be read to its end."""

    kind: str
    rows: int = 0
    done: Imported = Imported()
    problems: Sequence[Problem] = ()
    failed: str = ""

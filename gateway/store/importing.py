"""Imports of contacts: stored batch by batch, recorded so that they can be undone.

Knows: the tables of who is alerted and of what imports made of them. Never knows: files, who may import (`within` says
whose contacts may be changed: partnerships, None for all of the entity).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from gateway.cap.cells import morton
from gateway.policy.importing import ImportedContact, Problem
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("importing")
Within = Sequence[int] | None
UNDO_DAYS = 30
MOST_PROBLEMS = 1_000
FOREIGN = "this key is of a contact that is not yours to keep"
SEVERAL = "several contacts have it: which one is meant can not be told"
TWIN = "another contact has it, too; stored all the same"


class Imported(NamedTuple):
    """What an import did, counted. `same`: as they were already; `refused` are not yours to keep, or can not be told
    apart; `duplicates` were stored beside a contact with the same number or address."""

    added: int = 0
    changed: int = 0
    joined: int = 0
    same: int = 0
    refused: int = 0
    duplicates: int = 0

    def plus(self, other: "Imported") -> "Imported":
        """Both together."""
        return Imported(*(one + two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportInto:
    """Where contacts go. `run`: the import that notes what it did; `match`: the column by which a row is known;
    `consent_source`: they are registered citizens who consented there; `partnership` is that of new ones."""

    entity_id: int
    run: int | None = None
    group_id: int | None = None
    within: Within = None
    partnership: int | None = None
    match: str = "key"
    language: str = "nl"
    consent_source: str | None = None


async def import_contacts(
    connection: Connection,
    entity_id: int,
    contacts: Sequence[ImportedContact],
    *,
    group_id: int | None = None,
    default_language: str = "nl",
    consent_source: str | None = None,
) -> Imported:
    """Store one batch that nobody asks about later; no key twice in it."""
    into = ImportInto(entity_id=entity_id, group_id=group_id, language=default_language, consent_source=consent_source)
    return (await put_batch(connection, into, contacts))[0]


async def put_batch(
    connection: Connection, into: ImportInto, contacts: Sequence[ImportedContact]
) -> tuple[Imported, list[Problem]]:
    """Store one batch, in a transaction; no key twice in it. What it did, and what is wrong with rows."""
    await connection.execute(_SQL["import_planned"])
    problems: list[Problem] = []
    if into.run is not None and into.consent_source is None:
        contacts, problems = await _told_apart(connection, into, contacts)
    rows = await connection.fetch(_SQL["import_contacts"], *_arguments(into, contacts))
    numbers = {c.key: c.row for c in contacts}
    problems += [Problem(numbers[row["key"]], "key", FOREIGN) for row in rows if not row["mine"]]
    added = sum(row["added"] for row in rows)
    written = sum(row["written"] for row in rows)
    mine = [row["id"] for row in rows if row["mine"]]
    joined = 0
    if into.group_id is not None:
        joined = await connection.fetchval(_SQL["import_join"], into.group_id, into.entity_id, mine, into.run)
    twins = sum(problem.taken for problem in problems)
    return Imported(added, written - added, joined, len(mine) - written, len(problems) - twins, twins), problems


def _arguments(into: ImportInto, contacts: Sequence[ImportedContact]) -> tuple[object, ...]:
    places = [c.place for c in contacts]
    return (
        into.entity_id,
        into.within,
        into.run,
        into.consent_source,
        into.language,
        into.partnership,
        [c.key for c in contacts],
        [c.name for c in contacts],
        [c.language for c in contacts],
        [c.mobile for c in contacts],
        [c.landline for c in contacts],
        [c.email for c in contacts],
        [c.opt_out for c in contacts],
        [c.postcode for c in contacts],
        [c.municipality for c in contacts],
        [" ".join(c.tags) for c in contacts],
        [p and p.label for p in places],
        [p and p.lon for p in places],
        [p and p.lat for p in places],
        [p and morton(p.lon, p.lat) for p in places],
    )


async def _told_apart(
    connection: Connection, into: ImportInto, contacts: Sequence[ImportedContact]
) -> tuple[list[ImportedContact], list[Problem]]:
    """The batch with the keys of the contacts that its rows match, without the rows that match several; and those that
    will stand beside somebody with the same number or address."""
    twins: dict[tuple[int, str], list[str | None]] = {}
    columns = [[c.key for c in contacts], [c.mobile for c in contacts], [c.landline for c in contacts]]
    columns.append([c.email for c in contacts])
    for row in await connection.fetch(
        _SQL["import_twins"], into.entity_id, into.within, *columns, into.match
    ):  # fmt: skip
        twins.setdefault((row["ord"], row["called"]), []).append(row["key"])
    kept, problems, used = [], list[Problem](), {c.key for c in contacts}
    for number, one in enumerate(contacts, 1):
        matched = twins.get((number, into.match), ())
        if len(matched) > 1 or (matched and (matched[0] is None or matched[0] in used)):
            problems.append(Problem(one.row, into.match, SEVERAL))
            continue
        if matched:
            assert matched[0] is not None
            used.add(matched[0])
            kept.append(replace(one, key=matched[0]))
            continue
        called = [column for column in ("mobile", "email") if (number, column) in twins]
        problems += [Problem(one.row, column, TWIN, taken=True) for column in called[:1]]
        kept.append(one)
    return kept, problems


async def begin(connection: Connection, into: ImportInto, *, dry_run: bool, by: str) -> int:
    """The number of an import that begins."""
    number: int = await connection.fetchval(
        _SQL["import_begin"], into.entity_id, into.partnership, into.group_id, dry_run, by
    )
    return number


async def one_at_a_time(connection: Connection, entity_id: int) -> None:
    """Wait until no other import of this entity is being stored."""
    await connection.execute(_SQL["import_lock"], entity_id)


async def progress(connection: Connection, entity_id: int, number: int, kind: str, read: int, done: int) -> None:
    """How far it is: rows of the file that were read, and those that were stored."""
    await connection.execute(_SQL["import_progress"], entity_id, number, kind, read, done)


async def end(
    connection: Connection,
    entity_id: int,
    number: int,
    done: Imported,
    *,
    kind: str,
    rows: int,
    problems: Sequence[Problem],
    failed: str = "",
) -> None:
    """It is done, or `failed` for this reason and changed nothing."""
    told = [[problem.row, problem.column, problem.reason] for problem in problems[:MOST_PROBLEMS]]
    state = "failed" if failed else "done"
    await connection.execute(
        _SQL["import_end"], entity_id, number, state, failed, kind, rows, done.added, done.changed, done.same,
        done.joined, done.refused, done.duplicates, told,
    )  # fmt: skip


async def page(connection: Connection, entity_id: int, within: Within, before: int, limit: int) -> list[Any]:
    """Imports of an entity, newest first."""
    return list(await connection.fetch(_SQL["import_page"], entity_id, within, before, limit))


async def show(connection: Connection, entity_id: int, within: Within, number: int) -> Any:
    """One import, or None."""
    return await connection.fetchrow(_SQL["import_show"], entity_id, within, number)


async def undo(connection: Connection, entity_id: int, within: Within, number: int, by: str) -> int | None:
    """Take an import back: who was added goes, who was changed is as before, who came into the group leaves it.

    How many were changed again since, and are left as they are; None when it can not be undone (any more).
    """
    row = await connection.fetchrow(_SQL["import_undo"], entity_id, within, number, by, UNDO_DAYS)
    if row is None:
        return None
    left: int = await connection.fetchval(_SQL["import_undo_left"], entity_id, number)
    if row["group_id"] is not None:
        await connection.execute(_SQL["import_undo_joined"], entity_id, number, row["group_id"])
    for step in ("import_undo_places", "import_undo_placed", "import_undo_added", "import_undo_changed"):
        await connection.execute(_SQL[step], entity_id, number)
    return left


async def forget(connection: Connection) -> int:
    """Drop what was kept for undoing imports that can not be undone any more; how many rows."""
    status: str = await connection.execute(_SQL["import_forget"], UNDO_DAYS)
    return int(status.rpartition(" ")[2])

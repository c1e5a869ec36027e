"""An import over HTTP, behind the pages: recorded, whole or not at all, one file at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.flows import importing
from gateway.flows.importing import MOST_WAITING, Importer, Order
from gateway.flows.reading import Part, read_part
from gateway.policy.importing import ImportOptions, Problem
from gateway.store.importing import ImportInto
from tests.support.scene import Scene
from tests.support.waiting import until

ROWS = b"key,mobile\n1,+32470000001\n2,+32470000002\n3,12\n"


def order(entity: int, data: bytes = ROWS, **more: Any) -> Order:
    return Order(data=data, into=ImportInto(entity_id=entity), options=ImportOptions(), by="person:7", **more)


async def counts(scene: Scene) -> list[tuple[object, ...]]:
    rows = await scene.rows("SELECT state, dry_run, added, refused, rows_read, reason FROM import_run ORDER BY id")
    return [tuple(row) for row in rows]


async def contacts(scene: Scene) -> int:
    return len(await scene.rows("SELECT FROM contact WHERE import_id IS NOT NULL"))


async def test_a_file_is_tried_stored_and_recorded_and_a_broken_one_changes_nothing(scene: Scene) -> None:
    importer, zone = Importer(scene.store), (await scene.entity("zone")).id
    assert (await importer.run(order(zone, dry_run=True)))[1] == ""
    assert await contacts(scene) == 0
    assert (await importer.run(order(zone)))[1] == ""
    assert await contacts(scene) == 2
    _, reason = await importer.run(order(zone, b"name\nAn\n"))
    assert "the first row must name the columns" in reason
    assert [row[:5] for row in await counts(scene)] == [
        ("done", True, 2, 1, 3), ("done", False, 2, 1, 3), ("failed", False, 0, 0, 0),
    ]  # fmt: skip
    told = await scene.rows("SELECT act, actor, detail FROM audit_event WHERE act LIKE 'contacts.import%' ORDER BY id")
    assert [(row["act"], row["actor"]) for row in told] == [
        ("contacts.import-tried", "person:7"), ("contacts.imported", "person:7"),
    ]  # fmt: skip
    assert told[1]["detail"] == {"added": 2, "changed": 0, "same": 0, "joined": 0, "refused": 1, "duplicates": 0}


async def test_parts_are_one_file(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who is in two parts is refused once, with the first row; a file that breaks late changes nothing."""
    monkeypatch.setattr(importing, "read_apart", parts_of_two)
    importer, zone = Importer(scene.store), (await scene.entity("zone")).id
    rows = b"key,mobile\n1,+32470000001\n2,+32470000002\n3,+32470000003\n1,+32470000004\n"
    assert (await importer.run(order(zone, rows)))[1] == ""
    assert await contacts(scene) == 3
    (told,) = await scene.rows("SELECT problems, rows_read FROM import_run")
    assert told["problems"] == [[5, "key", "the same as in row 2; a column key tells two people apart"]]
    assert told["rows_read"] == 4
    _, reason = await importer.run(order(zone, rows.replace(b"+3247", b"+3248") + b"broken"))
    assert reason == "the file ends too early"
    assert len(await scene.rows("SELECT FROM contact WHERE mobile LIKE '+3248%'")) == 0
    assert (await counts(scene))[1] == ("failed", False, 0, 0, 0, reason)


async def parts_of_two(data: bytes, options: ImportOptions, separator: str | None) -> AsyncIterator[Part]:
    """Two rows at a time, and an end that can not be read when it says so."""
    found = read_part(data.removesuffix(b"broken"), options, separator).found
    for first in range(0, len(found), 2):
        yield Part("csv", found[first : first + 2], more=True)
    late = [Problem(0, "", "the file ends too early", fatal=True)] if data.endswith(b"broken") else []
    yield Part("csv", list(late))


async def test_when_enough_files_wait_the_next_one_has_to_come_later(scene: Scene) -> None:
    importer, one = Importer(scene.store), order((await scene.entity("zone")).id)
    waiting = [asyncio.create_task(importer.run(one)) for _ in range(MOST_WAITING)]
    assert not importer.busy
    await until(lambda: importer.busy)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not importer.busy

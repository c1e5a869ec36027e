"""An entity taken along as one file, and put back elsewhere.

Knows: the order of it; that a file comes out of one moment. Never knows: HTTP, SQL, who may.
"""

import asyncio
import tempfile
from datetime import datetime
from typing import IO

from gateway.policy.archive import FILES, ArchiveReader, ArchiveWriter
from gateway.store import archiving
from gateway.store.archiving import Made
from gateway.store.persons import Grant
from gateway.store.pool import Connection

IN_MEMORY_BYTES = 8 * 2**20


async def export(connection: Connection, entity_id: int, slug: str, at: datetime) -> IO[bytes]:
    """The archive, from its beginning; the caller closes it. Runs in the caller's transaction."""
    out = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # the caller reads it
    writer = ArchiveWriter(out, entity=slug, made=at.isoformat())
    for name in FILES:
        await asyncio.to_thread(writer.add, name, ())  # a file without rows is one
        async for rows in archiving.parts(connection, entity_id, name):
            await asyncio.to_thread(writer.add, name, rows)
    await asyncio.to_thread(writer.end)
    out.seek(0)
    return out


async def restore(
    connection: Connection, file: IO[bytes], grant: Grant, slug: str | None = None, *, packs: bool = False
) -> Made | None:
    """A new entity from an archive, or None when its slug is taken; with `packs` its prepaid units count here as well.

    Raises BadArchive, which has to end the caller's transaction: then nothing was changed.
    """
    archive = await asyncio.to_thread(ArchiveReader, file)
    return await archiving.restore(connection, archive, grant, slug, packs=packs)

"""`gateway import addresses`: a whole edition of an open address register, in place of the one before.

Knows: batches, that an edition comes whole or not at all. Never knows: files, SQL, columns.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from gateway.commands.database import session
from gateway.policy.address_register import RegisterRow
from gateway.policy.importing import Problem
from gateway.policy.tabular import TableLimits
from gateway.store import places

BATCH_ROWS = 10_000
LIMITS = TableLimits(file_bytes=16 * 2**30, rows=100_000_000)


class Edition(NamedTuple):
    """How large the register is now."""

    municipalities: int
    streets: int
    houses: int


async def store_register(
    found: Iterator[RegisterRow | Problem], refuse: Callable[[Problem], None], options: argparse.Namespace
) -> Edition | None:
    """One transaction for the whole file; None when the file broke off, and then nothing was changed."""
    broken: list[Problem] = []
    async with session(options) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await places.clear(connection)
        rows = _taken(found, refuse, broken)
        while batch := list(islice(rows, BATCH_ROWS)):
            await places.put(connection, batch)
        edition = Edition(*(await places.finish(connection)))
        if broken or options.dry_run:
            await transaction.rollback()
        else:
            await transaction.commit()
    return None if broken else edition


def _taken(
    found: Iterator[RegisterRow | Problem], refuse: Callable[[Problem], None], broken: list[Problem]
) -> Iterator[RegisterRow]:
    for one in found:
        if isinstance(one, RegisterRow):
            yield one
            continue
        refuse(one)
        if one.fatal:
            broken.append(one)

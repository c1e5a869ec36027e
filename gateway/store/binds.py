"""Leases of binds: which node may open which bind of which provider.

Knows: the tables bind_taker, bind_lease. Every time in them is the server's. Never knows: sockets, fair shares.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("binds")


class BindKey(NamedTuple):
    """One bind of a provider, counted from 1."""

    provider: str
    ordinal: int


class Place(NamedTuple):
    """How many nodes divide a provider's binds, how many of them come before this one, and after how many seconds one
    of the others would be gone if it were not heard of again (None: there is no other)."""

    nodes: int
    place: int
    change_s: float | None


async def take_part(
    connection: Connection, node: int, providers: Sequence[str], *, leads: bool, lease_s: float
) -> dict[str, Place]:
    """Say that this node would hold binds of these providers; its place at each."""
    await connection.execute(_SQL["take_part"], node, providers, leads, timedelta(seconds=lease_s))
    rows = await connection.fetch(_SQL["places"], node, providers, leads)
    return {row["provider"]: Place(row["nodes"], row["place"], row["change_s"]) for row in rows}


async def keep(connection: Connection, node: int, leases: Mapping[BindKey, int], *, lease_s: float) -> set[BindKey]:
    """Prolong leases (with their epochs); returns those that are still this node's."""
    rows = await connection.fetch(_SQL["keep_binds"], node, *_columns(leases), timedelta(seconds=lease_s))
    return {BindKey(row["provider"], row["ordinal"]) for row in rows}


async def claim(
    connection: Connection, node: int, provider: str, *, binds: int, have: Collection[int], most: int, lease_s: float
) -> dict[BindKey, int]:
    """Lease up to `most` of a provider's `binds` that are free, beside those this node has; with their epochs."""
    lease = timedelta(seconds=lease_s)
    rows = await connection.fetch(_SQL["claim_binds"], node, provider, binds, list(have), most, lease)
    return {BindKey(provider, row["ordinal"]): row["epoch"] for row in rows}


async def give_back(connection: Connection, node: int, leases: Mapping[BindKey, int]) -> None:
    """These are closed: others may have them at once, and are told."""
    await connection.execute(_SQL["give_back_binds"], node, *_columns(leases))
    await connection.execute("SELECT pg_notify('gateway', 'binds')")


async def step_out(connection: Connection, node: int) -> None:
    """This node wants none any more."""
    await connection.execute(_SQL["step_out"], node)


def _columns(leases: Mapping[BindKey, int]) -> tuple[list[str], list[int], list[int]]:
    return [key.provider for key in leases], [key.ordinal for key in leases], list(leases.values())

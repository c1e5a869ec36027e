"""Real PostgreSQL servers for tests: one of each kind for a whole run, and a fresh migrated database for each test."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from gateway.store.embedded import Cluster, EmbeddedPostgres
from gateway.store.migrate import migrate
from tests.support.apart import run_apart

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
KINDS = ("embedded", "debian-15")
TEMPLATE = "gateway_template"

# a crash of the machine may lose a test's data; a crash of the server may not, so the rest stays as shipped
SETTINGS = {"fsync": "off", "shared_buffers": "64MB", "max_connections": "200", "max_wal_size": "256MB"}
# a database is hundreds of files: in memory it is made and removed many times faster than on a disk
MEMORY = Path("/dev/shm")
ROOM_BYTES = 6 << 30


class Servers:
    """Starts a server of a kind when it is first asked for, and stops them all at the end."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._folders: list[Path] = []
        self._running: dict[str, tuple[EmbeddedPostgres, Cluster]] = {}
        self._templates: set[str] = set()

    def cluster(self, kind: str) -> Cluster:
        if kind not in self._running:
            self._running[kind] = self._start(kind)
        return self._running[kind][1]

    def _start(self, kind: str) -> tuple[EmbeddedPostgres, Cluster]:
        folder = public_folder(MEMORY if _roomy(MEMORY) else None)
        self._folders.append(folder)
        binaries = DEBIAN_15 if kind == "debian-15" else None
        server = EmbeddedPostgres(folder / "dir", binaries=binaries, settings=SETTINGS, state_root=folder)
        return server, run_apart(server.start())

    @contextmanager
    def database(self, kind: str, *, migrated: bool = True) -> Iterator[Cluster]:
        """A database of its own, owned by the owner role: migrated, or empty. Dropped at the end, sessions or not."""
        cluster = self.cluster(kind)
        if migrated and kind not in self._templates:
            run_apart(_make_template(cluster))
            self._templates.add(kind)
        name = f"test_{next(self._numbers)}"
        run_apart(_create(cluster, name, TEMPLATE if migrated else "template1"))
        try:
            yield cluster.with_database(name)
        finally:
            run_apart(_execute(cluster, f"DROP DATABASE {name} WITH (FORCE)"))

    def stop(self) -> None:
        for server, _ in self._running.values():
            run_apart(server.stop())
        for folder in self._folders:
            shutil.rmtree(folder)


def _roomy(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM_BYTES


def public_folder(beside: Path | None = None) -> Path:
    """A new folder that every user may pass through, for servers that root starts as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=beside))
    folder.chmod(0o755)
    return folder


async def _make_template(cluster: Cluster) -> None:
    await _create(cluster, TEMPLATE, "template1")
    await migrate(cluster.with_database(TEMPLATE).owner_dsn, cluster.app_role, cluster.app_password)


async def _create(cluster: Cluster, name: str, template: str) -> None:
    # files are copied in half the time that logging every block of them takes
    await _execute(cluster, f"CREATE DATABASE {name} OWNER {cluster.owner_role} TEMPLATE {template} STRATEGY FILE_COPY")


async def _execute(cluster: Cluster, statement: str) -> None:
    connection = await asyncpg.connect(cluster.with_database("postgres").admin_dsn)
    try:
        await connection.execute(statement)
    finally:
        await asyncio.wait_for(connection.close(), 10)

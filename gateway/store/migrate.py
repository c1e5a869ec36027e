"""Moves a database to the schema of this program: plain SQL files, in order, each in one transaction.

Nodes may be sending meanwhile: a file that can not have a table at once gives way, and is tried again.
Knows: migrations/NNNN_name.sql, the table schema_version, the role that the gateway works as.
Never knows: what the tables mean. There is no way back: a mistake is cured by the next file.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeAlias

import asyncpg

from gateway.errors import SchemaError, StoreUnavailable

LOCK_KEY = 0x6361702D67617465  # "cap-gate"; one migration at a time in one database
APP_ROLE = "gateway_app"
TENANT = "_tenant"
"""What the name of the role ends in that the application takes on to act in the name of one entity."""
LOCK_WAIT_S = 2.0
"""The longest wait for one lock: whoever asks for the table stands behind it so long. Longer than the second after
which the server ends an autovacuum that is in the way, shorter than a lease."""
PAUSES_S = (1.0, 2.0, 4.0, *(8.0,) * 74)
"""Between the tries of one file: ten minutes of pauses in all."""
HELD = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_PLACE = re.compile(r"\$\{(\w+)\}")
_HOLDERS = """
SELECT DISTINCT l.pid, coalesce(nullif(a.application_name, ''), 'unnamed') AS name
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.relation >= 16384 AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY l.pid LIMIT 5
"""
_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    number     int PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number, its name without .sql, its text and the sha256 of its bytes."""

    number: int
    name: str
    text: str
    sha256: str


def load(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations that this program carries, in the order of their numbers; a number is used once."""
    folder = folder or files("gateway.store").joinpath("migrations")
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    migrations = tuple(_read(item) for item in found)
    if len({migration.number for migration in migrations}) != len(migrations):
        raise SchemaError(f"a number of a migration is used twice: {', '.join(m.name for m in migrations)}")
    return migrations


def _read(item: Traversable) -> Migration:
    match = _FILE.fullmatch(item.name)
    if match is None:
        raise SchemaError(f"{item.name} is not named NNNN_name.sql")
    data = item.read_bytes()
    return Migration(
        number=int(match[1]),
        name=item.name.removesuffix(".sql"),
        text=data.decode(),
        sha256=hashlib.sha256(data).hexdigest(),
    )


async def migrate(
    owner_dsn: str,
    app_role: str = APP_ROLE,
    app_password: str | None = None,
    *,
    migrations: Sequence[Migration] | None = None,
    progress: Callable[[str], None] = lambda name: None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> list[str]:
    """Bring the database forward and return the names of what was applied, [] when it was up to date.

    `app_role` is made with `app_password` when it is missing; without a password it must exist. `progress` is
    called with each name before its file runs, and again with what it waits for when tables are held by others: then it
    is tried once more after each of `pauses_s`. Raises SchemaError when the database is newer than this program, when
    an applied file has changed, when the tables stay held, or when the role could step over row-level security.
    """
    carried = load() if migrations is None else migrations
    async with _connected(owner_dsn) as connection:
        # waits for a migration that another node runs, then finds nothing left to do
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        await _ensure_role(connection, app_role, app_password)
        await _ensure_tenant_role(connection, app_role)
        await connection.execute(_VERSION_TABLE)
        await connection.execute(f"GRANT SELECT ON schema_version TO {quoted(app_role)}")
        words = {"app_role": quoted(app_role), "tenant_role": quoted(app_role + TENANT)}
        todo = _missing(carried, await _applied(connection))
        for migration in todo:
            progress(migration.name)
            await _apply_between(connection, migration, words, progress=progress, pauses_s=pauses_s)
    return [migration.name for migration in todo]


async def pending(dsn: str, *, migrations: Sequence[Migration] | None = None) -> list[str]:
    """The names that `migrate` would apply; the application's role may ask. Raises SchemaError as `migrate` does."""
    carried = load() if migrations is None else migrations
    async with _connected(dsn) as connection:
        known = await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL")
        applied = await _applied(connection) if known else {}
    return [migration.name for migration in _missing(carried, applied)]


def quoted(identifier: str) -> str:
    """An SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    try:
        connection = await asyncpg.connect(dsn, timeout=30, server_settings={"search_path": "public"})
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise StoreUnavailable(f"PostgreSQL can not be reached: {error}") from error
    try:
        yield connection
    finally:
        await connection.close()


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_version")
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _missing(carried: Sequence[Migration], applied: Mapping[int, tuple[str, str]]) -> list[Migration]:
    """What is not applied yet, after a check that what is applied is what this program carries."""
    known = {migration.number: migration for migration in carried}
    for number, (name, sha256) in sorted(applied.items()):
        if number not in known:
            raise SchemaError(
                f"the database has migration {name}, which this program does not know: it is too old. A newer version"
                " has moved the schema forward: start that one (docs/operate/upgrade.md)"
            )
        if known[number].sha256 != sha256:
            raise SchemaError(f"migration {name} was changed after it had been applied")
    return [migration for migration in carried if migration.number not in applied]


async def _apply_between(
    connection: Connection,
    migration: Migration,
    words: Mapping[str, str],
    *,
    progress: Callable[[str], None],
    pauses_s: Sequence[float],
) -> None:
    """Apply it between the transactions of others: as often as it has to wait for a table it lets go of all it has."""
    for pause_s in (*pauses_s, None):
        try:
            await _apply(connection, migration, words)
            return
        except HELD:
            held = (
                ", ".join(f"{row['name']} (pid {row['pid']})" for row in await connection.fetch(_HOLDERS)) or "others"
            )
        if pause_s is None:
            break
        progress(f"{migration.name} waits: tables are held by {held}; tried again in {pause_s:g} s")
        await asyncio.sleep(pause_s)
    raise SchemaError(f"migration {migration.name} could not have its tables; they are held by {held}")


async def _apply(connection: Connection, migration: Migration, words: Mapping[str, str]) -> None:
    try:
        text = _PLACE.sub(lambda match: words[match[1]], migration.text)
    except KeyError as error:
        raise SchemaError(f"migration {migration.name} asks for the unknown word {error}") from error
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {round(LOCK_WAIT_S * 1000)}")
            await connection.execute(text)
            await connection.execute(
                "INSERT INTO schema_version (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except HELD:
        raise
    except asyncpg.PostgresError as error:
        raise SchemaError(f"migration {migration.name} failed and was rolled back: {error}") from error


async def _ensure_role(connection: Connection, role: str, password: str | None) -> None:
    """Make or check the role. One that the owner may not alter is the administrator's and keeps its password."""
    if role == await connection.fetchval("SELECT session_user"):
        raise SchemaError(f"the application must not work as the owner of the schema ({role})")
    row = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS above, pg_has_role(oid, session_user, 'MEMBER') AS owner"
        " FROM pg_roles WHERE rolname = $1",
        role,
    )
    if row is not None and (row["above"] or row["owner"]):
        raise SchemaError(f"the role {role} could step over row-level security; give the application a plain one")
    if password is None:
        if row is None:
            raise SchemaError(f"the role {role} does not exist, and there is no password to make it with")
        return
    secret = await connection.fetchval("SELECT quote_literal($1::text)", password)
    if row is None:
        try:
            await connection.execute(f"CREATE ROLE {quoted(role)} LOGIN PASSWORD {secret}")
            return
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass  # roles belong to the whole server: the migration of another database was faster
        except asyncpg.InsufficientPrivilegeError as error:
            raise SchemaError(
                f"the owner may not make the role {role}: make it, or give the owner CREATEROLE"
            ) from error
    await _set_password(connection, role, secret)


async def _set_password(connection: Connection, role: str, secret: str) -> None:
    for _ in range(10):
        try:
            await connection.execute(f"ALTER ROLE {quoted(role)} LOGIN PASSWORD {secret}")
            return
        except asyncpg.InsufficientPrivilegeError:
            return
        except asyncpg.InternalServerError:  # "tuple concurrently updated": another database's migration, same role
            continue


async def _ensure_tenant_role(connection: Connection, app_role: str) -> None:
    """Make or check the role that the application takes on for one entity: no login, no right to step over policies."""
    role = app_role + TENANT
    row = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS above, pg_has_role($2::name, oid, 'MEMBER') AS given"
        " FROM pg_roles WHERE rolname = $1",
        role,
        app_role,
    )
    if row is not None and row["above"]:
        raise SchemaError(f"the role {role} could step over row-level security; make it a plain one")
    if row is not None and row["given"]:
        return
    try:
        await _make_tenant_role(connection, role, app_role, exists=row is not None)
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaError(
            f"the owner may not make the role {role} (NOLOGIN) and grant it to {app_role}: do both, or give the owner "
            "CREATEROLE"
        ) from error


async def _make_tenant_role(connection: Connection, role: str, app_role: str, *, exists: bool) -> None:
    """Roles belong to the whole server: the migration of another database may be at the same."""
    for _ in range(10):
        try:
            if not exists:
                await connection.execute(f"CREATE ROLE {quoted(role)} NOLOGIN")
            await connection.execute(f"GRANT {quoted(role)} TO {quoted(app_role)}")
            return
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            exists = True
        except asyncpg.InternalServerError:  # "tuple concurrently updated"
            continue

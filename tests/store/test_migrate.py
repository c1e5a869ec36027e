"""The runner of migrations, on real servers, with migrations of its own."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from gateway.errors import SchemaError, StoreUnavailable
from gateway.store.embedded import Cluster
from gateway.store.migrate import Migration, load, migrate, pending, quoted
from tests.support.waiting import until

pytestmark = pytest.mark.both_servers

FIRST = "CREATE TABLE thing (id int PRIMARY KEY); GRANT SELECT, INSERT ON thing TO ${app_role};"
SECOND = "ALTER TABLE thing ADD note text NOT NULL DEFAULT ''; INSERT INTO thing (id) VALUES (1);"


def written(folder: Path, *texts: str) -> tuple[Migration, ...]:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts, start=1):
        folder.joinpath(f"{number:04}_step.sql").write_text(text)
    return load(folder)


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def forward(pg: Cluster, migrations: tuple[Migration, ...]) -> list[str]:
    return await migrate(pg.owner_dsn, pg.app_role, pg.app_password, migrations=migrations)


async def test_files_are_applied_in_order_once_and_reported(empty_pg: Cluster, tmp_path: Path) -> None:
    both, said = written(tmp_path, FIRST, SECOND), list[str]()
    assert await pending(empty_pg.owner_dsn, migrations=both) == ["0001_step", "0002_step"]
    assert await forward(empty_pg, both[:1]) == ["0001_step"]
    applied = await migrate(
        empty_pg.owner_dsn, empty_pg.app_role, empty_pg.app_password, migrations=both, progress=said.append
    )
    assert applied == said == ["0002_step"]
    assert await forward(empty_pg, both) == []
    assert await value(empty_pg.app_dsn, "SELECT note FROM thing") == ""


async def test_the_application_may_ask_what_is_pending_and_is_neither_owner_nor_superuser(
    empty_pg: Cluster, tmp_path: Path
) -> None:
    both = written(tmp_path, FIRST, SECOND)
    await forward(empty_pg, both[:1])
    assert await pending(empty_pg.app_dsn, migrations=both) == ["0002_step"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await value(empty_pg.app_dsn, "DROP TABLE thing")
    role = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert await value(empty_pg.app_dsn, role) is False


async def test_a_failing_file_leaves_no_trace_and_those_before_it_stay(empty_pg: Cluster, tmp_path: Path) -> None:
    broken = written(tmp_path, FIRST, "INSERT INTO thing VALUES (7); SELECT nonsense;")
    with pytest.raises(SchemaError, match="0002_step failed and was rolled back"):
        await forward(empty_pg, broken)
    assert await value(empty_pg.owner_dsn, "SELECT count(*) FROM thing") == 0
    assert await pending(empty_pg.owner_dsn, migrations=broken) == ["0002_step"]


async def test_a_database_newer_than_the_program_is_refused(empty_pg: Cluster, tmp_path: Path) -> None:
    both = written(tmp_path, FIRST, SECOND)
    await forward(empty_pg, both)
    for ask in (forward(empty_pg, both[:1]), pending(empty_pg.owner_dsn, migrations=both[:1])):
        with pytest.raises(SchemaError, match="0002_step, which this program does not know"):
            await ask


async def test_a_file_gives_way_while_a_table_is_held_and_comes_in_between(empty_pg: Cluster, tmp_path: Path) -> None:
    """Whoever reads behind it waits no longer than for one try; it says who holds the table."""
    both, said = written(tmp_path, FIRST, SECOND), list[str]()
    await forward(empty_pg, both[:1])
    holder = await asyncpg.connect(empty_pg.owner_dsn, server_settings={"application_name": "a long report"})
    reader = await asyncpg.connect(empty_pg.app_dsn, command_timeout=60)
    try:
        holding = holder.transaction()
        await holding.start()
        await holder.fetch("SELECT * FROM thing")
        held = empty_pg.owner_dsn, empty_pg.app_role, empty_pg.app_password
        moving = asyncio.create_task(migrate(*held, migrations=both, progress=said.append, pauses_s=[0.5] * 1000))
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'thing'::regclass"
        await until(lambda: value(empty_pg.admin_dsn, asked))
        assert await reader.fetchval("SELECT count(*) FROM thing") == 0, "it stood behind the file, and came through"
        assert not moving.done()
        await until(lambda: len(said) > 1)
        await holding.rollback()
        assert await moving == ["0002_step"]
    finally:
        await holder.close()
        await reader.close()
    assert said[0] == "0002_step" and "waits: tables are held by a long report (pid" in said[1]


async def test_a_table_that_stays_held_is_left_as_it_was(empty_pg: Cluster, tmp_path: Path) -> None:
    both = written(tmp_path, FIRST, "CREATE TABLE other (); ALTER TABLE thing ADD note text;")
    await forward(empty_pg, both[:1])
    holder = await asyncpg.connect(empty_pg.owner_dsn)
    try:
        async with holder.transaction():
            await holder.fetch("SELECT * FROM thing")
            with pytest.raises(SchemaError, match="0002_step could not have its tables; they are held by"):
                await migrate(empty_pg.owner_dsn, empty_pg.app_role, migrations=both, pauses_s=[])
    finally:
        await holder.close()
    assert await value(empty_pg.owner_dsn, "SELECT to_regclass('other')") is None
    assert await forward(empty_pg, both) == ["0002_step"]


async def test_an_applied_file_that_changed_is_refused(empty_pg: Cluster, tmp_path: Path) -> None:
    await forward(empty_pg, written(tmp_path, FIRST))
    with pytest.raises(SchemaError, match="0001_step was changed after it had been applied"):
        await forward(empty_pg, written(tmp_path, FIRST + "\n-- one word more"))


async def test_ten_nodes_that_migrate_at_once_apply_each_file_once(empty_pg: Cluster, tmp_path: Path) -> None:
    both = written(tmp_path, FIRST, SECOND)
    results = await asyncio.gather(*(forward(empty_pg, both) for _ in range(10)))
    assert sorted(map(len, results)) == [0] * 9 + [2]


async def test_a_role_with_a_name_like_bobby_is_quoted(empty_pg: Cluster, tmp_path: Path) -> None:
    role = 'ro"le; DROP TABLE thing; --'
    await migrate(empty_pg.owner_dsn, role, "pass'word", migrations=written(tmp_path, FIRST))
    assert await value(empty_pg.owner_dsn, f"SELECT has_table_privilege('{role}', 'thing', 'INSERT')") is True
    await value(empty_pg.admin_dsn, f"DROP OWNED BY {quoted(role)}")
    await value(empty_pg.admin_dsn, f"DROP ROLE {quoted(role)}")


async def test_a_role_that_steps_over_row_level_security_is_refused(empty_pg: Cluster) -> None:
    with pytest.raises(SchemaError, match="step over row-level security"):
        await migrate(empty_pg.owner_dsn, empty_pg.admin_role, "x", migrations=())
    with pytest.raises(SchemaError, match="must not work as the owner"):
        await migrate(empty_pg.owner_dsn, empty_pg.owner_role, "x", migrations=())


async def test_without_a_password_the_role_must_be_there(empty_pg: Cluster) -> None:
    with pytest.raises(SchemaError, match="does not exist, and there is no password"):
        await migrate(empty_pg.owner_dsn, "nobody_made_me", migrations=())
    await forward(empty_pg, ())
    assert await migrate(empty_pg.owner_dsn, empty_pg.app_role, migrations=()) == []


async def test_a_role_of_the_administrator_keeps_its_password(empty_pg: Cluster) -> None:
    await value(empty_pg.admin_dsn, "CREATE ROLE theirs LOGIN PASSWORD 'kept'")
    try:
        assert await migrate(empty_pg.owner_dsn, "theirs", "other", migrations=()) == []
    finally:
        await value(empty_pg.admin_dsn, "DROP OWNED BY theirs")
        await value(empty_pg.admin_dsn, "DROP ROLE theirs")


async def test_an_unknown_word_in_a_file_is_named(empty_pg: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="0001_step asks for the unknown word 'role'"):
        await forward(empty_pg, written(tmp_path, "SELECT '${role}';"))


async def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="can not be reached"):
        await pending(f"postgresql://a:b@/c?host={tmp_path}", migrations=())


def test_files_must_be_named_and_numbered(tmp_path: Path) -> None:
    tmp_path.joinpath("0020_step.sql").write_text("")
    tmp_path.joinpath("0003_step.sql").write_text("")
    assert [migration.number for migration in load(tmp_path)] == [3, 20]
    tmp_path.joinpath("0003_other.sql").write_text("")
    with pytest.raises(SchemaError, match="used twice: 0003_other, 0003_step"):
        load(tmp_path)
    tmp_path.joinpath("1-step.sql").write_text("")
    with pytest.raises(SchemaError, match=r"1-step\.sql is not named"):
        load(tmp_path)


async def test_the_schema_of_this_program_is_applied_whole(pg: Cluster) -> None:
    assert await pending(pg.app_dsn) == []


async def test_campaigns_that_are_being_sent_keep_their_counts_and_have_all_count_rows(empty_pg: Cluster) -> None:
    """0126: whoever counts beside the others has a row of its own, also of what was accepted before."""
    every = load()
    await forward(empty_pg, tuple(one for one in every if one.number < 126))
    older = "INSERT INTO progress (campaign_id, channel, shard, entity_id, queued) VALUES "
    await value(empty_pg.admin_dsn, older + "(7, 1, 0, 1, 5), (7, 1, 1, 1, -2)")
    await forward(empty_pg, every)
    found = "SELECT array_agg((shard, queued)::text ORDER BY shard) FROM progress WHERE campaign_id = 7"
    assert await value(empty_pg.admin_dsn, found) == ["(0,5)", "(1,-2)", "(2,0)", "(3,0)"]


async def test_deliveries_that_are_there_are_watched_by_the_statement_from_then_on(empty_pg: Cluster) -> None:
    """0127: on the table and on the partitions that there are, and no more by the row."""
    every = load()
    await forward(empty_pg, tuple(one for one in every if one.number < 127))
    await value(empty_pg.admin_dsn, "SELECT ensure_delivery_partition(7)")
    await forward(empty_pg, every)
    each_row = 1  # pg_trigger.tgtype
    watched = f"SELECT array_agg(tgrelid::regclass || ' ' || (tgtype & {each_row}) ORDER BY 1) FROM pg_trigger"
    of_deliveries = "tgname = 'transport_is_fixed' AND tgrelid <> 'chunk'::regclass"
    found = await value(empty_pg.admin_dsn, f"{watched} WHERE {of_deliveries}")
    assert found == ["delivery 0", "delivery_0 0"]

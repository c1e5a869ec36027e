"""Fixtures of the whole suite: servers and databases, corpora, foreign programs, nothing left behind."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from gateway.store.embedded import Cluster
from tests.support import peers
from tests.support.database import KINDS, Servers, public_folder
from tests.support.ports import free_port
from tests.support.scene import Scene, a_scene

REPOSITORY = Path(__file__).parents[1]
# How long an example takes says more of the machine than of the code; pytest-timeout ends what hangs. The same code
# gets the same examples, so that a verdict is about the change; GATEWAY_EXPLORE=1 looks for ten times as many new ones.
settings.register_profile("gateway", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("explore" if os.environ.get("GATEWAY_EXPLORE") == "1" else "gateway")
MOST_NAME_CHARACTERS = 40
SKIPPING_FORBIDDEN = os.environ.get("GATEWAY_FORBID_SKIP") == "1"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked both_servers that uses a database runs once on each kind of server."""
    if "server_kind" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_servers"):
        kinds = [
            pytest.param(kind, marks=pytest.mark.peer("postgresql-15")) if "15" in kind else kind for kind in KINDS
        ]
        metafunc.parametrize("server_kind", kinds, indirect=True)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long values are named by their argument: what is made anew (a key, a zip) would give a test another name each
    time, and processes that share the tests would not agree on them."""
    return argname if isinstance(val, str | bytes) and len(val) > MOST_NAME_CHARACTERS else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peer is not here, saying why; where skipping is forbidden, fail it instead."""
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            reason = peers.missing(name)
            if reason is None:
                continue
            if SKIPPING_FORBIDDEN and not peers.may_skip(name):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The PostgreSQL servers of this run."""
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def server_kind(request: pytest.FixtureRequest) -> str:
    """Which server this test runs on: 'embedded', or 'debian-15' where the test is marked both_servers."""
    return str(getattr(request, "param", KINDS[0]))


@pytest.fixture
def pg(servers: Servers, server_kind: str) -> Iterator[Cluster]:
    """A fresh database with the whole schema: pg.owner_dsn, pg.app_dsn, pg.admin_dsn, pg.database."""
    with servers.database(server_kind) as cluster:
        yield cluster


@pytest.fixture
def empty_pg(servers: Servers, server_kind: str) -> Iterator[Cluster]:
    """A fresh database without any table."""
    with servers.database(server_kind, migrated=False) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[Scene]:
    """Intake, campaigns, planner and closer over a store and a stopped clock."""
    async with a_scene(pg) as found:
        yield found


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Like tmp_path, but open to other users: for programs that give up root's rights."""
    folder = public_folder()
    yield folder
    peers.remove(folder)


@pytest.fixture
def port() -> int:
    """A free TCP port of 127.0.0.1."""
    return free_port()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of corpora that do not belong to the project: GATEWAY_SHARED, else `shared` beside the checkout."""
    folder = Path(os.environ.get("GATEWAY_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("the shared corpora are not here; GATEWAY_SHARED names their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """No test leaves a child process behind."""
    yield
    left = peers.children(os.getpid())
    assert not left, f"processes left running: {left}"

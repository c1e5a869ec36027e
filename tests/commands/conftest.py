"""A terminal for the commands: they run in this process, on a database of the test's own."""

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.__main__ import main
from gateway.store import admin, contacts
from gateway.store.embedded import Cluster


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `gateway WORDS...` in an empty folder; wrong arguments give their exit code, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)

    def run(*words: str) -> Ran:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ran(int(code), *capsys.readouterr())

    return run


@pytest.fixture
def gateway(command: Command, pg: Cluster, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The same with a migrated database behind it."""
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", pg.app_dsn)
    return command


def agreed(pg: Cluster, request: str) -> None:
    """A second person agreed to an export, as they do over HTTP."""

    async def agree() -> None:
        async with admin.connected(pg.app_dsn) as connection:
            (row,) = await connection.fetch("SELECT entity_id FROM export_request WHERE id = $1", int(request))
            assert await contacts.agree_export(connection, row["entity_id"], int(request), "person:7")

    asyncio.run(agree())


@dataclass(slots=True, kw_only=True)
class Remote:
    """A gateway elsewhere, to whose one token `answers` are given by path; it keeps what was asked."""

    url: str
    token: str = "gw_live_x"
    answers: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    remote: Remote

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, raw: bytes) -> None:
        self.remote.asked.append((self.path, raw))
        self.remote.heads.append(dict(self.headers))
        known = self.headers["Authorization"] == f"Bearer {self.remote.token}"
        no = (401, {"detail": "no such token", "findings": [{"message": "sign in"}]})
        status, body = self.remote.answers.get(self.path, (404, {"detail": "nothing of yours"})) if known else no
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """It runs, and its token is in the environment."""
    handler = type("Handler", (_Handler,), {})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        handler.remote = Remote(url=f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
        monkeypatch.setenv("GATEWAY_TOKEN", "gw_live_x")
        monkeypatch.setenv("GATEWAY_URL", handler.remote.url)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield handler.remote  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()

"""The whole line for journey tests: simulators, people, CAP alerts, and a gateway in this process or in its own."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aiohttp
import asyncpg

from gateway import world
from gateway.app import Gateway
from gateway.simulators.recorder import Received
from gateway.store import admin, registry
from gateway.store.embedded import Cluster
from tests.support.waiting import until

HOST = "127.0.0.1"
SENDER = "alert@forest-vorst.example"
CENTRE = (4.3165, 50.8105)  # lon, lat: well inside the territory of demo-commune
NUMBERS = {"sms": 1, "voice": 2, "email": 3}
OPEN_STATES = ("planned", "sending", "paused", "closing")


# what is posted ---------------------------------------------------------------------------------------------------


def cap(
    identifier: str,
    *,
    words: str = "Stay inside",
    sender: str = SENDER,
    sent: datetime | None = None,
    lasts: timedelta = timedelta(hours=2),
    status: str = "Actual",
    msg_type: str = "Alert",
    scope: str = "Public",
    references: str = "",
    addresses: str = "",
    message_class: str = "urgent",
    channels: str = "sms email",
    area: str = f"<circle>{CENTRE[1]},{CENTRE[0]} 0.5</circle>",
    languages: Sequence[str] = ("en",),
) -> bytes:
    """A CAP 1.2 alert whose SMS says `words` (one part); without `area` it reaches no place."""
    sent = sent or now()
    optional = "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name, value in (("addresses", addresses), ("note", "drill" if status == "Exercise" else ""))
        if value
    )
    where = f"<area><areaDesc>here</areaDesc>{area}</area>" if area else ""
    asked = {"gateway:class": message_class, "gateway:channels": channels, "gateway:sms": words}
    parameters = "".join(
        f"<parameter><valueName>{name}</valueName><value>{escape(value)}</value></parameter>"
        for name, value in asked.items()
    )
    infos = "".join(
        f"<info><language>{language}</language><category>Fire</category><event>Fire</event>"
        f"<urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>"
        f"<expires>{stamp(sent + lasts)}</expires><senderName>Forest</senderName>"
        f"<headline>{escape(words)}</headline><instruction>{escape(words)}.</instruction>{parameters}{where}</info>"
        for language in languages
    )
    referred = f"<references>{escape(references)}</references>" if references else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
        f"<identifier>{escape(identifier)}</identifier><sender>{sender}</sender><sent>{stamp(sent)}</sent>"
        f"<status>{status}</status><msgType>{msg_type}</msgType><scope>{scope}</scope>{optional}{referred}"
        f"{infos}</alert>"
    ).encode()


def now() -> datetime:
    """The wall clock in whole seconds, as CAP writes it."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """A moment as CAP writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S-00:00")


def reference(identifier: str, sent: datetime, sender: str = SENDER) -> str:
    """How a later alert refers to this one."""
    return f"{sender},{identifier},{stamp(sent)}"


def people(
    count: int,
    *,
    first: int = 0,
    by: Sequence[str] = ("mobile",),
    at: tuple[float, float] = CENTRE,
    spread: float = 0.0005,
    language: str = "en",
) -> list[registry.Citizen]:
    """Invented citizens near a place; every one has the endpoints `by` and ends as the simulators' usual."""
    draw = random.Random(first)
    return [
        registry.Citizen(
            key=f"line-{number:07d}",
            name=f"Person {number}",
            language=language,
            # the last two digits never name an outcome of the sample people's agreement
            mobile=f"+3247{number // 80:05d}{number % 80:02d}" if "mobile" in by else None,
            landline=f"+3227{number:07d}" if "landline" in by else None,
            email=f"p{number}@example.org" if "email" in by else None,
            places=[("home", at[0] + draw.uniform(-spread, spread), at[1] + draw.uniform(-spread, spread))],
        )
        for number in range(first, first + count)
    ]


async def register(cluster: Cluster, citizens: Iterable[registry.Citizen]) -> None:
    """Store citizens as the platform's."""
    async with admin.connected(cluster.app_dsn) as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        rows = list(citizens)
        for at in range(0, len(rows), 5000):
            await registry.put_citizens(connection, platform.id, rows[at : at + 5000], "tests")


# the line ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Line:
    """Simulators, a database with the sample entities, and the way to a gateway at `url`."""

    cluster: Cluster
    simulators: world.Simulators
    tokens: Mapping[str, Mapping[str, str]]
    session: aiohttp.ClientSession
    url: str = ""

    async def ask(
        self, method: str, path: str, *, who: str = "demo-commune", realm: str = "live", raw: bytes | None = None
    ) -> tuple[int, Any]:
        """One request to the API; its status and JSON."""
        headers = {"Authorization": f"Bearer {self.tokens[who][realm]}", "Content-Type": "application/cap+xml"}
        async with self.session.request(method, self.url + path, data=raw, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, raw: bytes, *, who: str = "demo-commune", realm: str = "live") -> str:
        """Post an alert that has to be accepted; its campaign."""
        status, body = await self.ask("POST", "/v1/alerts", who=who, realm=realm, raw=raw)
        assert status == 201, body
        return str(body["campaign"])

    async def campaign(self, name: str, *, who: str = "demo-commune", realm: str = "live") -> dict[str, Any]:
        """A campaign's progress."""
        status, body = await self.ask("GET", f"/v1/campaigns/{name}", who=who, realm=realm)
        assert status == 200, body
        return dict(body)

    async def act(self, name: str, act: str) -> None:
        """pause, resume or stop; it has to be allowed."""
        status, body = await self.ask("POST", f"/v1/campaigns/{name}/{act}")
        assert status == 200, body

    async def closed(
        self, name: str, *, within_s: float = 60.0, who: str = "demo-commune", realm: str = "live"
    ) -> dict[str, Any]:
        """Wait for a campaign's end; its last progress."""
        deadline = time.monotonic() + within_s
        while (seen := await self.campaign(name, who=who, realm=realm))["state"] != "closed":
            assert time.monotonic() < deadline, f"not closed after {within_s} s: {seen}"
            await asyncio.sleep(0.1)
        return seen

    def received(self, channel: str) -> list[Received]:
        """What the simulators of one channel got, oldest first."""
        return self.simulators.recorders[channel].records()

    def said(self, channel: str, words: str) -> list[Received]:
        """What they got that contains these words."""
        return [record for record in self.received(channel) if words in record.text]

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """A look into the database, past every rule."""
        connection = await asyncpg.connect(self.cluster.admin_dsn)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def states(self, name: str) -> dict[tuple[str, str], int]:
        """(channel, address) -> delivery.state of every row of a campaign."""
        rows = await self.fetch(
            "SELECT d.channel, d.address, d.state FROM delivery d JOIN campaign c ON c.id = d.campaign_id "
            "WHERE c.public_id = $1",
            name,
        )
        names = {code: channel for channel, code in NUMBERS.items()}
        return {(names[row["channel"]], row["address"]): row["state"] for row in rows}


@asynccontextmanager
async def scene(
    cluster: Cluster, citizens: Iterable[registry.Citizen] = (), *, time_scale: float = 40.0, keep: int = 100_000
) -> AsyncIterator[Line]:
    """Everything but the gateway: simulators whose receipts come at once, the sample entities, these citizens."""
    async with admin.connected(cluster.app_dsn) as connection:
        tokens = await world.load(connection, 0, lambda _have, _wanted: None, {})
    await register(cluster, citizens)
    async with (
        world.Simulators.running(HOST, keep=keep, time_scale=time_scale) as simulators,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        simulators.outcomes.delay_s, simulators.outcomes.spread_s = 0.05, 0.1
        yield Line(cluster=cluster, simulators=simulators, tokens=tokens, session=session)


@asynccontextmanager
async def running(line: Line, port: int = 0, **more: Mapping[str, Any]) -> AsyncIterator[Gateway]:
    """A gateway of this process on the line; `more` changes settings by section."""
    settings = world.settings_for(line.simulators, line.cluster.app_dsn, host=HOST, port=port, more=more)
    async with Gateway.running(settings, frozenset(), settings.database.dsn.get_secret_value()) as node:
        line.url = node.url
        yield node


def provider(line: Line, mode: str = "live", **changes: Any) -> dict[str, Any]:
    """The settings of the line's SMS provider, changed."""
    document = world.document_for(line.simulators, line.cluster.app_dsn, host=HOST, port=0, more={})
    found: dict[str, Any] = document["sms"]["providers" if mode == "live" else "simulated"][0]
    return found | changes


@asynccontextmanager
async def whole_line(
    cluster: Cluster,
    citizens: Iterable[registry.Citizen] = (),
    *,
    port: int = 0,
    time_scale: float = 40.0,
    **more: Mapping[str, Any],
) -> AsyncIterator[Line]:
    """A line with its gateway in this process, its binds up."""
    async with scene(cluster, citizens, time_scale=time_scale) as line, running(line, port, **more) as node:
        await until(lambda: all(up for name, up in node.channel_states()[0].items() if name.startswith("smsc")))
        yield line


# a gateway in a process of its own --------------------------------------------------------------------------------


class Process:
    """`gateway serve` on the line, as often as it is started."""

    def __init__(self, line: Line, folder: Path, port: int, **more: Mapping[str, Any]) -> None:
        self._line = line
        folder.mkdir(exist_ok=True)
        self._config = folder / "gateway.toml"
        document = world.document_for(line.simulators, line.cluster.app_dsn, host=HOST, port=port, more=more)
        self._config.write_text(toml(document), encoding="utf-8")
        self.errors = folder / "gateway.log"
        self.environment: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self.url = line.url = f"http://{HOST}:{port}"

    async def start(self) -> None:
        """Start it without waiting for anything."""
        self._ready = False
        with self.errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", "--config", str(self._config)),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=os.environ | self.environment,
            )

    async def ready(self, within_s: float = 180.0) -> None:
        """Wait until it says that it is ready, or has said so."""
        if self._ready:
            return
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(within_s):
            said = await self._process.stdout.readline()
        assert said.startswith(b"Gateway ready: "), (said, self.log()[-3000:])
        self._ready = True

    async def kill(self) -> None:
        """SIGKILL, and wait until the kernel has cleaned up."""
        await self.end(signal.SIGKILL)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM, within_s: float = 60.0) -> int:
        """Send a signal and wait; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(within_s):
            await self._process.communicate()
        return int(self._process.returncode or 0)

    def log(self) -> str:
        """What it wrote on standard error, over all its lives."""
        return self.errors.read_text(encoding="utf-8") if self.errors.is_file() else ""  # a device has no end


def toml(document: Mapping[str, Any]) -> str:
    """A configuration as text: one inline value per key."""
    sections = (f"[{name}]\n" + "".join(f"{k} = {_inline(v)}\n" for k, v in t.items()) for name, t in document.items())
    return "\n".join(sections)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)

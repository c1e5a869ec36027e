"""A feed's source that tests can change, and pages over it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import feedparser
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.cap.derive import Attachment
from gateway.cap.feed import FeedEntry, FeedText
from gateway.errors import StoreUnavailable
from gateway.flows.publishing import HEARTBEAT, PUBLIC, FeedKind, FeedName
from gateway.web.feed import FeedPages

Client = TestClient[web.Request, web.Application]
EXERCISE, FOREST = FeedName(FeedKind.EXERCISE), FeedName(FeedKind.PUBLIC, "forest-vorst")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def text(language: str, title: str) -> FeedText:
    return FeedText(
        language=language,
        title=title,
        summary="Close the windows. " * 20,
        event="Fire",
        urgency="Immediate",
        severity="Severe",
        certainty="Observed",
    )


def entry(number: int, *texts: FeedText) -> FeedEntry:
    return FeedEntry(
        id=f"https://alerts.example/cap/alerts/{number}",
        identifier=f"A-{number}",
        sender="alert@example.org",
        sent=NOON,
        published=NOON + timedelta(seconds=number),
        updated=NOON + timedelta(seconds=number),
        status="Actual",
        msg_type="Alert",
        scope="Public",
        cap_url=f"https://alerts.example/cap/alerts/{number}.xml",
        texts=texts or (text("nl-BE", f"Brand {number}"), text("fr-BE", f"Incendie {number}")),
    )


class Source:
    """A feed's source that a test can change, and that counts what it is asked."""

    def __init__(self) -> None:
        self.version = 0
        self.shown: dict[FeedName, list[FeedEntry]] = {
            PUBLIC: [entry(1), entry(2)],
            EXERCISE: [],
            HEARTBEAT: [],
            FOREST: [entry(2)],
        }
        self.names = {"": "", "forest-vorst": "Forest & Vorst"}
        self.xml = {"abc": b"<alert/>" * 50}
        self.ids = {"urn:oid:2.49/1 é%41": ["abc"], "A-1": ["abc", "def"]}
        self.files = {("abc", 0): Attachment("image/png", b"PNG"), ("abc", 1): Attachment("text/html", b"<script>")}
        self.away = False
        self.asked: list[str] = []

    async def entries(self, name: FeedName) -> Sequence[FeedEntry] | None:
        self._ask(f"entries {name.kind.value}{name.authority}")
        return list(self.shown.get(name, [])) if name.authority in self.names else None

    async def authority(self, slug: str) -> str | None:
        return self.names.get(slug)

    async def attachment(self, public_id: str, number: int) -> Attachment | None:
        self._ask(f"resource {public_id} {number}")
        return self.files.get((public_id, number))

    async def alert_xml(self, public_id: str) -> bytes | None:
        self._ask(f"xml {public_id}")
        return self.xml.get(public_id)

    async def public_ids(self, identifier: str) -> list[str]:
        self._ask(f"ids {identifier}")
        return self.ids.get(identifier, [])

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise StoreUnavailable("away")


class Clock:
    def __init__(self) -> None:
        self.now = NOON + timedelta(hours=1, microseconds=7)

    def __call__(self) -> datetime:
        return self.now


async def parsed(answer: ClientResponse) -> feedparser.FeedParserDict:
    assert answer.status == 200
    found = feedparser.parse(await answer.read())
    assert not found.bozo
    return found


def pages_of(source: Source, counted: Callable[[int], None] = lambda _: None) -> FeedPages:
    return FeedPages(
        source,
        public_url="https://alerts.example/",
        title="Alerts",
        author="Crisis Centre",
        counted=counted,
        clock=Clock(),
    )


@asynccontextmanager
async def a_reader(pages: FeedPages) -> AsyncIterator[Client]:
    """An HTTP client of the pages."""
    app = web.Application()
    app.add_routes(pages.routes())
    async with TestClient(TestServer(app)) as client:
        yield client

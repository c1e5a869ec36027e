"""The validator as its users meet it: a form, a file, a text, a document; nothing handed in is ever markup."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import BytesIO

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cap.feed_check import Examination, examine
from gateway.web.validate import BODY_MAX_BYTES, ValidatePages
from tests.cap.samples import BASIC

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Client = TestClient[web.Request, web.Application]
HTML = {"Accept": "text/html,application/xhtml+xml"}
XML = {"Content-Type": "application/cap+xml"}


class Desk:
    """Examines at once; it can be busy."""

    def __init__(self) -> None:
        self.busy = False
        self.asked: list[tuple[bytes, bool, str | None]] = []

    async def examine(
        self, raw: bytes, *, lenient: bool, profile: str | None, received_at: datetime
    ) -> Examination | None:
        self.asked.append((raw, lenient, profile))
        return None if self.busy else examine(raw, lenient=lenient, profile=profile, received_at=received_at)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(ValidatePages(desk.examine, utcnow=lambda: NOW).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def form(**fields: str) -> FormData:
    data = FormData(default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, value)
    return data


async def test_the_form_is_a_whole_page_without_script_and_with_labels(client: Client) -> None:
    answer = await client.get("/cap/validate")
    page = Tags(await answer.text())
    assert answer.status == 200 and page.open == []
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script" not in {tag for tag, _ in page.seen}
    labelled = {attributes.get("for") for tag, attributes in page.seen if tag == "label"}
    assert {"file", "text", "profile"} <= labelled
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.seen for name in attributes)


async def test_a_text_in_the_form_is_checked(client: Client, desk: Desk) -> None:
    answer = await client.post("/cap/validate", data=form(text=BASIC, lenient="1", profile="google"), headers=HTML)
    text = await answer.text()
    assert answer.status == 200 and "a CAP alert" in text and "BE-GW-2026" in text
    assert [(lenient, profile) for _, lenient, profile in desk.asked] == [(True, "google")]
    assert Tags(text).open == []


async def test_a_file_goes_before_a_text_and_an_empty_file_is_none(client: Client, desk: Desk) -> None:
    data = form(text="<text/>")
    data.add_field("file", BASIC.encode(), filename="alert.xml", content_type="text/xml")
    assert (await (await client.post("/cap/validate", data=data)).json())["valid"] is True
    data = form(text=BASIC)
    data.add_field("file", b"", filename="", content_type="application/octet-stream")
    assert (await (await client.post("/cap/validate", data=data)).json())["valid"] is True
    assert [raw for raw, _, _ in desk.asked] == [BASIC.encode(), BASIC.replace("\n", "\n").encode()]


async def test_a_document_itself_may_be_posted_and_machines_get_json(client: Client) -> None:
    bad = BASIC.replace("<status>Actual", "<status>Real").encode()
    answer = await client.post("/cap/validate?lenient=0", data=bad, headers=XML)
    found = await answer.json()
    assert (answer.status, found["kind"], found["valid"]) == (200, "alert", False)
    (alert,) = found["alerts"]
    assert {"id", "severity", "line", "element", "message", "clause"} == set(alert["findings"][0])
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_what_is_handed_in_is_never_markup(client: Client) -> None:
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"
    for raw in (
        BASIC.replace("BE-GW-2026", evil + "BE-GW-2026"),
        BASIC.replace("<status>Actual", f"<status>{evil}"),
        f'<feed xmlns="http://www.w3.org/2005/Atom"><updated>{evil}</updated><entry><id>{evil}</id></entry></feed>',
        "<script>alert(1)</script>",
        "<" + "img_onerror_alert" * 20 + "/>",
    ):
        answer = await client.post("/cap/validate", data=form(text=raw), headers=HTML)
        page = Tags(await answer.text())
        assert answer.status == 200 and page.open == []
        assert {tag for tag, _ in page.seen}.isdisjoint({"script", "img", "svg", "iframe"})
        assert not re.search(r"<[^>]+\son\w+=", await answer.text())
        assert "script" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("raw", [b"", b"\x00", b"not xml", b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>"])
async def test_a_document_that_can_not_be_read_has_findings_too(client: Client, raw: bytes) -> None:
    found = await (await client.post("/cap/validate", data=raw, headers=XML)).json()
    assert found["kind"] == "unknown" and not found["valid"] and found["findings"]


async def test_what_is_no_question_is_refused(client: Client) -> None:
    url = "/cap/validate"
    assert (await client.post(url, json={})).status == 415
    assert (await client.post(url, data=BytesIO(b"x" * (BODY_MAX_BYTES + 10_000)), headers=XML)).status == 413
    data = FormData()
    data.add_field("file", BytesIO(b"x" * (BODY_MAX_BYTES + 1)), filename="a.xml")
    assert (await client.post(url, data=data)).status == 413
    assert (await client.post(url, data=form(text=BASIC, profile="none-such"))).status == 400
    assert (await client.post(url, data=form(profile="x" * 500))).status == 413
    assert (await client.post(url, data=form(**{f"f{n}": "" for n in range(30)}))).status == 413
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await client.post(url, data=b"--b\r\nnonsense", headers=broken)).status == 400
    assert (await client.post(url, data=b"", headers={"Content-Type": "multipart/form-data"})).status == 400

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"<a>" * 10_000

    assert (await client.post(url, data=endless(), headers=XML)).status == 413


async def test_a_busy_desk_says_when_to_come_back(client: Client, desk: Desk) -> None:
    desk.busy = True
    answer = await client.post("/cap/validate", data=BASIC.encode(), headers=XML)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


PARTS = st.sampled_from([
    b"--b", b"--b--", b"\r\n", b"\n", b"<alert/>", b"X" * 9000, b"\xff\x00", b":",
    b'Content-Disposition: form-data; name="text"', b"Content-Disposition: x; name*=q",
    b"Content-Type: multipart/mixed; boundary=c", b"Content-Transfer-Encoding: base64", b"Content-Length: 9",
    b"Content-Encoding: gzip",
])  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, max_size=25))
async def test_no_form_breaks_the_desk(client: Client, parts: list[bytes]) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post("/cap/validate", data=b"".join(parts), headers=headers)
    assert answer.status in {200, 400, 413}

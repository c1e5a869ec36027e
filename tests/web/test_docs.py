"""The API's description: valid, complete, true to the code, and a page that needs nothing."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.cap.check import check
from gateway.cap.model import MsgType, Scope
from gateway.policy.audience import read_wishes
from gateway.policy.polling import Held
from gateway.web.docs import STYLE, Docs, load, resolved

Client = TestClient[web.Request, web.Application]
VOID = {"meta", "br", "link", "hr", "img", "input"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(Docs().routes())
    async with TestClient(TestServer(application)) as client:
        yield client


class Page(HTMLParser):
    """What a reader of the page needs: that tags are closed, which ids there are, where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item:
                yield path, method, item[method]


def examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], object]]:
    """Each JSON example with the schema that it is shown for."""
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            for kind, media in resolved(document, answer).get("content", {}).items():
                for example in media.get("examples", {}).values():
                    if "json" in kind:
                        yield media["schema"], resolved(document, example)["value"]


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_yaml_and_json_say_the_same(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document


def test_every_example_has_the_form_that_its_schema_promises(document: dict[str, Any]) -> None:
    found = list(examples(document))
    assert len(found) >= 5
    for schema, value in found:
        whole = {**schema, "components": document["components"]}
        OAS31Validator(whole).validate(value)


def test_an_example_has_no_member_that_its_schema_does_not_name(document: dict[str, Any]) -> None:
    for schema, value in examples(document):
        assert isinstance(value, dict)
        choices = [resolved(document, one) for one in schema.get("oneOf", [schema])]
        assert any(set(value) <= set(choice["properties"]) for choice in choices)


def test_the_alert_of_the_example_is_a_valid_one(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/alerts"]["post"]["requestBody"]["content"]
    verdict = check(content["application/cap+xml"]["examples"]["public"]["value"].encode())
    assert verdict.valid
    assert verdict.findings == ()


def test_every_operation_is_named_once_and_knows_its_errors(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, _, operation in operations(document):
        if path.startswith("/v1/"):
            assert {"401", "503"} <= set(operation["responses"])
            assert operation.get("security", document["security"])


def served(repository: Path) -> str:
    """The code of gateway/web that a running node serves: what the app puts together."""
    together = "".join((repository / "gateway" / name).read_text() for name in ("app.py", "inlets.py"))
    names = set(re.findall(r"from gateway\.web\.(\w+) import", together)) | {"problem"}
    return "".join((repository / "gateway" / "web" / f"{name}.py").read_text() for name in sorted(names))


def test_every_route_of_the_source_is_described(document: dict[str, Any], repository: Path) -> None:
    described = {(method, path) for path, method, _ in operations(document)}
    source = served(repository)
    routes = set()
    for method, path in re.findall(r'web\.(get|post)\(\s*"([^"{]*(?:\{\w+\}[^"{]*)*(?:\{act:[^}]*\})?)"', source):
        acts = re.search(r"\{act:([^}]*)\}", path)
        routes |= {(method, path.replace(acts[0], act)) for act in acts[1].split("|")} if acts else {(method, path)}
    assert len(routes) >= 15
    assert routes <= described


def test_every_reason_for_a_refusal_is_explained(document: dict[str, Any], repository: Path) -> None:
    parts = [file for part in ("policy", "flows") for file in (repository / "gateway" / part).glob("*.py")]
    source = "".join(file.read_text() for file in parts) + served(repository)
    reasons = set(re.findall(r'reason="([a-z-]+)"', source))
    reasons |= set(re.findall(r'(?:problem|_refused)\(\s*\d{3}, "([a-z-]+)"', source))
    reasons |= {f"held-{reason}" for reason in Held}
    assert len(reasons) >= 15
    assert reasons <= set(document["x-problems"])


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "(#[^"]+)"', json.dumps(document)):
        assert resolved(document, {"$ref": reference})


async def test_the_document_is_served_as_json_to_everybody(client: Client, document: dict[str, Any]) -> None:
    answer = await client.get("/openapi.json")
    assert answer.content_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert await answer.json() == document


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_who_has_it_already_gets_304(path: str, client: Client) -> None:
    tag = (await client.get(path)).headers["ETag"]
    for known in (tag, f'W/{tag}, "x"', "*"):
        answer = await client.get(path, headers={"If-None-Match": known})
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert (await client.get(path, headers={"If-None-Match": '"x"'})).status == 200
    assert (await client.head(path)).status == 200


async def test_the_page_shows_every_operation_reason_and_schema(client: Client, document: dict[str, Any]) -> None:
    page = Page(await (await client.get("/docs")).text())
    assert not page.open
    wanted = {operation["operationId"] for _, _, operation in operations(document)}
    wanted |= set(document["x-problems"]) | {f"schema-{name}" for name in document["components"]["schemas"]}
    assert wanted <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)


async def test_the_page_needs_no_script_and_nothing_from_elsewhere(client: Client) -> None:
    answer = await client.get("/docs")
    text = await answer.text()
    page = Page(text)
    assert not {"script", "iframe", "form", "img"} & set(page.tags)
    assert "style" not in page.attributes
    assert not any(name.startswith("on") for name in page.attributes)
    assert all(link.startswith(("#", "/")) for link in page.links)
    policy = answer.headers["Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1] == STYLE  # type: ignore[index]


async def test_the_page_can_be_read_without_seeing_it(client: Client) -> None:
    text = await (await client.get("/docs")).text()
    page = Page(text)
    assert "<html lang=en>" in text
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert {"header", "nav", "main"} <= set(page.tags)
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.tags.count("thead") == page.tags.count("table") > 10
    assert "<th>" not in text


async def test_what_the_document_says_is_escaped() -> None:
    document = yaml.safe_load(json.dumps(load()).replace("An authority posts", "<script>alert(1)</script> posts"))
    application = web.Application()
    application.add_routes(Docs(document).routes())
    async with TestClient(TestServer(application)) as client:
        text = await (await client.get("/docs")).text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def profile_examples(repository: Path) -> list[tuple[str, bytes]]:
    text = (repository / "docs/cap-profile.md").read_text()
    return [
        (title, xml.encode()) for title, xml in re.findall(r"### ([^\n]+)\n(?:(?!###).)*?```xml\n(.*?)```", text, re.S)
    ]


def test_every_example_of_the_profile_is_a_valid_alert_that_says_what_its_title_says(repository: Path) -> None:
    found = profile_examples(repository)
    for title, raw in found:
        verdict = check(raw)
        assert verdict.valid, (title, verdict.findings)
        assert {finding.id for finding in verdict.findings} <= {"S35"}, (title, verdict.findings)  # no area: groups
        assert verdict.alert is not None
        kind, _, scope = title.partition(", scope ")
        assert kind in (verdict.alert.msg_type.value, verdict.alert.status.value)
        assert scope.partition(":")[0] in ("", verdict.alert.scope)
        wishes, problems = read_wishes(verdict.alert)
        assert not problems
        assert wishes.by_place is (verdict.alert.scope is Scope.PUBLIC and kind != "Cancel")
    alerts = [check(raw).alert for _, raw in found]
    assert {alert.msg_type for alert in alerts if alert} == set(MsgType)
    assert {alert.scope for alert in alerts if alert} == set(Scope)


def test_every_finding_of_the_gateway_s_own_is_in_the_profile(repository: Path) -> None:
    text = (repository / "docs/cap-profile.md").read_text()
    source = "".join(
        file.read_text() for part in ("policy", "flows") for file in (repository / "gateway" / part).glob("*.py")
    )
    own = set(re.findall(r'"(G\d+)"', source))
    assert own
    assert own <= set(re.findall(r"^\| (G\d+) \|", text, re.M))


def test_every_file_that_the_map_names_is_there(repository: Path) -> None:
    text = (repository / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:gateway|schemas|config|docs|tests|tools)/[\w./-]+)`", text))
    assert len(named) >= 30
    assert not [path for path in named if not (repository / path).exists()]


def test_the_map_names_every_part(repository: Path) -> None:
    text = (repository / "ARCHITECTURE.md").read_text()
    parts = {item.name for item in (repository / "gateway").iterdir() if (item / "__init__.py").exists()}
    parts |= {f"{file.stem}.py" for file in (repository / "gateway").glob("[a-z]*.py")}
    assert not [part for part in parts if f"gateway/{part}" not in text]

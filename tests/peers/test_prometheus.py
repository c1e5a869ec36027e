"""The real Prometheus on a running demo: every panel has something to draw, every alert rule can be judged."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import running_demo
from tests.support.peers import running
from tests.support.ports import free_port

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "config" / "prometheus" / "rules.yml"
DASHBOARD = REPOSITORY / "config" / "grafana" / "dashboards" / "gateway.json"
PATIENCE_S = 300

pytestmark = [pytest.mark.peer("prometheus"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes a demo with voice, SMS and e-mail behind it."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    with running_demo(tmp_path_factory.mktemp("demo") / "data", recipients=300) as demo:
        until(lambda: b'outcome="delivered"' in demo.get("/metrics"), "deliveries are counted")
        demo.get("/cap/feed.atom")
        target = demo.url.rpartition(":")[2].strip("/")
        with running("prometheus.sh", folder, target, port, RULES):
            address = f"http://127.0.0.1:{port}"
            until(lambda: query(address, 'up{job="gateway"} == 1'), "the demo is scraped")
            yield address


def until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.5)


def ask(address: str, path: str) -> Any:
    with urllib.request.urlopen(address + path, timeout=60) as answer:
        body = json.load(answer)
    assert body["status"] == "success", body
    return body["data"]


def query(address: str, expression: str) -> list[Any]:
    result: list[Any] = ask(address, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["result"]
    return result


def panels() -> list[tuple[str, str]]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize(("title", "expression"), panels())
def test_every_expression_of_the_dashboard_returns_data(prometheus: str, title: str, expression: str) -> None:
    until(lambda: query(prometheus, expression), f"{title}: {expression}")


def test_every_alert_rule_is_judged_without_error_and_none_fires_on_a_healthy_demo(prometheus: str) -> None:
    def rules() -> list[Any]:
        return [rule for group in ask(prometheus, "/api/v1/rules")["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in rules()), "all rules were evaluated")
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}
    urgent = {rule["name"]: rule["state"] for rule in rules() if rule["labels"]["severity"] == "page"}
    assert {name for name, state in urgent.items() if state != "inactive"} == set()

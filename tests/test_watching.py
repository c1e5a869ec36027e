"""Alert rules, scrape file and dashboard, held against the metrics that the gateway promises."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics import Metrics
from tests.support.peers import SEARCH
from tests.test_metrics import PUBLISHED

CONFIG = Path(__file__).parents[1] / "config"
DASHBOARD = json.loads((CONFIG / "grafana" / "dashboards" / "gateway.json").read_text())
RULES = yaml.safe_load((CONFIG / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]

PROMISED = {
    name.replace("_count", "_bucket"): labels | ({"le"} if name.endswith("_count") else set())
    for name, labels in PUBLISHED.items()
}
"""Names and labels that are stable from the first release on."""

NOT_DRAWN = {"gateway_feed_certificate_end_seconds"}  # a date, and only of those who sign: a rule watches it
USUAL = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"}
FROM_PROMETHEUS = {"job", "instance"}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    drawn = [target["expr"] for panel in panels() for target in panel["targets"]]
    return drawn + [rule["expr"] for rule in RULES]


def names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:gateway|process)_\w+|\bup\b", re.sub(r'"[^"]*"', '""', expression)))


def test_expressions_name_only_what_is_promised() -> None:
    unknown = {name for expression in expressions() for name in names(expression)} - PROMISED.keys() - USUAL
    assert unknown == set()


def test_expressions_use_only_labels_that_the_metric_has() -> None:
    for expression in expressions():
        has = {label for name in names(expression) for label in PROMISED.get(name, set())} | FROM_PROMETHEUS
        grouped = ",".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)).replace(" ", "").split(",")
        selected = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)", expression)
        assert {*filter(None, grouped), *selected} <= has, expression


def test_every_promised_metric_is_drawn() -> None:
    drawn = {name for panel in panels() for target in panel["targets"] for name in names(target["expr"])}
    assert PROMISED.keys() - drawn == NOT_DRAWN


def test_what_is_promised_is_what_the_gateway_has() -> None:
    families = {family.name: family for family in Metrics().collect()}
    base = {re.sub(r"_(total|bucket)$", "", name) for name in PROMISED}
    assert base == {name for name in families if name.startswith("gateway_")}


def test_the_published_rates_are_drawn_as_lines() -> None:
    lines = {
        panel["title"]: target["expr"]
        for panel in panels()
        for target in panel["targets"]
        if target["legendFormat"].startswith("published")
    }
    assert lines == {
        "SMS parts a second": "vector(500)",
        "Calls started in the last 60 s": "vector(600)",
        "E-mails a second": "vector(2500)",
    }


def test_calls_in_a_minute_are_never_estimated() -> None:
    panel = next(panel for panel in panels() if panel["title"] == "Calls started in the last 60 s")
    assert "rate(" not in panel["targets"][0]["expr"]


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one, two in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        above = one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]
        assert beside or above, (one, two)
        assert one["x"] + one["w"] <= 24


def test_the_dashboard_asks_the_source_that_is_provisioned_and_lies_where_grafana_looks() -> None:
    source = yaml.safe_load((CONFIG / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    used = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert used == {source["uid"]}
    provider = yaml.safe_load((CONFIG / "grafana/provisioning/dashboards/gateway.yml").read_text())["providers"][0]
    mounts = yaml.safe_load((CONFIG.parent / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./config/grafana/dashboards:{provider['options']['path']}:ro" in mounts


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert len(rule["annotations"]["summary"]) > 10
    assert len(rule["annotations"]["runbook"]) > 40


@pytest.mark.peer("promtool")
def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool", path=SEARCH)
    assert promtool is not None
    for kind, file in (("rules", "rules.yml"), ("config", "prometheus.yml")):
        words: list[str | Path] = [promtool, "check", kind, CONFIG / "prometheus" / file]
        checked = subprocess.run(words, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.peer("promtool")
def test_alerts_fire_when_they_should_and_rest_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool", path=SEARCH)
    assert promtool is not None
    cases = tmp_path / "cases.yml"
    cases.write_text(yaml.safe_dump({
        "rule_files": [str(CONFIG / "prometheus" / "rules.yml")],
        "evaluation_interval": "5s",
        "tests": [
            story("GatewayDown", {'up{job="gateway"}': "0x60"}, "2m", fires=True),
            story("GatewayDown", {'up{job="gateway"}': "1x60"}, "2m", fires=False),
            story("BindDown", {'gateway_bind_up{bind="a",instance="1"}': "0x60",
                               'gateway_bind_up{bind="a",instance="2"}': "1x60"}, "2m", fires=False),
            story("BindDown", {'gateway_bind_up{bind="a",instance="1"}': "0x60"}, "2m", fires=True),
            story("CanaryDead", {'gateway_sms_canary_age_seconds{canary="a"}': "0+5x500"}, "32m", fires=True),
            story("CanaryDead", {'gateway_sms_canary_age_seconds{canary="a"}': "900x90"}, "6m", fires=False),
            story("ProviderLeftAlone", {'gateway_sms_breaker_open{provider="a"}': "1x90"}, "6m", fires=True),
            story("ProviderLeftAlone", {'gateway_sms_breaker_open{provider="a"}': "1 0 1 0x80"}, "6m", fires=False),
            story("CallCeilingBroken", {"gateway_call_starts_last_60s": "600x60"}, "1m", fires=False),
            story("CallCeilingBroken", {"gateway_call_starts_last_60s": "601x60"}, "1m", fires=True),
            story("UrgentQueueStands", {'gateway_queue_depth{channel="sms",class="urgent"}': "9x60",
                                        'gateway_deliveries_total{channel="sms",outcome="submitted"}': "5x60"},
                  "3m", fires=True),
            story("UrgentQueueStands", {'gateway_queue_depth{channel="sms",class="urgent"}': "9x60",
                                        'gateway_deliveries_total{channel="sms",outcome="submitted"}': "5+100x60"},
                  "3m", fires=False),
            story("UrgentQueueStands", {'gateway_queue_depth{channel="sms",class="news"}': "9x60"}, "3m", fires=False),
            story("UnknownDeliveries", {'gateway_unknown_deliveries{channel="sms"}': "3x200"}, "7m", fires=True),
        ],
    }))  # fmt: skip
    tested = subprocess.run([promtool, "test", "rules", cases], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def story(alert: str, series: dict[str, str], at: str, *, fires: bool) -> dict[str, Any]:
    """A case for promtool: these series, one sample every 5 s, and whether the alert fires at this time."""
    judged = {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": at}
    return {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [judged | {"exp_samples": [{"labels": "{}", "value": 1}] if fires else []}],
    }

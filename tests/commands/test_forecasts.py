"""gateway campaign forecast."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command, Remote

BODY = {
    "recipients": 7, "cost_eur": "1.155", "prepaid_units_left": 3,
    "channels": [{
        "channel": "sms", "finish": "2026-11-22T09:00:07+00:00", "share_too_late": 0.25,
        "languages": [{
            "language": "nl", "messages": 7, "units_each": 3, "encoding": "ucs2", "cost_eur": "1.155",
            "cheaper": {"text": "Blijf binnen", "units_each": 1, "saves_eur": "0.770"},
        }],
    }],
    "overlap": [
        {"identifier": "A-1", "sender": "s@x.example", "expires": "2026-11-22T12:00:00+00:00", "messages": "<5"},
    ],
    "findings": [{"id": "G4", "severity": "policy", "message": "part of the area"}],
}  # fmt: skip


@pytest.fixture
def url(remote: Remote) -> str:
    """A gateway that forecasts."""
    remote.answers["/v1/alerts?dry_run=true"] = 200, BODY
    return remote.url


@pytest.fixture
def alert(tmp_path: Path) -> str:
    file = tmp_path / "alert.xml"
    file.write_text("<alert/>")
    return str(file)


def test_a_forecast_reads_well(command: Command, url: str, alert: str) -> None:
    ran = command("campaign", "forecast", alert, "--url", url)
    assert ran.code == 0
    for words in (
        "the last one starts 2026-11-22T09:00:07+00:00, 25.0% too late", "saves 0.770 EUR): Blijf binnen",
        "7 messages, 1.155 EUR ex VAT; 3 prepaid units left", "overlaps with A-1", "G4 policy: part of the area",
    ):  # fmt: skip
        assert words in ran.out
    assert json.loads(command("campaign", "forecast", alert, "--url", url, "--json").out) == BODY


def test_a_refusal_is_no(command: Command, url: str, alert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "gw_live_y")
    ran = command("campaign", "forecast", alert, "--url", url)
    assert (ran.code, ran.err.splitlines()) == (1, ["gateway: no such token", "sign in"])


def test_the_demo_knows_its_own_address(
    command: Command, url: str, alert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_TOKEN", raising=False)
    told = {"url": url, "tokens": {"demo-commune": {"live": "gw_live_x"}}}
    (tmp_path / "demo.json").write_text(json.dumps(told))
    assert command("campaign", "forecast", alert, "--demo", str(tmp_path)).code == 0
    assert command("campaign", "forecast", alert, "--demo", str(tmp_path / "none")).code == 2
    assert command("campaign", "forecast", alert, "--url", url).code == 2


def test_a_gateway_that_is_not_there(command: Command, alert: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "gw_live_x")
    assert command("campaign", "forecast", alert, "--url", f"http://127.0.0.1:{port}").code == 2
    assert command("campaign", "forecast", f"{alert}.none", "--url", f"http://127.0.0.1:{port}").code == 2

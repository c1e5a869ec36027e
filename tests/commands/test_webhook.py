"""gateway webhook."""

import json

import pytest

from tests.commands.conftest import Command

URL = "https://hook.brugge.example/in"


@pytest.fixture
def brugge(gateway: Command) -> Command:
    assert gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1").code == 0
    return gateway


def listed(gateway: Command) -> list[dict[str, object]]:
    return [json.loads(line) for line in gateway("webhook", "list", "--entity", "brugge", "--json").out.splitlines()]


def test_a_webhook_is_made_pinged_replaced_switched_off_and_removed(brugge: Command) -> None:
    ran = brugge("webhook", "add", URL, "--entity", "brugge", "--events", "campaign.closed", "--note", "duty")
    secret = ran.out.strip()
    assert (ran.code, secret[:6]) == (0, "whsec_")
    (row,) = listed(brugge)
    assert (row["url"], row["events"], row["realm"], row["enabled"]) == (URL, ["campaign.closed"], "live", True)
    assert secret not in str(row)
    name = str(row["webhook"])
    for act in ("ping", "disable", "enable"):
        assert brugge("webhook", act, name, "--entity", "brugge").code == 0
    (told,) = brugge("webhook", "deliveries", name, "--entity", "brugge", "--json").out.splitlines()
    assert json.loads(told)["type"] == "webhook.ping"
    assert "webhook.ping" in brugge("webhook", "deliveries", name, "--entity", "brugge").out
    assert brugge("webhook", "rotate", name, "--entity", "brugge").out.strip() not in ("", secret)
    assert name in brugge("webhook", "list", "--entity", "brugge").out
    assert brugge("webhook", "remove", name, "--entity", "brugge").code == 0
    assert listed(brugge) == []
    assert brugge("webhook", "ping", name, "--entity", "brugge").code == 1


@pytest.mark.parametrize(("url", "code"), [("http://hook.example/", 1), ("https://127.0.0.1/", 1), ("hook.example", 2)])
def test_an_address_that_can_not_be_used_is_refused(brugge: Command, url: str, code: int) -> None:
    assert brugge("webhook", "add", url, "--entity", "brugge").code == code
    assert brugge("webhook", "add", URL, "--entity", "nowhere").code == 1
    assert listed(brugge) == []

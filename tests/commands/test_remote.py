"""Acts over HTTP at a terminal: with a gateway and a token, or not at all."""

import pytest

from tests.commands.conftest import Command, Remote

ASK = ("contact", "agree", "12")


def test_a_refusal_is_said_and_is_no(command: Command, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.answers["/v1/exports/12/agree"] = 409, {"detail": "It is your own."}
    assert command(*ASK) == (1, "", "gateway: It is your own.\n")
    monkeypatch.setenv("GATEWAY_TOKEN", "gw_live_y")
    assert command(*ASK) == (1, "", "gateway: no such token\n")


def test_without_a_gateway_or_a_token_nothing_is_asked(
    command: Command, remote: Remote, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(*ASK, "--url", f"http://127.0.0.1:{port}").code == 2
    assert command(*ASK, "--url", "alerts.example").code == 2
    monkeypatch.delenv("GATEWAY_TOKEN")
    assert command(*ASK).code == 2
    assert remote.asked == []

"""gateway demo."""

from pathlib import Path

import pytest

from tests.commands.conftest import Command


def test_the_options_reach_the_demo(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, object]] = []

    def fake(**options: object) -> int:
        told.append(options)
        return 1

    monkeypatch.setattr("gateway.demo.run", fake)
    assert command("demo").code == 1
    assert command("demo", "--once", "--recipients", "20", "--port", "0", "--data", "d").code == 1
    assert told == [
        {"once": False, "recipients": 2000, "port": 8080, "data": Path(".gateway")},
        {"once": True, "recipients": 20, "port": 0, "data": Path("d")},
    ]


@pytest.mark.parametrize("words", [("--recipients", "0"), ("--port", "70000"), ("--recipients", "many"), ("extra",)])
def test_wrong_arguments_are_refused(words: tuple[str, ...], command: Command) -> None:
    assert command("demo", *words).code == 2

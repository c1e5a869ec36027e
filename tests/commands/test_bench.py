"""gateway bench."""

import pytest

from gateway.commands.bench import KINDS
from tests.commands.conftest import Command


@pytest.mark.parametrize("what", KINDS)
def test_what_to_measure_reaches_the_bench(what: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bool]] = []

    def fake(what: str, *, as_json: bool) -> int:
        told.append((what, as_json))
        return 0

    monkeypatch.setattr("gateway.bench.run", fake)
    assert command("bench", what).code == 0
    assert command("bench", what, "--json").code == 0
    assert told == [(what, False), (what, True)]


def test_what_can_not_be_measured_is_refused(command: Command) -> None:
    ran = command("bench", "fax")
    assert (ran.code, "sms" in ran.err) == (2, True)

"""`gateway demo` from outside: it ends well, says where it is, and leaves facts that others may rely on."""

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import demo
from gateway.cap.check import check
from gateway.model import ChannelName, DeliveryState
from tests.support.demo import remove_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder that the tests share, in their order: the second run starts from what the first left."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    yield folder
    remove_data(folder)


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`gateway demo --once` with a few people."""
    command = [sys.executable, "-m", "gateway", "demo", "--once", "--recipients", "200", "--data", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


def test_one_run_ends_well_and_leaves_its_facts(folder: Path) -> None:
    """Exit 0 means that every delivery ended as the simulators were told."""
    ended = run(folder, "--port", "0")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    ready = [line for line in ended.stdout.splitlines() if line.startswith("Gateway ready: http://127.0.0.1:")]
    assert len(ready) == 1
    assert "ended as the simulators were told" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert stat.S_IMODE((folder / "demo.json").stat().st_mode) == 0o600
    assert check((folder / "alert.xml").read_bytes()).valid
    facts = json.loads((folder / "demo.json").read_text())
    assert {"url", "dsn", "tokens", "simulators", "received"} <= set(facts)
    assert facts["url"] == ready[0].removeprefix("Gateway ready: ")
    assert set(facts["tokens"]) == {"demo-commune", "demo-police"}
    for tokens in facts["tokens"].values():
        assert set(tokens) == {"live", "test"}
        assert tokens["live"].startswith("gw_live_") and tokens["test"].startswith("gw_test_")
    assert set(facts["simulators"]) == {"smsc", "smtp", "voice", "sip"}


def test_a_second_run_starts_from_what_the_first_left(folder: Path) -> None:
    """The same tokens and the same people."""
    before = json.loads((folder / "demo.json").read_text())
    ended = run(folder, "--port", "0")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert json.loads((folder / "demo.json").read_text())["tokens"] == before["tokens"]
    assert "Sample people" not in ended.stdout


def test_a_taken_port_is_named(folder: Path) -> None:
    """And nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ended = run(folder, "--port", str(number))
    assert ended.returncode != 0
    assert str(number) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("channel", "address", "state"),
    [
        (ChannelName.SMS, "+32470000000", DeliveryState.DELIVERED),
        (ChannelName.SMS, "+32470000090", DeliveryState.FAILED),
        (ChannelName.SMS, "+32470000094", DeliveryState.EXPIRED),
        (ChannelName.VOICE, "+3223000009", DeliveryState.FAILED),
        (ChannelName.VOICE, "+3223000001", DeliveryState.DELIVERED),
        (ChannelName.EMAIL, "a@example.org", DeliveryState.SUBMITTED),
        (ChannelName.EMAIL, "a+gone@example.org", DeliveryState.FAILED),
        (ChannelName.EMAIL, "a+refused@example.org", DeliveryState.FAILED),
    ],
)
def test_it_knows_how_every_delivery_has_to_end(channel: ChannelName, address: str, state: DeliveryState) -> None:
    assert demo._expected(channel, address) is state


def test_a_bar_is_as_long_as_the_share_that_is_over() -> None:
    counts = dict.fromkeys(("queued", "in_flight", *demo.FINAL), 0)
    seen = {
        "state": "sending",
        "channels": {"sms": counts | {"planned": 40, "queued": 10, "delivered": 30}, "email": counts | {"planned": 0}},
    }
    head, sms, email = demo._draw(seen)
    assert head == "campaign sending"
    assert sms.count("#") / demo.BAR == pytest.approx(0.75, abs=1 / demo.BAR)
    assert "30/40" in sms and "queued 10" in sms
    assert "#" not in email

"""The image, the compose file and the unit, without an engine: parsed, and the image's steps run in plain folders."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from gateway.__main__ import main
from gateway.channels.voice_trunks import RestTrunk
from gateway.settings import load
from tests.support.image import FINAL, STEPS, value

REPOSITORY = Path(__file__).parents[1]


def test_the_build_needs_nothing_that_the_context_leaves_out() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = [step.rest.split()[:-1] for step in STEPS if step.word == "COPY" and "--from" not in step.rest]
    assert ignored[0] == "*"
    assert {source.split("/")[0] for sources in copied for source in sources} == kept


def test_the_image_runs_as_nobody_special_and_asks_the_process_only() -> None:
    user = value("USER")
    assert user.isdigit() and int(user) > 0
    assert any(step.word == "RUN" and f"--uid {user}" in step.rest for step in FINAL)
    assert "pip" not in " ".join(step.rest for step in FINAL if step.word == "RUN")
    assert "/healthz" in value("HEALTHCHECK")
    assert f"{value('EXPOSE')}/healthz" in value("HEALTHCHECK")


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_tells_well_from_ill(status: int, healthy: bool) -> None:
    _, _, command = value("HEALTHCHECK").partition("CMD ")
    program = json.loads(command)
    handler = type("Answer", (Health,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        script = program[2].replace("8080", str(server.server_port))
        tried = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, env={})
        server.shutdown()
    assert (tried.returncode == 0) is healthy


def compose() -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
    return loaded


def test_compose_has_the_whole_line_and_opens_it_to_this_machine_only() -> None:
    services = compose()["services"]
    assert {"gateway", "postgres", "prometheus", "grafana", "smsc", "smtp", "voice"} <= services.keys()
    for name, service in services.items():
        for port in service.get("ports", []):  # type: ignore[attr-defined]
            assert port.startswith("127.0.0.1:"), name
        for wanted in service.get("depends_on", []):  # type: ignore[attr-defined]
            assert wanted in services, name
        assert "build" in service or ":" in str(service["image"]), f"{name}: an image without a version moves"


def test_everything_that_compose_mounts_is_there() -> None:
    parsed = compose()
    for name, service in parsed["services"].items():
        for volume in service.get("volumes", []):  # type: ignore[attr-defined]
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (REPOSITORY / source).exists(), name
            else:
                assert source in parsed["volumes"], name


def test_the_names_in_composes_configuration_are_services_of_compose() -> None:
    settings = load(REPOSITORY / "config" / "compose" / "gateway.toml", environment={})
    services = compose()["services"]
    assert settings.email is not None and isinstance(settings.voice.simulated, RestTrunk)
    assert not settings.sms.providers and not settings.email.relays and settings.voice.trunk is None
    dsn = settings.database.dsn.get_secret_value()
    hosts = {settings.sms.simulated[0].host, settings.email.simulated[0].host, re.split("[@/]", dsn)[3]}
    hosts |= set(re.findall(r"//([a-z]+):", settings.voice.simulated.base_url + settings.voice.simulated.public_url))
    assert hosts == {"smsc", "smtp", "postgres", "voice", "gateway"} <= services.keys()


def test_every_command_of_compose_and_the_unit_is_one_of_the_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [
        service["command"] for service in compose()["services"].values() if "build" in service and "command" in service
    ]
    unit = REPOSITORY / "config" / "systemd" / "cap-alert-gateway.service"
    started = re.findall(r"^Exec\w+=\S+/gateway (.*)$", unit.read_text(), re.MULTILINE)
    commands += [shlex.split(line) for line in started]
    assert len(commands) >= 6
    for words in commands:
        command, *rest = map(str, words)  # type: ignore[call-overload]
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        shown = capsys.readouterr()
        assert ended.value.code == 0, f"gateway {command}: {shown.err}"
        options = [word for word in rest if word.startswith("--")] + rest[: command == "simulate"]
        assert [word for word in options if word not in shown.out] == [], command


def test_the_unit_gives_up_every_right_it_does_not_need() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(REPOSITORY / "config" / "systemd" / "cap-alert-gateway.service")
    service = unit["Service"]
    assert service["User"] not in ("", "root")
    assert service["Restart"] == "always"
    for right, given_up in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert service[right] == given_up
    assert float(service["TimeoutStopSec"]) > 20, "longer than dispatch.drain_s"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (REPOSITORY / "config" / "systemd" / "cap-alert-gateway.service").read_text()
    copy = tmp_path / "cap-alert-gateway.service"
    copy.write_text(re.sub(r"/opt/cap-alert-gateway/bin/gateway", "/bin/true", text))
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert [line for line in judged.stderr.splitlines() if copy.name in line] == []

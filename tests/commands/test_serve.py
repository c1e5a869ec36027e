"""gateway serve."""

import pytest

from gateway.settings import Settings
from tests.commands.conftest import Command


def test_the_settings_and_roles_reach_the_application(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Settings, frozenset[str]]] = []

    def fake(settings: Settings, roles: frozenset[str]) -> int:
        served.append((settings, roles))
        return 0

    monkeypatch.setattr("gateway.app.serve", fake)
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", "postgresql:///x")
    assert command("serve", "--roles", "api,feed").code == 0
    assert command("serve").code == 0
    assert [roles for _, roles in served] == [{"api", "feed"}, frozenset()]
    assert served[0][0].database.dsn.get_secret_value() == "postgresql:///x"


@pytest.mark.parametrize("roles", ["sender", "api,sender", ""])
def test_a_role_that_is_not_there_is_refused_by_name(roles: str, command: Command) -> None:
    ran = command("serve", "--roles", roles)
    assert (ran.code, "api, feed, callbacks, mailbox, dispatch" in ran.err) == (2, True)


def test_a_taken_port_is_a_sentence(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(settings: Settings, roles: frozenset[str]) -> int:
        raise OSError(98, "port 8080 on 127.0.0.1 is taken: choose another http.port")

    monkeypatch.setattr("gateway.app.serve", taken)
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", "postgresql:///x")
    ran = command("serve")
    assert (ran.code, ran.err) == (2, "gateway: port 8080 on 127.0.0.1 is taken: choose another http.port\n")

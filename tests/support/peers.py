"""Foreign programs that tests talk to: what each needs, whether it is here, and how its script is run."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "peers"
TIMEOUT_S = 60.0
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "asterisk": ("apt-get", "dpkg-deb", "curl", "sox"),
    "baresip": ("baresip",),
    "chromium": ("chromium",),
    "dovecot": ("dovecot",),
    "espeak": ("espeak-ng", "sox"),
    "faketime": ("faketime",),
    "gcc": ("gcc",),
    "kannel": ("bearerbox", "smsbox", "curl"),
    "node-smpp": ("node", "npm"),
    "oidc-provider": ("node", "npm"),
    "openssl": ("openssl",),
    "postfix": ("postfix",),
    "postgresql-15": ("/usr/lib/postgresql/15/bin/postgres",),
    "prometheus": ("prometheus", "promtool"),
    "promtool": ("promtool",),
    "sipp": ("sipp",),
    "smtp-sink": ("smtp-sink",),
    "sox": ("sox",),
    "tmpfs": ("mount", "umount"),
    "wrk": ("wrk",),
    "xmlsec1": ("xmlsec1",),
}
# sipp: the sound of a pressed key leaves through a raw socket
ROOT_ONLY = frozenset({"dovecot", "postfix", "sipp", "tmpfs"})
MAY_BE_MISSING = frozenset({"asterisk", "tmpfs"})  # packages of an older Debian; a right that containers rarely have
MAY_MOUNT = 1 << 21  # CAP_SYS_ADMIN


def missing(peer: str) -> str | None:
    """Why a peer can not be used here, or None."""
    absent = [program for program in PROGRAMS[peer] if shutil.which(program, path=SEARCH) is None]
    if absent:
        return f"{peer} needs {', '.join(absent)}, which this machine does not have"
    if peer in ROOT_ONLY and os.geteuid() != 0:
        return f"{peer} can be started by root only"
    if peer == "tmpfs" and not _capabilities() & MAY_MOUNT:
        return "tmpfs needs the right to mount, which this container does not have"
    return None


def _capabilities() -> int:
    """The rights of this process, as Linux says them."""
    words = Path("/proc/self/status").read_text(encoding="utf-8").split()
    return int(words[words.index("CapEff:") + 1], 16)


def may_skip(peer: str) -> bool:
    """Whether the tests of a missing peer may be left out even where skipping is forbidden."""
    return peer in MAY_BE_MISSING or (peer in ROOT_ONLY and os.geteuid() != 0)


def run(script: str, *arguments: str | int | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run tests/peers/`script` and return what it printed; a failure carries its output."""
    done = subprocess.run(
        ["bash", SCRIPTS / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PATH": SEARCH, **(environment or {})},
    )
    if done.returncode != 0:
        raise AssertionError(f"{script} {' '.join(map(str, arguments))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def running(
    script: str, folder: Path, *arguments: str | int | Path, environment: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """A peer that lives inside the with block: `script start FOLDER ARGUMENTS...` and `script stop FOLDER`."""
    try:
        run(script, "start", folder, *arguments, environment=environment)
        yield folder
    finally:
        run(script, "stop", folder)


def remove(folder: Path) -> None:
    """Delete a folder, also what other users wrote into it."""
    shutil.rmtree(folder, ignore_errors=os.geteuid() != 0)


def children(parent: int) -> list[str]:
    """The live child processes of a process, as 'pid command'; [] where the system has no /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = status.read_text().rpartition(")")
        except OSError:
            continue
        state, ppid = tail.split()[:2]
        if int(ppid) == parent and state not in "ZX" and not _of_python(status.parent):
            found.append(f"{status.parent.name} {head.partition('(')[2]}")
    return found


def _of_python(process: Path) -> bool:
    """Whether it is one of multiprocessing's own keepers, which live as long as their parent."""
    try:
        words = (process / "cmdline").read_bytes()
        return b"multiprocessing.resource_tracker" in words or b"multiprocessing.forkserver" in words
    except OSError:
        return True

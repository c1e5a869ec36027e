"""Which processes still run: one that has ended and was not collected by anybody does not."""

from collections.abc import Iterable
from pathlib import Path


def living(pids: Iterable[int]) -> set[int]:
    """Of these, the ones that run."""
    return {pid for pid in pids if _runs(pid)}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

"""Processes beside this one, for work that would hold up the loop or may break what does it.

Knows: how such a process starts (clean, and quickly) and ends with its parent. Never knows: what is done there.
"""

import gc
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

COLLECT_EVERY = 50_000
"""Objects made between two searches for garbage in a worker: about three documents' worth. Little of it is cyclic."""


def worker_pool(count: int, *, preload: Sequence[str] = ()) -> ProcessPoolExecutor:
    """As many processes, started when there is work; `preload`: modules, when the start must not take long."""
    # forked from a clean server process: no socket or lock of this one is inherited
    context = multiprocessing.get_context("forkserver")
    if preload:  # that server has read the modules already: a fresh worker is there in milliseconds
        context.set_forkserver_preload(list(preload))
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin)


def kill(pool: ProcessPoolExecutor) -> None:
    """End the processes at once, whatever they do."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Let the modules be no part of any search for garbage, and end this worker when its node was killed: it holds
    both ends of the pipe that it waits on, so nothing else would tell it."""
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)

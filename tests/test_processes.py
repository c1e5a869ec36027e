"""Workers do what they are asked, and none outlives its pool."""

import os

from gateway.processes import kill, worker_pool


def test_workers_are_other_processes_and_end_when_they_are_killed() -> None:
    pool = worker_pool(1)
    number = pool.submit(os.getpid).result(timeout=30)
    assert number != os.getpid()
    processes = list((pool._processes or {}).values())
    kill(pool)
    assert [process.is_alive() for process in processes] == [False]

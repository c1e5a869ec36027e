"""Strangers' documents are examined apart: a worker that dies or hangs costs one answer, and few may wait."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.cap.feed_check import Examination, examine
from gateway.flows.examining import MOST_WAITING, Examiner
from tests.cap.samples import BASIC

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def misbehaving(raw: bytes, **how: object) -> Examination:
    """Dies or hangs when the document says so."""
    if raw == b"die":
        os._exit(1)
    if raw == b"hang":
        time.sleep(60)
    return examine(raw)


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    found = Examiner(work=misbehaving, deadline_s=60.0)
    yield found
    found.close()


async def ask(examiner: Examiner, raw: bytes) -> Examination | None:
    return await examiner.examine(raw, lenient=False, profile=None, received_at=NOW)


async def test_a_document_comes_back_with_what_is_to_be_said_of_it() -> None:
    examiner = Examiner()
    found = await examiner.examine(BASIC.encode(), lenient=True, profile="google", received_at=NOW)
    examiner.close()
    assert found is not None and found.kind == "alert"
    assert any(finding.id.startswith("G") or finding.severity for finding in found.alerts[0].verdict.findings)


async def test_a_worker_that_dies_costs_one_answer(examiner: Examiner) -> None:
    for _ in range(2):
        dead = await ask(examiner, b"die")
        assert dead is not None and not dead.valid and "broke" in dead.findings[0].message
        good = await ask(examiner, BASIC.encode())
        assert good is not None and good.valid


async def test_a_worker_that_hangs_is_ended(examiner: Examiner) -> None:
    await ask(examiner, BASIC.encode())
    examiner._deadline_s = 0.1
    slow = await ask(examiner, b"hang")
    assert slow is not None and "longer than 0.1 s" in slow.findings[0].message
    examiner._deadline_s = 10
    good = await ask(examiner, BASIC.encode())
    assert good is not None and good.valid


async def test_few_may_wait_and_the_others_are_told_so(examiner: Examiner) -> None:
    found = await asyncio.gather(*(ask(examiner, BASIC.encode()) for _ in range(MOST_WAITING + 3)))
    assert sum(one is None for one in found) == 3
    assert all(one.valid for one in found if one is not None)

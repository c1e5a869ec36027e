"""The check in processes of its own: workers that die, hang or are killed harm no other document."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from gateway.cap.check import Verdict
from gateway.cap.parse import Limits
from gateway.cap.signing import sign
from gateway.cap.trust import Trust
from gateway.flows.checking import Checker
from tests.cap.signed import authority
from tests.flows.feed_server import atom, linked
from tests.support.scene import an_alert, document
from tests.support.waiting import until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GOOD = document(an_alert(at=NOW))


@pytest_asyncio.fixture
async def checker() -> AsyncIterator[Checker]:
    found = Checker(workers=2, limits=Limits(), deadline_s=60.0)
    await found.warm()
    yield found
    found.close()


def pids(checker: Checker) -> list[int]:
    return [pid for worker in checker._workers for pid in worker._process._processes or {}]


def signalled(checker: Checker, number: signal.Signals) -> None:
    for pid in pids(checker):
        with suppress(ProcessLookupError):  # it may be dead already
            os.kill(pid, number)


def refused(verdict: Verdict, words: str) -> bool:
    (finding,) = verdict.findings
    return verdict.alert is None and finding.severity == "error" and words in finding.message


async def test_a_good_document_comes_back_as_an_alert(checker: Checker) -> None:
    verdict = await checker.check(GOOD, NOW)
    assert verdict.valid
    assert verdict.alert is not None
    assert verdict.alert.identifier == "A-1"


async def test_a_bad_document_comes_back_with_its_findings(checker: Checker) -> None:
    verdict = await checker.check(b"<alert><b></alert>", NOW)
    assert not verdict.valid
    assert [finding.id for finding in verdict.findings] == ["XML"]


async def test_the_moment_of_receipt_is_known_to_the_rules(checker: Checker) -> None:
    late = await checker.check(GOOD, datetime(2026, 12, 21, tzinfo=UTC))
    assert "S3" in {finding.id for finding in late.findings}
    assert "S3" not in {finding.id for finding in (await checker.check(GOOD, NOW)).findings}


async def test_the_limits_are_those_that_were_given() -> None:
    small = Checker(workers=1, limits=Limits(max_bytes=100))
    try:
        verdict = await small.check(GOOD, NOW)
    finally:
        small.close()
    assert [finding.id for finding in verdict.findings] == ["SIZE"]


async def test_workers_that_were_killed_in_their_sleep_are_replaced(checker: Checker) -> None:
    before = pids(checker)
    signalled(checker, signal.SIGKILL)
    assert all(verdict.valid for verdict in await asyncio.gather(*(checker.check(GOOD, NOW) for _ in range(4))))
    assert not set(pids(checker)) & set(before)


async def test_a_document_that_hangs_is_refused_after_the_deadline_and_its_worker_replaced() -> None:
    checker = Checker(workers=1, limits=Limits(), deadline_s=0.3)
    try:
        await checker.warm()
        signalled(checker, signal.SIGSTOP)
        assert refused(await checker.check(GOOD, NOW), "took longer than 0.3 s")
        checker._deadline_s = 60.0  # starting a new one may take longer than the short deadline
        assert (await checker.check(GOOD, NOW)).valid
    finally:
        checker.close()


async def test_others_do_not_suffer_from_a_document_that_hangs(checker: Checker) -> None:
    first = pids(checker)[0]
    os.kill(first, signal.SIGSTOP)
    judging = [asyncio.create_task(checker.check(GOOD, NOW)) for _ in range(20)]
    await until(lambda: sum(task.done() for task in judging) == 19)
    os.kill(first, signal.SIGKILL)
    assert all(verdict.valid for verdict in await asyncio.gather(*judging))  # the last one, by a new worker


async def test_a_document_that_breaks_its_worker_twice_is_refused() -> None:
    checker = Checker(workers=1, limits=Limits(), deadline_s=60.0)
    try:
        for _ in range(2):
            await checker.warm()
        judging = asyncio.create_task(checker.check(GOOD, NOW))
        deaths = asyncio.create_task(_kill_whoever_appears(checker))
        verdict = await judging
        deaths.cancel()
        assert refused(verdict, "broke the parser")
        assert (await checker.check(GOOD, NOW)).valid
    finally:
        checker.close()


async def _kill_whoever_appears(checker: Checker) -> None:
    while True:
        signalled(checker, signal.SIGKILL)
        await asyncio.sleep(0.001)


async def test_a_sender_who_goes_away_leaves_no_busy_worker_behind(checker: Checker) -> None:
    signalled(checker, signal.SIGSTOP)
    judging = asyncio.create_task(checker.check(GOOD, NOW))
    await asyncio.sleep(0.05)
    judging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await judging
    assert (await checker.check(GOOD, NOW)).valid


async def test_a_lenient_checker_mends_what_a_strict_one_refuses(checker: Checker) -> None:
    slip = GOOD.replace(b"urn:oasis:names:tc:emergency:cap:1.2", b"urn:oasis:names:tc:emergency:cap:1.2:")
    assert slip != GOOD
    lenient = Checker(workers=1, limits=Limits(), lenient=True)
    try:
        assert not (await checker.check(slip, NOW)).valid
        mended = await lenient.check(slip, NOW)
    finally:
        lenient.close()
    assert mended.valid and "warning" in {finding.severity for finding in mended.findings}


async def test_signatures_are_verified_in_the_same_workers(checker: Checker) -> None:
    signer = authority()
    signed = sign(GOOD, signer.key_pem, signer.pem).document
    assert signed is not None
    trust = Trust.from_pem(signer.pem)
    verdict = await checker.verify(signed, trust, NOW)
    assert (verdict.trusted, verdict.fingerprints) == (True, (signer.fingerprint,))
    assert not (await checker.verify(signed.replace(b"A-1", b"A-2"), trust, NOW)).trusted
    signalled(checker, signal.SIGSTOP)
    checker._deadline_s = 0.2
    broken = await checker.verify(signed, trust, NOW)
    assert (broken.readable, broken.trusted) == (False, False)
    assert "took longer" in broken.refusals[0].message


async def test_feeds_are_read_in_the_same_workers(checker: Checker) -> None:
    feed = await checker.read_feed(atom(linked(1)).encode(), "https://up.example/feed")
    assert [entry.link for entry in feed.entries] == ["https://up.example/alerts/1.xml"]
    signalled(checker, signal.SIGSTOP)
    checker._deadline_s = 0.2
    broken = await checker.read_feed(b"<feed/>", "https://up.example/feed")
    assert broken.kind is None
    assert "took longer" in broken.problems[0]


async def test_closing_ends_every_process() -> None:
    checker = Checker(workers=2, limits=Limits())
    await checker.warm()
    before = pids(checker)
    assert len(before) == 2
    checker.close()
    await until(lambda: not any(_alive(pid) for pid in before))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

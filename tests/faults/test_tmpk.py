import asyncio, random, time
from collections import Counter
from tests.faults.test_kill import *
from tests.faults.test_kill import _arrived
from tests.support.line import *
async def test_k(pg, tmp_path, port):
    ordeal=Ordeal(kills=60, sending_s=60.0, seed=200)
    async with town(pg) as line:
        process = Process(line, tmp_path, port, **ordeal.rates())
        try:
            await process.start(); await process.ready()
            name = await line.post(cap("killed"))
            try:
                diary = await kill_again_and_again(ordeal, line, process, name)
            except AssertionError as e:
                print("FAILED", e, _arrived(line))
            st = await line.states(name)
            print(Counter(st.values()), _arrived(line))
            print(await line.campaign(name))
            for r in await line.fetch("select channel, state, count(*), min(lo), max(lo), sum(coalesce(array_length(seqs,1),0)) from chunk group by 1,2 order by 1,2"): print(dict(r))
            for r in await line.fetch("select channel, count(*), min(not_before-now()), max(not_before-now()) from retry group by 1"): print(dict(r))
            print([dict(r) for r in await line.fetch("select state, attempt, flags, count(*) from delivery group by 1,2,3 order by 1,2,3")])
        finally:
            await process.end()
            print([l for l in process.log().splitlines() if "resource_tracker" not in l and "warnings.warn" not in l][-20:])

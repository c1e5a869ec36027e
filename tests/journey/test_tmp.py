import time, asyncio, os, subprocess
from tests.support.line import *
async def test_x(pg, tmp_path, port):
    async with scene(pg, people(20, by=("mobile","email"))) as line:
        p = Process(line, tmp_path, port, log={"level":"DEBUG"})
        await p.start()
        await asyncio.sleep(6)
        print(p.log()[-3000:])
        print(subprocess.run(["py-spy","dump","--pid",str(p._process.pid)],capture_output=True,text=True).stdout if 0 else "")
        print(open(f"/proc/{p._process.pid}/wchan").read(), open(f"/proc/{p._process.pid}/status").read()[:200])
        print((tmp_path/"gateway.toml").read_text())
        await p.kill()

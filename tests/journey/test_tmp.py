import time, asyncio
from tests.support.line import *
async def test_x(pg, tmp_path, port):
    t=time.monotonic()
    async with scene(pg, people(2000, by=("mobile","email"))) as line:
        print("scene", time.monotonic()-t)
        p = Process(line, tmp_path, port, sms={"rate_per_s":400}, email={"rate_per_s": 400}, log={"level":"INFO"})
        try:
          for i in range(3):
            t=time.monotonic()
            await p.start(); await p.ready()
            print("ready", time.monotonic()-t)
            await until(lambda: line.simulators.smsc["live"].bound)
            print("bound", time.monotonic()-t)
            await p.kill()
          await p.start(); await p.ready()
          t=time.monotonic()
          c=await line.post(cap("x1"))
          print("posted", time.monotonic()-t)
          print(await line.closed(c)); print(time.monotonic()-t)
        finally:
          print("exit", await p.end())
          print(p.log()[-3000:])

"""The wheel of what is on its way: everything is due once, in its time, unless it was taken away."""

import asyncio

from gateway.simulators.smsc_wheel import Submit, Wheel


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_submit(number: int) -> Submit:
    return Submit(b"gw", b"32470", b"Alert", number, "delivered", 0, "live")


async def test_each_is_due_in_its_time_and_what_is_removed_is_not() -> None:
    clock, due = Clock(), list[int]()
    wheel = Wheel(lambda submits: due.extend(submit.number for submit in submits), clock=clock)
    for number, after_s in ((1, 5.0), (2, 1.0), (3, 2.0)):
        wheel.add(a_submit(number), after_s)
    assert (len(wheel), wheel.find(lambda one: one.number == 3)) == (3, a_submit(3))
    wheel.remove(a_submit(3))
    wheel.remove(a_submit(9))
    assert wheel.find(lambda one: one.number == 3) is None
    clock.now = 103.0
    async with asyncio.timeout(60):
        while not due:
            await asyncio.sleep(0.005)
    assert (due, len(wheel)) == ([2], 1)
    wheel.clear()
    clock.now = 200.0
    await asyncio.sleep(0.03)
    assert (due, len(wheel)) == ([2], 0)

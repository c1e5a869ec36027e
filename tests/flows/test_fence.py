"""The fence: until when a process may write, whatever happened to it in between."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.fence import Fence
from tests.support.sending import LEASE_S, Ticks


@given(st.floats(1, 1e6), st.floats(2, 300), st.floats(0, 1000))
def test_a_fence_falls_a_second_before_the_lease_ends(began: float, lease_s: float, later_s: float) -> None:
    """Whatever happened in between: only the time counts that was asked before the heartbeat was granted."""
    ticks = Ticks()
    ticks.now = began
    fence = Fence(ticks, lease_s)
    assert not fence.holds()
    asked_at = fence.starts()
    ticks.now = began + later_s
    fence.renewed(asked_at)
    assert fence.holds() is (began + later_s < began + lease_s - 1.0) is (fence.left_s() > 0)


def test_an_older_grant_does_not_shorten_the_fence() -> None:
    ticks = Ticks()
    fence = Fence(ticks, LEASE_S)
    early = fence.starts()
    ticks.now += 2
    fence.renewed(fence.starts())
    fence.renewed(early)
    ticks.now += LEASE_S - 1.5
    assert fence.holds()

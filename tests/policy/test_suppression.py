"""What follows from a notification."""

import pytest

from gateway.policy.suppression import Effect, effect


@pytest.mark.parametrize(
    ("said", "status", "found"),
    [
        ("bounced", "5.1.1", Effect.SUPPRESS),
        ("bounced", "5.2.1", Effect.SUPPRESS),
        ("bounced", "5.2.2", Effect.COUNT),  # a full mailbox
        ("bounced", "5.7.1", Effect.COUNT),  # refused by policy: about us, not about the address
        ("bounced", "", Effect.COUNT),
        ("complained", "", Effect.SUPPRESS),
        ("arrived", "2.0.0", Effect.CLEAR),
        ("unsubscribed", "", Effect.OPT_OUT),
        ("delayed", "4.4.1", Effect.NONE),
    ],
)
def test_what_came_back_decides(said: str, status: str, found: Effect) -> None:
    assert effect(said, status) is found

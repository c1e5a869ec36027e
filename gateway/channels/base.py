"""The one contract between dispatch and the channels, and the rule that no mode ever slips past a transport.

Knows: deliveries, outcomes, receipts. Never knows: SQL, retry policy, any other channel.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.model import Belated, ChannelName, Delivery, Mode, Outcome, Receipt, Transport

Said = Outcome | Belated | Receipt
Emit = Callable[[Sequence[Said]], Awaitable[None]]
"""Hands on a batch (one per loop turn). The awaitable ends when the batch is durable; only then may a peer be
acknowledged (deliver_sm_resp, callback 2xx). Whoever emits more than it may keep unrecorded has to wait for it."""


class Work(Protocol):
    """Deliveries that may leave now: marked in the store and inside the channel's rate."""

    def take(self, limit: int) -> list[Delivery]:
        """At most `limit` deliveries, [] when none may leave at this moment. Never blocks."""
        ...

    async def ready(self) -> None:
        """Return when `take` may give something. Cheap to call again and again."""
        ...


class Channel(Protocol):
    """A way to people. It pulls from `work` when it has a free slot, so back-pressure needs no code."""

    name: ChannelName
    transport: Transport

    def able(self) -> bool:
        """Whether anything could leave now: while no bind or relay is up nothing is marked for it."""
        ...

    async def run(self, work: Work, emit: Emit) -> None:
        """Send until cancelled. On cancellation: finish or give up what is in flight within the drain time, emit
        UNSENT for what was taken and not written, UNKNOWN for what was written and not answered."""
        ...

    async def withdraw(self, campaign: int) -> None:
        """Drop what was taken and not yet written (emit UNSENT), ask the peer to cancel the rest where it can."""
        ...


def may_leave(delivery: Delivery, transport: Transport) -> bool:
    """True when this delivery's fixed mode allows this transport; channels ask before every first byte.

    live -> live only; test -> simulated only; exercise -> simulated, or live for members of marked groups.
    """
    if delivery.lease.transport is not transport:
        return False
    match delivery.text.mode:
        case Mode.LIVE:
            return transport is Transport.LIVE
        case Mode.TEST:
            return transport is Transport.SIMULATED
        case Mode.EXERCISE:
            return transport is Transport.SIMULATED or delivery.lease.exercise_group

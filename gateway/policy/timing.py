"""When a campaign's messages may leave beside its class: quiet hours, and the call after an SMS that did not arrive.

Knows: what an entity chose, the class of the message, the mandates. Never knows: clocks (`now` is an argument), SQL.
The store's function is_quiet says the same as `is_quiet` here, and a test compares both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.cap.findings import Finding
from gateway.model import ChannelName, MessageClass
from gateway.policy.audience import PROFILE
from gateway.policy.rights import Authority

WAKES = (ChannelName.SMS, ChannelName.VOICE)
"""Channels that wake people: quiet hours hold them back. A mail waits for its reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """`escalate_after_s`: seconds after which somebody without a delivered SMS is called (None: never); `quiet`: from
    and to in local time (None: at any hour)."""

    escalate_after_s: float | None = None
    quiet: tuple[time, time] | None = None
    findings: tuple[Finding, ...] = ()


ANY_TIME = Timing()


def timing(
    authority: Authority, message_class: MessageClass, channels: Sequence[ChannelName], zone: str, now: datetime
) -> Timing:
    """What the entity's policy says for this class; urgent messages know no quiet hours."""
    findings: list[Finding] = []
    after_s = dict(authority.policy.escalation).get(message_class)
    if ChannelName.SMS not in channels:
        after_s = None
    if after_s is not None and (message_class, ChannelName.VOICE) not in authority.mandates:
        findings.append(_note("G20", "nobody is called after an SMS that did not arrive: no mandate for calls"))
        after_s = None
    quiet = None if message_class is MessageClass.URGENT else authority.policy.quiet
    if quiet and any(channel in WAKES for channel in channels) and is_quiet(quiet, zone, now):
        words = f"quiet hours: SMS and calls wait until {quiet[1]:%H:%M}, and do not leave if the alert ends before"
        findings.append(_note("G21", words))
    return Timing(escalate_after_s=after_s, quiet=quiet, findings=tuple(findings))


def is_quiet(quiet: tuple[time, time], zone: str, now: datetime) -> bool:
    """Whether SMS and calls of a class with quiet hours wait at this moment. The hours may go over midnight."""
    begins, ends = quiet
    at = now.astimezone(ZoneInfo(zone)).time()
    return begins <= at < ends if begins <= ends else at >= begins or at < ends


def opens(quiet: tuple[time, time] | None, zone: str, now: datetime) -> datetime:
    """When the first SMS or call may leave: now, or at the end of the quiet hours that it is."""
    if quiet is None or not is_quiet(quiet, zone, now):
        return now
    local = now.astimezone(ZoneInfo(zone))
    end = local.replace(hour=quiet[1].hour, minute=quiet[1].minute, second=0, microsecond=0)
    return (end if end > local else end + timedelta(days=1)).astimezone(now.tzinfo)


def _note(rule: str, message: str) -> Finding:
    return Finding(rule, "policy", None, "alert", message, PROFILE)

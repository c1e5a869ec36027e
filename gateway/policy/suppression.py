"""When an e-mail address is no longer written to, and for what: decided by what came back for mails sent to it.

Knows: enhanced status codes, how often is too often. Never knows: SQL, mails, whose address it is.
Standard: RFC 3463 §3 (codes).

An urgent alert is written to every address, whatever came back before: what is suppressed is everything else.
"""

from enum import Enum

DEAD = frozenset({
    "5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1",
})  # fmt: skip
"""The mailbox or its domain does not exist, has moved or is closed.  # RFC 3463 §3.2"""

BOUNCES = 3
"""So many other bounces, each within `FORGET_DAYS` of the one before, end it as well."""

FORGET_DAYS = 30


class Effect(Enum):
    """What follows for the address."""

    SUPPRESS = "suppress"  # at once
    COUNT = "count"  # one more of BOUNCES
    CLEAR = "clear"  # it works: bounces are forgotten
    OPT_OUT = "opt out"  # the person wants no more of this class
    NONE = "none"


def effect(said: str, status: str) -> Effect:
    """What a notification means for the address that it is about."""
    match said:
        case "bounced":
            return Effect.SUPPRESS if status in DEAD else Effect.COUNT
        case "complained":
            return Effect.SUPPRESS
        case "arrived":
            return Effect.CLEAR
        case "unsubscribed":
            return Effect.OPT_OUT
    return Effect.NONE

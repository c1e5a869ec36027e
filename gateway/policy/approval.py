"""Who must agree before a campaign goes, who may give which agreement, and the seal over what was agreed to.

Knows: the two-person rule, the agreement of partnerships. Never knows: SQL, clocks, how many messages there are (it is
told). The author of an alert never is its second person; a coordinator who sends has agreed by sending.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.model import MessageClass, Role
from gateway.policy.rights import Authority, Refusal

SECOND = "second"
GLASS = "glass"
COORDINATING = ("coordinator", "co-coordinator")
AGREEMENTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "coordinator": ("coordinator",),
    "police": ("police",),
    "both": ("coordinator", "police"),
}
"""What a partnership asks for -> whose agreement that is."""
LEAST_REASON = 10


def asks_for_size(authority: Authority, message_class: MessageClass) -> bool:
    """Whether the number of messages decides on a second person."""
    return message_class in dict(authority.policy.approval_above)


def is_large(authority: Authority, message_class: MessageClass, messages: int) -> bool:
    """Whether so many messages ask for a second person."""
    above = dict(authority.policy.approval_above).get(message_class)
    return above is not None and messages > above


def needed(
    authority: Authority,
    message_class: MessageClass,
    partnerships: Iterable[tuple[int, str]],
    messages: int,
    *,
    hold: bool = False,
) -> tuple[str, ...]:
    """The agreements that a campaign needs; `partnerships` are (number, what it asks for) of the groups it names;
    `hold`: a second person in any case."""
    large = is_large(authority, message_class, messages)
    needs = [SECOND] if hold or large or message_class in authority.policy.approval else []
    for number, agreement in sorted(set(partnerships)):
        needs += [f"{who}:{number}" for who in AGREEMENTS[agreement] if not _is(authority, who, number)]
    return tuple(needs)


def gives(
    authority: Authority, needs: Sequence[str], author: str, *, one_hand: bool = False
) -> tuple[str, ...] | Refusal:
    """The agreements among `needs` that this authority may give to an alert of `author`; `one_hand`: one person stands
    behind both, as who made the token of a machine does."""
    own = one_hand or authority.holder == author
    given = tuple(need for need in needs if _may_give(authority, need, own=own))
    if given:
        return given
    if own:
        return Refusal(reason="own-alert", message="Who posted an alert can not approve it: a second person must.")
    return Refusal(
        reason="not-approver", message=f"This campaign waits for {', '.join(needs)}; that is not yours to give."
    )


def may_break_glass(authority: Authority, reason: str) -> Refusal | None:
    """Named persons may do without agreement, and say why."""
    if authority.person_id is None or Role.BREAK_GLASS not in authority.roles:
        return Refusal(reason="no-glass", message="Only a person with the role break-glass may do without agreement.")
    if len(reason.strip()) < LEAST_REASON:
        return Refusal(
            reason="no-reason", message="Say in a sentence why this can not wait: it goes to all approvers.", status=422
        )
    return None


def seal(plan: Mapping[str, Any], texts: Iterable[Sequence[Any]], messages: int) -> bytes:
    """SHA-256 over areas, groups, the number of messages, texts and channels: what an approver agrees to."""
    agreed = {
        "areas": [variant["shapes"] for variant in plan["variants"]],
        "territory": plan["territory"],
        "groups": plan["groups"],
        "channels": plan["channels"],
        "texts": sorted([list(text) for text in texts]),
        "messages": messages,
    }
    return hashlib.sha256(json.dumps(agreed, sort_keys=True, separators=(",", ":")).encode()).digest()


def _may_give(authority: Authority, need: str, *, own: bool) -> bool:
    if need == SECOND:
        return not own and (authority.person_id is None or Role.APPROVER in authority.roles)
    who, _, number = need.partition(":")
    return _is(authority, who, int(number))


def _is(authority: Authority, who: str, partnership: int) -> bool:
    names = COORDINATING if who == "coordinator" else (who,)
    return any((partnership, name) in authority.partner_roles for name in names)

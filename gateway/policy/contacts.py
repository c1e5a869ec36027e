"""Whose contacts somebody may see and keep, and how well a contact can be reached.

Knows: roles, partnerships. Never knows: SQL, contacts themselves. Viewing, keeping and exporting are rights of their
own: an administrator gives them, and has none of them by being one.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.model import Role
from gateway.policy.approval import COORDINATING
from gateway.policy.importing import OPT_OUT_BITS
from gateway.policy.rights import Authority, Refusal

STALE_DAYS = 365
WEIGHTS = {"mobile": 60, "landline": 20, "email": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Contacts of the whole entity (`partnerships` None), or of these partnerships only."""

    partnerships: tuple[int, ...] | None


def may_see(authority: Authority) -> Reach | Refusal:
    """Viewers and editors see the entity's contacts; coordinators those of their own partnerships and no others."""
    return _reach(authority, {Role.VIEWER, Role.EDITOR})


def may_keep(authority: Authority) -> Reach | Refusal:
    """Editors keep the entity's contacts; coordinators those of their own partnerships and no others."""
    return _reach(authority, {Role.EDITOR})


def _reach(authority: Authority, roles: set[Role]) -> Reach | Refusal:
    if authority.suspended:
        return Refusal(reason="suspended", message="You are suspended, or your entity is: no contact is shown.")
    if authority.roles & roles:
        return Reach(partnerships=None)
    own = sorted({number for number, role in authority.partner_roles if role in COORDINATING})
    if own:
        return Reach(partnerships=tuple(own))
    names = ", ".join(sorted(roles))
    return Refusal(
        reason="no-role", message=f"Contacts are for persons with the role {names}, and for coordinators their own."
    )


def classes_of(bits: int) -> list[str]:
    """The classes that a contact refuses."""
    return [name for name, bit in OPT_OUT_BITS.items() if bits & bit]


def reachability(
    mobile: str | None, landline: str | None, email: str | None, verified_at: datetime | None, now: datetime
) -> int:
    """0 to 100: how likely a message arrives. Endpoints by weight; half of it when nobody checked them for a year."""
    given = {"mobile": mobile, "landline": landline, "email": email}
    score = sum(weight for name, weight in WEIGHTS.items() if given[name])
    fresh = verified_at is not None and (now - verified_at).days < STALE_DAYS
    return score if fresh else score // 2

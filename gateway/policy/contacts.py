"""Whose contacts somebody may see and keep, and how well a contact can be reached.

Knows: roles, partnerships. Never knows: SQL, contacts themselves. Viewing, keeping and exporting are rights of their
own: an administrator gives them, and has none of them by being one.
"""

from dataclasses import dataclass
from datetime import datetime

import phonenumbers

from gateway.model import ChannelName, Role
from gateway.policy.approval import COORDINATING
from gateway.policy.importing import OPT_OUT_BITS
from gateway.policy.rights import Authority, Refusal

STALE_DAYS = 365
MOST_SEEN_AN_HOUR = 20_000
LEAST_DIGITS = 3
WEIGHTS = {"mobile": 60, "landline": 20, "email": 20}

_OF_NUMBERS = dict.fromkeys(map(ord, "0123456789+ ()./-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Contacts of the whole entity (`partnerships` None), or of these partnerships only."""

    partnerships: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    """Whom a group holds that nobody fills by hand; what is empty asks for nothing.

    All of `tags`, one of everything else; `rings` are outlines of (lon, lat), one of which an address lies in.
    """

    languages: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()
    municipalities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    channels: tuple[ChannelName, ...] = ()
    rings: tuple[tuple[tuple[float, float], ...], ...] = ()

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        asked = (self.languages, self.postcodes, self.municipalities, self.tags, self.channels, self.rings)
        return any(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody looks for: words of names in `text`, or `exact` beginnings of a number or an address."""

    text: str = ""
    exact: tuple[str, ...] = ()


def wanted(text: str, region: str) -> Wanted:
    """A number in any usual spelling, the beginning of an address, @domain, #tag, or words of a name."""
    asked = text.strip().lower()
    digits = "".join(character for character in asked if character.isdigit() and character.isascii())
    if len(digits) >= LEAST_DIGITS and not asked.translate(_OF_NUMBERS).strip():
        if asked.startswith("+"):
            return Wanted(exact=(f"+{digits}",))
        if digits.startswith("00"):
            return Wanted(exact=(f"+{digits[2:]}",))
        country = phonenumbers.country_code_for_region(region)
        return Wanted(exact=(f"+{country}{digits.removeprefix('0')}",))
    return Wanted(exact=(asked[:64],)) if "@" in asked or asked.startswith("#") else Wanted(text=asked[:200])


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

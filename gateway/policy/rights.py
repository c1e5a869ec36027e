"""Who may send this alert, in which mode: an answer with its reason.

Knows: the authority behind a token, what it signed for, what the alert asks for. Never knows: SQL, HTTP (the flow turns
a Refusal into a status), clocks.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import time
from ipaddress import IPv4Network, IPv6Network

from gateway.cap.findings import Finding
from gateway.cap.model import MsgType, Status
from gateway.cap.trust import Trust
from gateway.model import ChannelName, EntityKind, MessageClass, Mode, Purpose, Realm, Role, SecondWay, SignatureRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """By what an entity's own alerts are known: signatures of certificates in `trust` (`allow_sha1` is the named
    exception), and the CAP senders it registered, the first one first; none: it may use any."""

    signatures: SignatureRule = SignatureRule.VERIFY
    trust: Trust = field(default_factory=Trust)
    allow_sha1: bool = False
    senders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The entity behind a proven sender, with what it may do now.

    `mandates` are (class, channel) pairs for all of the entity, `within` those for the groups of one partnership;
    `purposes` what may be declared for citizens, None = everything. `person_id` is None for a machine, `token_id` for a
    person who signed in; `partner_roles`
    are (partnership, role). `languages` is the entity's order; `rings` its territory as (lon, lat) rings, empty = no
    territory was given: nothing can be targeted by place; `cap_answers`: it is answered in CAP when it does not ask for
    anything else.
    """

    entity_id: int
    slug: str
    name: str
    kind: EntityKind
    live: bool
    suspended: bool
    realm: Realm
    token_id: int | None
    languages: tuple[str, ...]
    rings: tuple[tuple[tuple[float, float], ...], ...]
    mandates: frozenset[tuple[MessageClass, ChannelName]]
    policy: "EntityPolicy"
    identity: Identity = field(default_factory=Identity)
    cap_answers: bool = False
    person_id: int | None = None
    trained: bool = True
    roles: frozenset[Role] = frozenset()
    partner_roles: frozenset[tuple[int, str]] = frozenset()
    within: frozenset[tuple[int, MessageClass, ChannelName]] = frozenset()
    purposes: frozenset[tuple[MessageClass, ChannelName, Purpose]] | None = None

    @property
    def holder(self) -> str:
        """Who acts, as it is written down: a person, whatever token was used, or a machine's token."""
        return f"token:{self.token_id}" if self.person_id is None else f"person:{self.person_id}"

    @property
    def source(self) -> str:
        """By which way an alert of theirs came: the token that was used, or the person who signed in."""
        return self.holder if self.token_id is None else f"token:{self.token_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPolicy:
    """What an entity chose for itself, or the platform for it where that is stricter. `approval`: classes that need a
    second person, `approval_above`: with more than so many messages; `declaration`: classes whose use has to be
    declared in so many words; `training`: who sends has to be trained; `clip`: a target partly outside the territory is
    cut (True) or refused (False); `escalation`: seconds after which those of a class without a delivered SMS are
    called; `quiet`: local hours in which nobody is woken by what is not urgent; `second_way`: how persons sign in,
    None: a token of their own is enough, too; `networks`: from where it is acted for over HTTP, None: from anywhere."""

    channels: tuple[tuple[MessageClass, tuple[ChannelName, ...]], ...] = (
        (MessageClass.URGENT, (ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL)),
        (MessageClass.PREVENTION, (ChannelName.SMS, ChannelName.EMAIL)),
        (MessageClass.NEWS, (ChannelName.EMAIL,)),
        (MessageClass.OTHER, (ChannelName.EMAIL,)),
    )
    approval: frozenset[MessageClass] = frozenset()
    declaration: frozenset[MessageClass] = frozenset()
    approval_above: tuple[tuple[MessageClass, int], ...] = ()
    training: bool = False
    clip: bool = True
    escalation: tuple[tuple[MessageClass, float], ...] = ()
    quiet: tuple[time, time] | None = None
    second_way: SecondWay | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] | None = None

    def channels_for(self, message_class: MessageClass) -> tuple[ChannelName, ...]:
        """The channels this entity uses for a class when the alert names none."""
        return dict(self.channels).get(message_class, (ChannelName.EMAIL,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No, and why: a word for machines, a sentence for people, the HTTP status it becomes,
    and what else was found in the document."""

    reason: str
    message: str
    status: int = 403
    findings: tuple[Finding, ...] = ()


SILENT = frozenset({Status.TEST, Status.SYSTEM, Status.DRAFT})
WATCHING = frozenset({Role.OBSERVER, Role.VIEWER, Role.EXPORTER})
TECHNICAL = frozenset({MsgType.ACK, MsgType.ERROR})


def mode_of(realm: Realm, status: Status) -> Mode:
    """The table of design: a test token makes a test, whatever the status; only live + Actual is live."""
    if realm is Realm.TEST or status in SILENT:
        return Mode.TEST
    return Mode.EXERCISE if status is Status.EXERCISE else Mode.LIVE


def may_act(authority: Authority) -> Refusal | None:
    """An authority that is suspended, or not live yet, sends nothing live."""
    if authority.suspended:
        return Refusal(reason="suspended", message=f"{authority.name} is suspended: nothing can be sent in its name.")
    if authority.realm is Realm.LIVE and not authority.live:
        return Refusal(
            reason="not-live",
            message=f"{authority.name} is not live yet (convention, contacts and accounts first): use a test token.",
        )
    return None


def may_hold_back(authority: Authority) -> Refusal | None:
    """Everybody of the entity may pause and stop what it sends, but who only watches (the CIC over its communes)."""
    acts = authority.roles - WATCHING or authority.mandates or authority.within or authority.partner_roles
    if authority.person_id is None or Role.OBSERVER not in authority.roles or acts:
        return None
    return Refusal(reason="observer", message="You watch this entity's campaigns: others pause and stop them.")


def may_send(
    authority: Authority,
    message_class: MessageClass,
    channels: Sequence[ChannelName],
    *,
    by_place: bool,
    purpose: Purpose | None = None,
    partnerships: Collection[int | None] = (),
) -> Refusal | None:
    """The right to this class on these channels, and for citizens by place with this purpose. `partnerships` are those
    of the groups that are named, None for a group of no partnership."""
    if by_place and authority.kind is EntityKind.TYPE2:
        return Refusal(
            reason="groups-only",
            message=f"{authority.name} is of type 2: it reaches its groups, never citizens by place. "
            "Name groups in addresses and leave scope Restricted or Private, or drop the areas.",
        )
    if by_place and not authority.rings:
        return Refusal(
            reason="no-territory",
            message=f"{authority.name} has no territory on record: no place lies inside it. An administrator adds it "
            "with `gateway import territory`.",
        )
    if not channels:
        return Refusal(
            reason="no-channel",
            message=f"Neither the alert nor the policy of {authority.name} names a channel for {message_class.value} "
            "messages.",
            status=422,
        )
    if authority.policy.training and not authority.trained:
        return Refusal(
            reason="not-trained",
            message="The entity asks for training before anybody sends, and yours is missing or has run out.",
        )
    missing = [c for c in channels if not _mandated(authority, message_class, c, by_place, partnerships)]
    if missing:
        return Refusal(
            reason="no-mandate",
            message=f"There is no mandate for {message_class.value} messages by {', '.join(missing)} to these people.",
        )
    if by_place and purpose is not None and authority.purposes is not None:
        wrong = [c for c in channels if (message_class, c, purpose) not in authority.purposes]
        if wrong:
            return Refusal(
                reason="no-purpose",
                message=f"The mandate for {message_class.value} messages to citizens does not cover the purpose "
                f"{purpose.value}.",
            )
    return None


def _mandated(
    authority: Authority,
    message_class: MessageClass,
    channel: ChannelName,
    by_place: bool,
    partnerships: Collection[int | None],
) -> bool:
    """A mandate for the whole entity, or one for every partnership whose groups alone are meant."""
    if (message_class, channel) in authority.mandates:
        return True
    return (
        not by_place
        and bool(partnerships)
        and all(place is not None and (place, message_class, channel) in authority.within for place in partnerships)
    )

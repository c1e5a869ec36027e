"""The words of the gateway: frozen records and enumerations that its parts hand to each other.

Knows: what an alert's dispatch is made of and how each thing may be named.
Never knows: SQL, sockets, clocks, HTTP. One word per concept, see docs/glossary.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple


class EntityKind(StrEnum):
    """What an authority signed for; a type-2 entity reaches groups only."""

    NATIONAL = "national"
    TYPE1 = "type1"
    TYPE2 = "type2"


class Realm(StrEnum):
    """Which of the two worlds a token opens; identities of alerts are unique inside one."""

    LIVE = "live"
    TEST = "test"


class Mode(StrEnum):
    """What a campaign is, fixed when its alert is accepted and checked again at the transport."""

    LIVE = "live"
    EXERCISE = "exercise"
    TEST = "test"


class Transport(StrEnum):
    """Where bytes go: to the real providers, or to the simulators."""

    LIVE = "live"
    SIMULATED = "simulated"


class MessageClass(StrEnum):
    """Why a message is sent; urgent overtakes the others and can not be opted out of."""

    URGENT = "urgent"
    PREVENTION = "prevention"
    NEWS = "news"
    OTHER = "other"


class SecondWay(StrEnum):
    """How persons have to have signed in, the loosest first: a provider's word is enough; a code of the gateway's own
    after it; a passkey. A passkey is enough for all of them."""

    PROVIDER = "provider"
    CODES = "codes"
    PASSKEY = "passkey"


class SignatureRule(StrEnum):
    """What an entity's signatures are for: without a trusted one nothing is taken; they are verified and the verdict is
    said; or they are not looked at."""

    REQUIRE = "require"
    VERIFY = "verify"
    IGNORE = "ignore"


class SignatureVerdict(StrEnum):
    """What was found at receipt: nothing signed, not looked at, signed by a trusted key, or signed and not trusted."""

    NONE = "none"
    IGNORED = "ignored"
    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class Purpose(StrEnum):
    """What an entity declares when it reaches citizens by place."""

    EMERGENCY = "emergency"
    RISK = "risk"
    PUBLIC_INTEREST = "public-interest"


class ChannelName(StrEnum):
    """The three ways to a person."""

    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"


class Role(StrEnum):
    """What a person is to an entity, beside the mandates to send."""

    ADMIN = "admin"  # persons, mandates, groups, settings
    APPROVER = "approver"  # the second person
    OBSERVER = "observer"  # sees campaigns, as the CIC does for its communes
    VIEWER = "viewer"  # sees contacts
    EXPORTER = "exporter"  # takes contacts out, with a reason
    EDITOR = "editor"  # keeps contacts and groups
    BREAK_GLASS = "break-glass"  # may do without the second person, and everybody is told


class DeliveryState(IntEnum):
    """The state of one delivery, as stored (smallint)."""

    QUEUED = 0
    SUBMITTING = 1
    SUBMITTED = 2
    DELIVERED = 3
    FAILED = 4
    CANCELLED = 5
    EXPIRED = 6
    RETRY_WAIT = 7
    UNKNOWN = 8


class CampaignState(StrEnum):
    """The life of one alert's dispatch; see policy/states.py for the table."""

    HELD = "held"
    PLANNED = "planned"
    SENDING = "sending"
    PAUSED = "paused"
    CLOSING = "closing"
    CLOSED = "closed"


class Closure(StrEnum):
    """Why a campaign closed."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What one language and channel says in one campaign: composed once, sent to many.

    `key` numbers it inside its campaign; `parts` counts SMS parts (1 for other channels);
    `subject` and `html` are for e-mail; `attachment` is the CAP XML to attach, or None; `picture` is the PNG that the
    page shows, or empty.
    """

    campaign: int
    key: int
    channel: ChannelName
    language: str
    body: str
    mode: Mode
    message_class: MessageClass
    expires_at: datetime
    reference: str
    subject: str = ""
    html: str = ""
    parts: int = 1
    attachment: bytes | None = field(default=None, repr=False)
    picture: bytes = field(default=b"", repr=False)


class Earlier(NamedTuple):
    """An SMS that a provider holds and has not delivered, as far as is known: its id there, and what it says."""

    provider: str
    message_id: str
    body: str


@dataclass(slots=True, kw_only=True, eq=False)
class Lease:
    """Deliveries of one chunk that this node may send until its lease ends. Channels pass it through unread.

    `transport` says for which transport the chunk was planned; `remaining` counts deliveries whose outcome was not
    handed in yet. A retry chunk (`lo` negative) also knows the attempts made and which were already sent twice.
    """

    campaign: int
    channel: ChannelName
    transport: Transport
    lo: int
    epoch: int
    remaining: int
    exercise_group: bool = False
    attempts: Mapping[int, int] = field(default_factory=dict)
    resent: frozenset[int] = frozenset()
    replaces: dict[int, Earlier] = field(default_factory=dict)  # by seq: the earlier text whose place it could take


class Delivery(NamedTuple):
    """One text to one endpoint, marked and ready to leave. `address` is E.164 with + or an e-mail address."""

    lease: Lease
    seq: int
    address: str
    text: Text


class OutcomeKind(Enum):
    """What a channel says of a delivery at once."""

    ACCEPTED = "accepted"  # the peer took responsibility: ESME_ROK, 250 after the final dot, call created
    REPLACED = "replaced"  # the same, and an earlier text that it had not delivered gave way
    FAILED = "failed"  # final refusal
    RETRY = "retry"  # refused for now
    UNKNOWN = "unknown"  # bytes left, the answer never came
    UNSENT = "unsent"  # no byte left: back to the queue


class Outcome(NamedTuple):
    """The immediate answer for one delivery.

    `message_ids` are the peer's ids, one per SMS part (one for a call; empty for e-mail);
    `code` is the peer's number (command_status, SMTP reply, HTTP or SIP status), `detail` its word;
    `settled` means that no receipt will follow (e-mail, SMS without receipts).
    """

    delivery: Delivery
    kind: OutcomeKind
    provider: str
    code: int = 0
    detail: str = ""
    message_ids: tuple[str, ...] = ()
    settled: bool = False
    retry_after_s: float | None = None


class Belated(NamedTuple):
    """The answer for a delivery that was already said to be UNKNOWN: its row may be in anybody's hands by now."""

    outcome: Outcome


class ReceiptKind(Enum):
    """What the network says later."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    RETRY = "retry"  # voice: busy, no answer, congestion


class Receipt(NamedTuple):
    """A later answer, found again by provider and message id; `seconds` that a call was answered (0: not said)."""

    provider: str
    message_id: str
    kind: ReceiptKind
    code: int = 0
    detail: str = ""
    seconds: float = 0.0


Counts = Mapping[str, int]

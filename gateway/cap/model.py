"""One CAP alert as frozen records, in the standard's words.

Knows: the elements of CAP 1.0, 1.1 and 1.2 and their code values.
Never knows: XML, rules, files, what anybody does with an alert.
Standard: OASIS Common Alerting Protocol 1.2 (2010), 1.1 (2005), 1.0 (2004).

Names are the standard's, snake_cased; an element that may repeat is a tuple and keeps its singular name. Optional text
that is absent or blank is ""; optional dates and numbers are None. All date-times are aware. Records pickle.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

Version = Literal["1.0", "1.1", "1.2"]

Polygon = tuple[tuple[float, float], ...]
"""(latitude, longitude) in degrees WGS 84, closed: the first pair is the last. # CAP 1.2 §3.2.4"""


class Status(StrEnum):
    """How the message is meant to be handled."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class MsgType(StrEnum):
    """What the message does to those before it."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


class Scope(StrEnum):
    """Whom the message is for."""

    PUBLIC = "Public"
    RESTRICTED = "Restricted"
    PRIVATE = "Private"


class Category(StrEnum):
    """The kind of event."""

    GEO = "Geo"
    MET = "Met"
    SAFETY = "Safety"
    SECURITY = "Security"
    RESCUE = "Rescue"
    FIRE = "Fire"
    HEALTH = "Health"
    ENV = "Env"
    TRANSPORT = "Transport"
    INFRA = "Infra"
    CBRNE = "CBRNE"
    OTHER = "Other"


class ResponseType(StrEnum):
    """What people should do."""

    SHELTER = "Shelter"
    EVACUATE = "Evacuate"
    PREPARE = "Prepare"
    EXECUTE = "Execute"
    AVOID = "Avoid"
    MONITOR = "Monitor"
    ASSESS = "Assess"
    ALL_CLEAR = "AllClear"
    NONE = "None"


class Urgency(StrEnum):
    """How soon to act."""

    IMMEDIATE = "Immediate"
    EXPECTED = "Expected"
    FUTURE = "Future"
    PAST = "Past"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    """How bad it is."""

    EXTREME = "Extreme"
    SEVERE = "Severe"
    MODERATE = "Moderate"
    MINOR = "Minor"
    UNKNOWN = "Unknown"


class Certainty(StrEnum):
    """How sure it is. CAP 1.0's "Very Likely" is read as LIKELY."""

    OBSERVED = "Observed"
    LIKELY = "Likely"
    POSSIBLE = "Possible"
    UNLIKELY = "Unlikely"
    UNKNOWN = "Unknown"


class NameValue(NamedTuple):
    """One eventCode, parameter or geocode. CAP 1.0's NAME=value is split at its first equals sign."""

    value_name: str
    value: str


class Circle(NamedTuple):
    """A point in degrees WGS 84 and a radius in kilometres, which may be 0."""

    lat: float
    lon: float
    radius_km: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapReference:
    """An earlier message; `sent` is None only for CAP 1.0, which names identifier and sender alone."""

    sender: str
    identifier: str
    sent: datetime | None = None
    sent_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapResource:
    """A file that goes with an info; `deref_uri` is its content in base64, `digest` its SHA-1 in hex."""

    resource_desc: str
    mime_type: str = ""
    size: int | None = None
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapArea:
    """A place: the union of its polygons, circles and geocodes; altitude and ceiling in feet above mean sea level."""

    area_desc: str
    polygon: tuple[Polygon, ...] = ()
    circle: tuple[Circle, ...] = ()
    geocode: tuple[NameValue, ...] = ()
    altitude: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapInfo:
    """What the alert says in one language, for one set of areas."""

    event: str
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    category: tuple[Category, ...] = ()
    language: str = "en-US"
    response_type: tuple[ResponseType, ...] = ()
    audience: str = ""
    event_code: tuple[NameValue, ...] = ()
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameter: tuple[NameValue, ...] = ()
    resource: tuple[CapResource, ...] = ()
    area: tuple[CapArea, ...] = ()

    def parameters(self, value_name: str) -> tuple[str, ...]:
        """The values of every parameter of this name, in document order."""
        return tuple(pair.value for pair in self.parameter if pair.value_name == value_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapAlert:
    """A whole message. `scope` is None only in CAP 1.0, where it may be absent; it is then never Public."""

    version: Version = "1.2"
    identifier: str
    sender: str
    sent: datetime
    sent_text: str
    status: Status
    msg_type: MsgType
    scope: Scope | None
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    note: str = ""
    references: tuple[CapReference, ...] = ()
    incidents: tuple[str, ...] = ()
    info: tuple[CapInfo, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """(sender, identifier, sent as written): how other messages refer to this one. # CAP 1.2 §3.2.1"""
        return (self.sender, self.identifier, self.sent_text)

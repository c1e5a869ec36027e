"""What a hub decides about those who subscribe: what a request asks, how long a lease is, what an answer means.

Knows: the form of WebSub requests, leases, signatures, back-off. Never knows: clocks (`now` is an argument), sockets,
stores, which topics there are.
Standard: W3C WebSub (23 January 2018), §5 to §8.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

CALLBACK_MAX_CHARACTERS = 1_000
TOPIC_MAX_CHARACTERS = 500
SECRET_MAX_BYTES = 199
_LEASE = re.compile(r"[0-9]{1,12}", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]", re.ASCII | re.IGNORECASE)
_RETRY_AFTER_MAX_S = 3_600


class HubMode(StrEnum):
    """What a subscriber may ask."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRules:
    """Bounds of the hub. Leases in seconds; a subscriber is dropped after `failures` failed deliveries in a row."""

    lease_default_s: int = 864_000
    lease_min_s: int = 3_600
    lease_max_s: int = 2_592_000
    subscribers: int = 10_000
    subscribers_per_host: int = 100
    requests: int = 2_000
    requests_per_host: int = 200
    verifications: int = 3
    failures: int = 12
    first_retry_s: float = 5.0
    retry_factor: float = 3.0
    retry_max_s: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A request that can be read: who wants which topic, for how long (already clamped), signed with which secret."""

    mode: HubMode
    topic: str
    callback: str
    host: str
    lease_s: int
    secret: str = field(default="", repr=False)


class Unreadable(NamedTuple):
    """Why a request is refused, in one sentence for the subscriber."""

    detail: str


class Answer(NamedTuple):
    """What a callback said; headers by their names in lower case. `status` 0: it gave no answer, and `detail` is the
    reason in a word or two."""

    status: int = 0
    body: bytes = b""
    detail: str = ""
    headers: Mapping[str, str] = {}


class Fate(Enum):
    """What becomes of a verification or a delivery after an answer."""

    DONE = "done"  # confirmed, delivered
    RETRY = "retry"
    REFUSED = "refused"  # the subscriber said no: nothing changes
    DROPPED = "dropped"  # the subscription ends


class Next(NamedTuple):
    """A fate and, for RETRY, when it is due again."""

    fate: Fate
    due: datetime | None = None


def read_request(pairs: Iterable[tuple[str, str]], rules: HubRules) -> Wish | Unreadable:
    """The wish in a form's fields. Fields that are not ours are passed over; one that is given twice is refused."""
    form: dict[str, str] = {}
    for name, value in pairs:
        if name.startswith("hub.") and form.setdefault(name, value) != value:
            return Unreadable(f"{name[:40]} is given twice")
    # WebSub §5.1
    mode, topic, callback = (form.get(f"hub.{name}", "") for name in ("mode", "topic", "callback"))
    secret = form.get("hub.secret", "")
    if mode not in list(HubMode):
        return Unreadable("hub.mode has to be subscribe or unsubscribe")
    if not topic or len(topic) > TOPIC_MAX_CHARACTERS:
        return Unreadable("hub.topic has to be the address of a feed, as its rel=self link says it")
    if reason := callback_problem(callback):
        return Unreadable(f"hub.callback can not be used: {reason}")
    if not secret.isprintable() or len(secret.encode()) > SECRET_MAX_BYTES:
        return Unreadable(f"hub.secret has to be printable and at most {SECRET_MAX_BYTES} bytes")
    lease = form.get("hub.lease_seconds", "")
    if lease and not _LEASE.fullmatch(lease):
        return Unreadable("hub.lease_seconds has to be a whole number of seconds")
    return Wish(
        mode=HubMode(mode),
        topic=topic,
        callback=callback,
        host=(urlsplit(callback).hostname or "").rstrip("."),
        lease_s=clamped(int(lease) if lease else None, rules),
        secret=secret,
    )


def callback_problem(callback: str) -> str:
    """Why this is no callback, as the end of a sentence; "" when its form is right. Addresses are not judged here."""
    if len(callback) > CALLBACK_MAX_CHARACTERS:
        return f"it is longer than {CALLBACK_MAX_CHARACTERS} characters"
    if not _URL.fullmatch(callback) or "\\" in callback:
        return "write all of it, such as https://example.org/hook, other characters as %XX"
    try:
        parts = urlsplit(callback)
        host, port = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        return "its host or port can not be read"
    if "@" in parts.netloc:
        return "it carries a user name or password"
    if "#" in callback:
        return "it carries a fragment"
    if port is not None:
        host = host.rpartition(":")[0]
    return "" if port != 0 and _HOST.fullmatch(host.removesuffix(":")) else "its host or port can not be read"


def clamped(lease_s: int | None, rules: HubRules) -> int:
    """The lease that is given for the one that was asked; none is perpetual."""
    # WebSub §5.1: lease_seconds is a wish; §7: hubs must not issue perpetual leases
    if lease_s is None:
        return rules.lease_default_s
    return min(rules.lease_max_s, max(rules.lease_min_s, lease_s))


def verification_url(wish: Wish, challenge: str) -> str:
    """Where the subscriber is asked whether it meant it; the callback's own query stays in front."""
    # WebSub §5.3
    asked = [("hub.mode", wish.mode.value), ("hub.topic", wish.topic), ("hub.challenge", challenge)]
    if wish.mode is HubMode.SUBSCRIBE:
        asked.append(("hub.lease_seconds", str(wish.lease_s)))
    joint = "&" if "?" in wish.callback else "?"
    return f"{wish.callback}{joint}{urlencode(asked)}"


def after_verification(answer: Answer, challenge: str, *, attempts: int, rules: HubRules, now: datetime) -> Next:
    """What an answer to the challenge means; `attempts` counts this one. No answer and 5xx are asked again."""
    if 200 <= answer.status < 300:
        # WebSub §5.3.1: the body has to be the challenge
        said = answer.body.strip()
        return Next(Fate.DONE if hmac.compare_digest(said, challenge.encode()) else Fate.REFUSED)
    if 0 < answer.status < 500 or attempts >= rules.verifications:
        return Next(Fate.REFUSED)
    return Next(Fate.RETRY, now + timedelta(seconds=pause_s(attempts, rules)))


def after_delivery(answer: Answer, *, failures: int, rules: HubRules, now: datetime) -> Next:
    """What an answer to content means; `failures` counts those in a row before this one."""
    # WebSub §7: any 2xx is success; 410 ends the subscription
    if 200 <= answer.status < 300:
        return Next(Fate.DONE)
    if answer.status == 410 or failures + 1 >= rules.failures:
        return Next(Fate.DROPPED)
    pause = max(pause_s(failures + 1, rules), _asked_pause_s(answer))
    return Next(Fate.RETRY, now + timedelta(seconds=pause))


def _asked_pause_s(answer: Answer) -> float:
    """The seconds of a Retry-After, within bounds; a date in it is not read."""
    said = answer.headers.get("retry-after", "")
    if answer.status not in {429, 503} or not _LEASE.fullmatch(said):
        return 0.0
    return float(min(_RETRY_AFTER_MAX_S, int(said)))


def pause_s(failures: int, rules: HubRules) -> float:
    """How long to wait after this many failures in a row (>= 1)."""
    return min(rules.retry_max_s, rules.first_retry_s * rules.retry_factor ** min(failures - 1, 60))


def signature(secret: str, body: bytes) -> str:
    """X-Hub-Signature of a body."""
    # WebSub §7.1: method=hex; sha1 is left to history
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"

"""What a session tells its owner: the fate of envelopes and the life of the connection.

Knows: names for what happened. Never knows: how it is found out.
Implements the responsibilities of RFC 5321 §6.1 and §4.2.5 as words.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from gateway.smtp.reply import Reply, Verdict

T = TypeVar("T")


class Phase(Enum):
    """Where a connection stands."""

    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    READY = "ready"
    QUITTING = "quitting"
    DOWN = "down"


class Step(Enum):
    """What moves a connection on."""

    GREETED = "greeted"
    TLS_AGREED = "tls agreed"
    TLS_UP = "tls up"
    AUTH_BEGUN = "authentication begun"
    OPENED = "opened"
    QUIT = "quit"
    LOST = "lost"


PHASES: Mapping[tuple[Phase, Step], Phase] = {
    (Phase.GREETING, Step.GREETED): Phase.HELLO,  # RFC 5321 §3.1
    (Phase.HELLO, Step.TLS_AGREED): Phase.TLS,  # RFC 3207 §4
    (Phase.TLS, Step.TLS_UP): Phase.HELLO,  # RFC 3207 §4.2
    (Phase.HELLO, Step.AUTH_BEGUN): Phase.AUTH,  # RFC 4954 §4
    (Phase.AUTH, Step.OPENED): Phase.READY,
    (Phase.HELLO, Step.OPENED): Phase.READY,
    (Phase.READY, Step.QUIT): Phase.QUITTING,  # RFC 5321 §4.1.1.10
    **{(phase, Step.LOST): Phase.DOWN for phase in Phase if phase is not Phase.DOWN},
}


class Fate(Enum):
    """What became of one recipient of one envelope."""

    ACCEPTED = "accepted"  # 250 after the final dot: the server is responsible.  # RFC 5321 §6.1
    RETRY = "retry"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the final dot was written and never answered
    UNSENT = "unsent"  # without its final dot nothing can be delivered.  # RFC 5321 §4.1.1.4


FATES: Mapping[Verdict, Fate] = {Verdict.OK: Fate.ACCEPTED, Verdict.RETRY: Fate.RETRY, Verdict.FAILED: Fate.FAILED}


class Result(NamedTuple):
    """The fate of one recipient and the reply that decided it (code 0: none came); `of_sender`: it answered MAIL."""

    fate: Fate
    reply: Reply
    of_sender: bool = False


class Ready(NamedTuple):
    """The connection takes envelopes; `capabilities` are EHLO's keywords with their parameters."""

    capabilities: Mapping[str, str]


class StartTls(NamedTuple):
    """The server waits for the TLS handshake; call `tls_started` after it."""


class Done(NamedTuple, Generic[T]):
    """One envelope is over: one result per recipient, in their order."""

    ticket: T
    results: tuple[Result, ...]


class Down(NamedTuple):
    """The connection is over; every envelope has had its Done. `orderly`: we ended it, or the server did while idle."""

    reason: str
    code: int = 0
    orderly: bool = False

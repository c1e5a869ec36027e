"""Recipients' domains: which mails may go now, which wait a moment here, and which come back later.

Knows: domains that share a ceiling, how a domain that says "not now" is asked more slowly, urgent before the rest.
Never knows: sockets, relays, SQL; the time is an argument. One person costs a look into a table: no task, no statement.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.model import Delivery, MessageClass
from gateway.policy.allowance import Allowance
from gateway.smtp.message import parse_address
from gateway.smtp.pace import WINDOW_S, Pace

AHEAD_S = 1.0
"""What a domain takes in this time may wait here; the rest comes back when its turn is near."""
PATIENCE_S = 3.0
MOST_HELD = 1000
MOST_PACES = 10_000


def alone() -> int:
    """How many nodes send mails, of a node that shares with nobody."""
    return 1


_RANK = {of_class: rank for rank, of_class in enumerate(MessageClass)}  # the most urgent first


class DomainSettings(BaseModel):
    """Domains of one provider and what they take together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = Field(min_length=1)
    max_per_s: float = Field(gt=0, le=1_000_000)

    @field_validator("names")
    @classmethod
    def _are_domains(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name.isascii() or name != name.lower() or parse_address(f"x@{name}") is None:
                raise ValueError(f"{name!r} is not a domain in lower case")
        return names


class Later(NamedTuple):
    """A delivery whose turn does not come soon, and the seconds until it may."""

    delivery: Delivery
    wait_s: float


class _Held(NamedTuple):
    since: float
    delivery: Delivery


@dataclass(slots=True)
class _Domain:
    """One domain (or several of one provider) that has a pace: who waits for it, by class, and how far the turns of
    those that were sent back reach. `shared` is its ceiling where other nodes keep to it, too."""

    pace: Pace
    shared: Allowance | None = None
    held: dict[int, deque[_Held]] = field(default_factory=dict)
    booked_until: dict[int, float] = field(default_factory=dict)

    def first(self, rank: int) -> bool:
        """True when nobody waits who is as urgent."""
        return not any(waiting and of <= rank for of, waiting in self.held.items())

    @property
    def waiting(self) -> int:
        """How many wait here."""
        return sum(map(len, self.held.values()))

    def left(self, now: float) -> int | None:
        """How many may go now; None: any number."""
        return least(self.pace.left(now), self.shared, now)

    def spend(self) -> None:
        """One has gone."""
        self.pace.spend()
        if self.shared is not None:
            self.shared.spend(1)

    def per_s(self, now: float) -> float | None:
        """The rate to keep; None: any."""
        rate = self.pace.per_s(now)
        if self.shared is None:
            return rate
        return self.shared.rate_per_s if rate is None else min(rate, self.shared.rate_per_s)

    def next_at(self, now: float) -> float:
        """When at least one may go, as far as that is known."""
        at = self.pace.next_at(now)
        return at if self.shared is None else max(at, min(self.shared.next_at(now), now + AHEAD_S))


def least(left: int | None, shared: Allowance | None, now: float) -> int | None:
    """How many may go by either; None: any number."""
    if shared is None or left == 0:
        return left
    room = shared.room(now)
    return room if left is None else min(left, room)


class Domains:
    """Ask `admit` for each delivery and `due` for those that waited; tell `refused`; call `look` now and then.

    `shared` are ceilings of known domains, by the first name of each, that other nodes keep to as well. Of every other
    ceiling this node takes its part: as much as each of the `nodes` that send mails now.
    """

    def __init__(
        self,
        known: Sequence[DomainSettings],
        most_per_s: float | None,
        now: float,
        *,
        shared: Mapping[str, Allowance] | None = None,
        nodes: Callable[[], int] = alone,
    ) -> None:
        self._shared = shared or {}
        self._nodes = nodes
        self._among = nodes()
        self._most_per_s = most_per_s
        self._groups = {name: group.names[0] for group in known for name in group.names}
        self._ceilings = {group.names[0]: group.max_per_s for group in known}
        self._domains: OrderedDict[str, _Domain] = OrderedDict()
        self._waiting: set[str] = set()
        self._gone: Counter[str] = Counter()
        self._gone_before: Counter[str] = Counter()
        self._since = now
        self.held = 0

    def admit(self, delivery: Delivery, now: float) -> bool | Later:
        """True: it may go now; False: it waits here until `due` gives it back; else it has to come again."""
        name = self._name(delivery)
        domain = self._domains.get(name)
        if domain is None:
            ceiling = self._ceiling(name)
            if ceiling is None and name not in self._shared:
                self._gone[name] += 1
                return True
            domain = self._watch(name, Pace(ceiling, now))
        rank = _RANK[delivery.text.message_class]
        left = domain.left(now)
        if left is None or (left > 0 and domain.first(rank)):
            domain.spend()
            return True
        rate = domain.per_s(now) or 1.0
        waiting = domain.held.setdefault(rank, deque())
        if len(waiting) < max(1.0, rate * AHEAD_S) and rate * PATIENCE_S >= 1.0 and self.held < MOST_HELD:
            waiting.append(_Held(now, delivery))
            self._waiting.add(name)
            self.held += 1
            return False
        turn = max(domain.booked_until.get(rank, 0.0), now + AHEAD_S) + 1.0 / rate
        domain.booked_until[rank] = turn
        return Later(delivery, turn - now)

    def due(self, most: int, now: float) -> tuple[list[Delivery], list[Later]]:
        """Those that waited here and may go now, at most `most`; and those that others overtook for too long."""
        go: list[Delivery] = []
        late: list[Later] = []
        for name in list(self._waiting):
            domain = self._domains[name]
            for rank in sorted(domain.held):
                waiting = domain.held[rank]
                while waiting and len(go) < most and domain.left(now) != 0:
                    domain.spend()
                    go.append(waiting.popleft().delivery)
                while waiting and now - waiting[0].since > PATIENCE_S:
                    wait_s = max(AHEAD_S, domain.next_at(now) - now)
                    late.append(Later(waiting.popleft().delivery, wait_s))
            if not domain.waiting:
                self._waiting.discard(name)
        self.held -= len(go) + len(late)
        return go, late

    def next_at(self, now: float) -> float | None:
        """When `due` gives something; None: nobody waits."""
        return min((self._domains[name].next_at(now) for name in self._waiting), default=None)

    def refused(self, delivery: Delivery, now: float) -> None:
        """The domain behind a relay said: not now."""
        name = self._name(delivery)
        domain = self._domains.get(name)
        if domain is None:
            took = max(self._gone[name], self._gone_before[name])
            domain = self._watch(name, Pace(self._ceiling(name), now, took_per_s=took))
        domain.pace.refused(now)

    def take_back(self, chosen: Callable[[Delivery], bool]) -> list[Delivery]:
        """Those that wait here and are not to be sent now."""
        back: list[Delivery] = []
        for domain in self._domains.values():
            for rank, waiting in domain.held.items():
                back += [one.delivery for one in waiting if chosen(one.delivery)]
                domain.held[rank] = deque(one for one in waiting if not chosen(one.delivery))
        self.held -= len(back)
        self._waiting = {name for name in self._waiting if self._domains[name].waiting}
        return back

    def look(self, now: float) -> None:
        """Forget what is over, see who else sends; cheap, and does so about once a second."""
        if now - self._since < WINDOW_S:
            return
        if (among := self._nodes()) != self._among:
            self._among = among
            for name, of in self._domains.items():
                if (ceiling := self._ceiling(name)) is not None:
                    of.pace.keep_to(ceiling)
        self._gone_before, self._gone = self._gone, Counter()
        self._since = now
        for name in [name for name, of in self._domains.items() if of.per_s(now) is None and not of.waiting]:
            del self._domains[name]  # it has no ceiling and has recovered: nothing to watch

    def slowed(self, now: float) -> int:
        """How many are asked more slowly than their ceiling."""
        return sum(of.pace.slowed for of in self._domains.values() if of.pace.per_s(now) is not None)

    def _ceiling(self, name: str) -> float | None:
        """This node's part of a ceiling; None: there is none, or its slots are granted over all nodes."""
        whole = self._ceilings.get(name, self._most_per_s)
        return None if whole is None or name in self._shared else whole / self._among

    def _watch(self, name: str, pace: Pace) -> _Domain:
        self._domains[name] = domain = _Domain(pace, self._shared.get(name))
        while len(self._domains) > MOST_PACES and not next(iter(self._domains.values())).waiting:
            self._domains.popitem(last=False)
        return domain

    def _name(self, delivery: Delivery) -> str:
        address = delivery.address
        name = address[address.rfind("@") + 1 :].lower()
        return self._groups.get(name, name)

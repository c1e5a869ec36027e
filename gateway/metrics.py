"""Every instrument of one process, by the names that dashboards and alert rules use.

Knows: metric names, labels, buckets, the Prometheus text format (by prometheus_client, in a registry of its own).
Never knows: where numbers come from, who scrapes. A label never carries an id, a number or an address.

Values are plain numbers without locks: call from the event loop only. Every call takes a whole batch.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from gateway.model import ChannelName, Transport

FIRST_SUBMIT_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
SUBMIT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELIVERY_BUCKETS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
OUTCOMES = ("submitted", "delivered", "failed", "expired", "cancelled", "unknown")
"""The usual values of the label `outcome`; they start at 0, so that rate() sees the first one happen."""

Labels = tuple[str, ...]


class Numbers:
    """A counter or a gauge: one number for every set of label values."""

    def __init__(self, kind: type[Metric], name: str, says: str, labels: Sequence[str] = ()) -> None:
        self.kind, self.name, self.says, self.labels = kind, name, says, tuple(labels)
        self.values: defaultdict[Labels, float] = defaultdict(float)

    def add(self, labels: Labels, amount: float) -> None:
        """Count `amount` more."""
        self.values[labels] += amount

    def set(self, labels: Labels, value: float) -> None:
        """Say what it is now."""
        self.values[labels] = value

    def replace(self, values: Mapping[Labels, float]) -> None:
        """Say all there is; label values that were there before and are not in `values` become 0."""
        known = dict.fromkeys(self.values, 0.0)
        self.values.update(known | dict(values))

    def family(self) -> Metric:
        """What a scrape sees."""
        family = self.kind(self.name, self.says, labels=self.labels)  # type: ignore[call-arg]
        for labels, value in sorted(self.values.items()):
            family.add_metric(labels, value)  # type: ignore[attr-defined]
        return family


class Times:
    """A histogram of seconds, filled many at a time."""

    def __init__(self, name: str, says: str, buckets_s: Sequence[float], labels: Sequence[str] = ()) -> None:
        self.name, self.says, self.labels = name, says, tuple(labels)
        self._bounds = tuple(buckets_s)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, labels: Labels, values_s: Iterable[float]) -> None:
        """Count every value in the bucket whose upper bound is the first at or above it."""
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        total = 0.0
        for value in values_s:
            counts[bisect_left(self._bounds, value)] += 1
            total += value
        self._sums[labels] += total

    def family(self) -> Metric:
        """What a scrape sees: cumulative counts up to +Inf, and the sum."""
        family = HistogramMetricFamily(self.name, self.says, labels=self.labels)
        names = (*map(str, self._bounds), "+Inf")
        for labels, counts in sorted(self._counts.items()):
            family.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), self._sums[labels])
        return family


class Metrics(Collector):
    """The instruments of one process. Build one, hand it to whoever counts, let /metrics call `render`."""

    def __init__(self) -> None:
        self._counters()
        self._gauges()
        self._times()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def _counters(self) -> None:
        counter = CounterMetricFamily
        self._alerts = Numbers(counter, "gateway_alerts", "CAP messages received, by verdict", ["verdict"])
        self._deliveries = Numbers(
            counter, "gateway_deliveries", "Changes of deliveries' states, by the new state", ["channel", "outcome"]
        )
        self._closed = Numbers(counter, "gateway_campaigns_closed", "Campaigns that ended, by mode", ["mode"])
        self._ended = Numbers(
            counter, "gateway_campaign_deliveries", "Deliveries of campaigns that ended, rehearsals apart",
            ["mode", "channel", "outcome"],
        )  # fmt: skip
        self._sms_parts = Numbers(counter, "gateway_sms_parts_submitted", "SMS parts written to a bind", ["bind"])
        self._late = Numbers(
            counter, "gateway_late_answers", "Answers to what was unknown already, by whether they say anything new",
            ["channel", "found"],
        )  # fmt: skip
        self._calls = Numbers(counter, "gateway_calls_started", "Calls started", ["trunk"])
        self._emails = Numbers(counter, "gateway_emails_accepted", "E-mails that a relay took over", ["relay"])
        self._mails = Numbers(counter, "gateway_mails", "Mails read, by verdict and reason", ["verdict", "reason"])
        self._feed = Numbers(counter, "gateway_feed_requests", "Requests for the public feed, by answer", ["status"])
        self._mails.add(("taken", ""), 0)
        self.late_answers(ChannelName.SMS, resolved=0, spare=0)
        for channel in ChannelName:
            for outcome in OUTCOMES:
                self._deliveries.set((channel.value, outcome), 0)

    def _gauges(self) -> None:
        gauge = GaugeMetricFamily
        self._queue = Numbers(gauge, "gateway_queue_depth", "Deliveries waiting, by class", ["channel", "class"])
        self._in_flight = Numbers(gauge, "gateway_in_flight", "Deliveries handed to a channel, unanswered", ["channel"])
        self._unknown = Numbers(
            gauge, "gateway_unknown_deliveries", "Deliveries that left and were never answered", ["channel"]
        )
        self._mailbox_up = Numbers(gauge, "gateway_mailbox_up", "1 while this node watches the mailbox", ["mailbox"])
        self._bind_up = Numbers(gauge, "gateway_bind_up", "1 when the bind can send", ["bind"])
        self._bind_held = Numbers(gauge, "gateway_bind_held", "1 while this node has the bind's lease", ["bind"])
        self._breaker_open = Numbers(
            gauge, "gateway_sms_breaker_open", "1 while an SMS provider is left alone after failures", ["provider"]
        )
        self._seal_end = Numbers(
            gauge, "gateway_feed_certificate_end_seconds", "Unix time when the last certificate for the feed ends", []
        )
        self._canary_age = Numbers(
            gauge, "gateway_sms_canary_age_seconds", "Since the last canary of an operator arrived", ["canary"]
        )
        self._canary_took = Numbers(
            gauge, "gateway_sms_canary_delivery_seconds", "How long the last canary that arrived took", ["canary"]
        )
        self._domains_slowed = Numbers(
            gauge, "gateway_email_domains_slowed", "Recipients' domains asked more slowly after 4xx", ["transport"]
        )
        self._rate_limit = Numbers(
            gauge, "gateway_rate_limit_per_second", "Ceiling now: SMS parts, calls, e-mails a second", ["channel"]
        )
        self._call_starts = Numbers(gauge, "gateway_call_starts_last_60s", "Calls started in the last 60 s, exactly")

    def _times(self) -> None:
        self._first_submit = Times(
            "gateway_first_submit_seconds", "From acceptance to the first delivery that leaves", FIRST_SUBMIT_BUCKETS_S
        )
        self._submit = Times(
            "gateway_submit_seconds", "From writing a delivery to the peer's answer", SUBMIT_BUCKETS_S, ["channel"]
        )
        self._delivery = Times(
            "gateway_delivery_seconds", "From submission to the receipt of delivery", DELIVERY_BUCKETS_S, ["channel"]
        )

    def alert(self, verdict: str) -> None:
        """One CAP message was judged."""
        self._alerts.add((verdict,), 1)

    def deliveries(self, channel: ChannelName, outcome: str, n: int = 1) -> None:
        """n deliveries of a channel came to this state."""
        self._deliveries.add((channel.value, outcome), n)

    def campaign_closed(self, mode: str, channels: Mapping[str, Mapping[str, int]]) -> None:
        """A campaign ended; its final counts by channel. What was an exercise or a test is never counted as earnest."""
        self._closed.add((mode,), 1)
        for channel, counts in channels.items():
            for outcome in OUTCOMES:
                if counts[outcome]:
                    self._ended.add((mode, channel, outcome), counts[outcome])

    def sms_parts(self, bind: str, n: int) -> None:
        """n parts were written to a bind."""
        self._sms_parts.add((bind,), n)

    def late_answers(self, channel: ChannelName, *, resolved: int, spare: int) -> None:
        """Answers that came after the response timer: of so many deliveries they resolved what had become of them, of
        so many it was known already, or another try goes on."""
        self._late.add((channel.value, "resolved"), resolved)
        self._late.add((channel.value, "spare"), spare)

    def calls(self, trunk: str, n: int = 1) -> None:
        """n calls were started on a trunk."""
        self._calls.add((trunk,), n)

    def emails(self, relay: str, n: int) -> None:
        """n e-mails were accepted by a relay."""
        self._emails.add((relay,), n)

    def mail(self, verdict: str, reason: str) -> None:
        """One mail got its verdict; the reason is one word of a short list, or empty."""
        self._mails.add((verdict, reason), 1)

    def set_mailbox_up(self, mailbox: str, up: bool) -> None:
        """This node watches the mailbox, or does not."""
        self._mailbox_up.set((mailbox,), int(up))

    def feed_request(self, status: int, n: int = 1) -> None:
        """n requests for the feed were answered with this HTTP status."""
        self._feed.add((str(status),), n)

    def first_submit(self, seconds: float) -> None:
        """The first delivery of a campaign left this long after acceptance."""
        self._first_submit.observe((), (seconds,))

    def submit_seconds(self, channel: ChannelName, values_s: Iterable[float]) -> None:
        """Times from writing to the peer's answer."""
        self._submit.observe((channel.value,), values_s)

    def delivery_seconds(self, channel: ChannelName, values_s: Iterable[float]) -> None:
        """Times from submission to the receipt that says delivered."""
        self._delivery.observe((channel.value,), values_s)

    def set_in_flight(self, channel: ChannelName, n: int) -> None:
        """n deliveries are with the channel now."""
        self._in_flight.set((channel.value,), n)

    def set_bind_up(self, bind: str, up: bool) -> None:
        """The bind can send, or can not."""
        self._bind_up.set((bind,), int(up))

    def set_bind_held(self, bind: str, held: bool) -> None:
        """This node has the bind's lease; one without it is not up here."""
        self._bind_held.set((bind,), int(held))
        if not held:
            self.set_bind_up(bind, up=False)

    def set_breaker_open(self, provider: str, is_open: bool) -> None:
        """The provider is left alone for a while, or is not."""
        self._breaker_open.set((provider,), int(is_open))

    def set_seal_end(self, at: datetime) -> None:
        """Until then what is published can be signed."""
        self._seal_end.set((), at.timestamp())

    def set_canaries(self, canaries: Mapping[str, tuple[float, float | None]]) -> None:
        """By operator: seconds since one arrived, and how long it took. {} when another node leads."""
        self._canary_age.values.clear()
        self._canary_took.values.clear()
        for name, (age_s, took_s) in canaries.items():
            self._canary_age.set((name,), age_s)
            if took_s is not None:
                self._canary_took.set((name,), took_s)

    def set_domains_slowed(self, transport: Transport, n: int) -> None:
        """n recipients' domains said: not now."""
        self._domains_slowed.set((transport.value,), n)

    def set_rate_limit(self, channel: ChannelName, per_s: float) -> None:
        """The ceiling that the pacer keeps now."""
        self._rate_limit.set((channel.value,), per_s)

    def set_call_starts(self, n: int) -> None:
        """n calls were started in the last 60 s."""
        self._call_starts.set((), n)

    def set_queue_depths(self, depths: Mapping[tuple[ChannelName, str], int]) -> None:
        """All queues by channel and message class, as the database has them; the leader says it."""
        self._queue.replace({(channel.value, of_class): n for (channel, of_class), n in depths.items()})

    def set_unknown(self, unknown: Mapping[ChannelName, int]) -> None:
        """All deliveries that are unknown, as the database has them; the leader says it."""
        self._unknown.replace({(channel.value,): n for channel, n in unknown.items()})

    def forget_leader_gauges(self) -> None:
        """Another node computes them now; a stale number here would win in max()."""
        self._queue.values.clear()
        self._unknown.values.clear()

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        for instrument in vars(self).values():
            if isinstance(instrument, Numbers | Times):
                yield instrument.family()

    def render(self) -> tuple[bytes, str]:
        """The body of GET /metrics and its Content-Type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

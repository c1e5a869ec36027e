"""The instruments carry the published names and labels, count in batches, and never mix two processes' numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import DELIVERY_BUCKETS_S, FIRST_SUBMIT_BUCKETS_S, OUTCOMES, SUBMIT_BUCKETS_S, Metrics
from gateway.model import ChannelName, Transport

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL

# design: the names that dashboards and alert rules use
PUBLISHED = {
    "gateway_alerts_total": {"verdict"},
    "gateway_deliveries_total": {"channel", "outcome"},
    "gateway_campaigns_closed_total": {"mode"},
    "gateway_campaign_deliveries_total": {"mode", "channel", "outcome"},
    "gateway_sms_parts_submitted_total": {"bind"},
    "gateway_calls_started_total": {"trunk"},
    "gateway_emails_accepted_total": {"relay"},
    "gateway_queue_depth": {"channel", "class"},
    "gateway_in_flight": {"channel"},
    "gateway_unknown_deliveries": {"channel"},
    "gateway_first_submit_seconds_count": set(),
    "gateway_submit_seconds_count": {"channel"},
    "gateway_delivery_seconds_count": {"channel"},
    "gateway_bind_up": {"bind"},
    "gateway_bind_held": {"bind"},
    "gateway_sms_breaker_open": {"provider"},
    "gateway_late_answers_total": {"channel", "found"},
    "gateway_sms_canary_age_seconds": {"canary"},
    "gateway_sms_canary_delivery_seconds": {"canary"},
    "gateway_email_domains_slowed": {"transport"},
    "gateway_rate_limit_per_second": {"channel"},
    "gateway_call_starts_last_60s": set(),
    "gateway_feed_requests_total": {"status"},
    "gateway_mails_total": {"verdict", "reason"},
    "gateway_mailbox_up": {"mailbox"},
    "gateway_feed_certificate_end_seconds": set(),
}


def scraped(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What an independent reader of the text format finds."""
    body, _ = metrics.render()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return scraped(metrics).get((name, frozenset(labels.items())))


def used() -> Metrics:
    metrics = Metrics()
    metrics.alert("accepted")
    metrics.deliveries(SMS, "delivered", 500)
    metrics.campaign_closed("exercise", {"sms": dict.fromkeys(OUTCOMES, 0) | {"delivered": 40}})
    metrics.sms_parts("smsc-one", 1500)
    metrics.calls("trunk-one")
    metrics.emails("relay-one", 70)
    metrics.feed_request(304, 9)
    metrics.mail("refused", "no-proof")
    metrics.set_mailbox_up("alerts", True)
    metrics.set_seal_end(datetime(2027, 1, 1, tzinfo=UTC))
    metrics.first_submit(0.2)
    metrics.submit_seconds(SMS, [0.01, 0.02])
    metrics.delivery_seconds(VOICE, [30.0])
    metrics.set_in_flight(SMS, 4)
    metrics.set_bind_up("smsc-one", True)
    metrics.set_bind_held("smsc-one", True)
    metrics.set_breaker_open("smsc", False)
    metrics.set_canaries({"operator": (30.0, 4.0)})
    metrics.set_domains_slowed(Transport.LIVE, 1)
    metrics.set_rate_limit(SMS, 500.0)
    metrics.set_call_starts(599)
    metrics.set_queue_depths({(SMS, "urgent"): 12})
    metrics.set_unknown({EMAIL: 3})
    return metrics


def test_every_published_name_is_there_with_its_labels() -> None:
    found = {name: {label for label, _ in labels} for name, labels in scraped(used())}
    assert PUBLISHED.items() <= found.items()
    ours = {name for name in found if name.startswith("gateway_") and not name.endswith(("_bucket", "_sum"))}
    assert ours == set(PUBLISHED)


def test_rehearsals_are_counted_apart() -> None:
    metrics = used()
    metrics.campaign_closed("live", {"sms": dict.fromkeys(OUTCOMES, 0) | {"delivered": 7, "failed": 1}})
    for mode, delivered in (("exercise", 40), ("live", 7)):
        assert value(metrics, "gateway_campaigns_closed_total", mode=mode) == 1
        labels = {"mode": mode, "channel": "sms", "outcome": "delivered"}
        assert value(metrics, "gateway_campaign_deliveries_total", **labels) == delivered


def test_batches_are_counted_whole() -> None:
    metrics = used()
    metrics.deliveries(SMS, "delivered", 250)
    metrics.feed_request(304)
    assert value(metrics, "gateway_deliveries_total", channel="sms", outcome="delivered") == 750
    assert value(metrics, "gateway_feed_requests_total", status="304") == 10
    assert value(metrics, "gateway_sms_parts_submitted_total", bind="smsc-one") == 1500


def test_outcomes_start_at_zero_so_that_the_first_one_is_seen() -> None:
    fresh = Metrics()
    for channel in ChannelName:
        for outcome in OUTCOMES:
            assert value(fresh, "gateway_deliveries_total", channel=channel.value, outcome=outcome) == 0


def test_gauges_say_the_last_value() -> None:
    metrics = used()
    metrics.set_bind_up("smsc-one", False)
    metrics.set_call_starts(0)
    assert value(metrics, "gateway_bind_up", bind="smsc-one") == 0
    assert value(metrics, "gateway_bind_held", bind="smsc-one") == 1
    assert value(metrics, "gateway_call_starts_last_60s") == 0


def test_a_bind_that_another_node_holds_is_not_up_here() -> None:
    metrics = used()
    metrics.set_bind_held("smsc-one", False)
    assert value(metrics, "gateway_bind_held", bind="smsc-one") == 0
    assert value(metrics, "gateway_bind_up", bind="smsc-one") == 0


def test_a_queue_that_is_empty_falls_to_zero_and_is_forgotten_with_the_lead() -> None:
    metrics = used()
    metrics.set_queue_depths({(EMAIL, "news"): 1})
    assert value(metrics, "gateway_queue_depth", **{"channel": "sms", "class": "urgent"}) == 0
    assert value(metrics, "gateway_queue_depth", **{"channel": "email", "class": "news"}) == 1
    metrics.forget_leader_gauges()
    assert value(metrics, "gateway_queue_depth", **{"channel": "email", "class": "news"}) is None
    assert value(metrics, "gateway_unknown_deliveries", channel="email") is None


@given(st.lists(st.floats(0, 100_000), max_size=50))
def test_buckets_are_cumulative_and_hold_what_is_at_or_below_their_bound(values: list[float]) -> None:
    metrics = Metrics()
    metrics.delivery_seconds(SMS, values)
    found = {
        (name.rpartition("_")[2], dict(labels).get("le")): number
        for (name, labels), number in scraped(metrics).items()
        if name.startswith("gateway_delivery_seconds_") and ("channel", "sms") in labels
    }
    for bound in DELIVERY_BUCKETS_S:
        assert found["bucket", str(bound)] == sum(one <= bound for one in values)
    assert found["bucket", "+Inf"] == found["count", None] == len(values)
    assert found["sum", None] == pytest.approx(sum(values))


def test_buckets_span_what_is_promised() -> None:
    assert (SUBMIT_BUCKETS_S[0], SUBMIT_BUCKETS_S[-1]) == (0.005, 30)
    assert (DELIVERY_BUCKETS_S[0], DELIVERY_BUCKETS_S[-1]) == (1, 6 * 3600)
    assert 0.25 in FIRST_SUBMIT_BUCKETS_S  # the published goal
    for buckets in (SUBMIT_BUCKETS_S, DELIVERY_BUCKETS_S, FIRST_SUBMIT_BUCKETS_S):
        assert list(buckets) == sorted(set(buckets))


def test_two_gateways_in_one_process_do_not_share_numbers() -> None:
    used()
    fresh = Metrics()
    assert value(fresh, "gateway_sms_parts_submitted_total", bind="smsc-one") is None
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("gateway_")]


def test_the_answer_is_the_text_format_with_the_memory_of_the_process() -> None:
    body, content_type = used().render()
    assert content_type.startswith("text/plain; version=")
    assert b"\nprocess_resident_memory_bytes " in body
    assert b"_created" not in body

"""`gateway forecast`: when everybody would have been told, with these links and rates.

Knows: what can be asked, and how times are said. Never knows: how a dispatch goes (gateway.policy.rehearsal).
"""

import argparse
from collections.abc import Callable, Mapping
from math import inf, isfinite

from gateway.channels.voice_settings import VoiceSettings
from gateway.commands.console import Exit, as_json, say, table
from gateway.commands.numbers import whole
from gateway.model import ChannelName
from gateway.policy.rehearsal import Course, Load, Way, rehearse
from gateway.policy.retry import DEFAULT_RULES
from gateway.settings import EmailSection, SmsSection

EXAMPLES = """\
Nothing is read and nothing is sent: the dispatch is rehearsed, event by event. It knows links, rates, retries and the
planning of rows; it does not know how fast your machine is (`gateway bench` measures that: give it as --rate).

examples:
  gateway forecast --recipients 11000000 --binds 8 --window 100 --answer-ms 100 --rate 3000
  gateway forecast --recipients 250000 --parts 2 --voice 5 --again 20 --hours 6
  gateway forecast --recipients 1000000 --json
"""
HEADS = ("channel", "messages", "first", "half", "nine tenths", "all", "last answer", "too late", "held by")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    percent, many = whole(0, 100), whole(1, 1_000_000)

    def number(name: str, kind: Callable[[str], int], usual: int, meaning: str) -> None:
        parser.add_argument(name, type=kind, default=usual, metavar="N", help=f"{meaning} ({usual})")

    parser.add_argument(
        "--recipients", type=whole(1, 1_000_000_000), required=True, metavar="N", help="people to be reached"
    )
    for channel, usual in ((ChannelName.SMS, 100), (ChannelName.EMAIL, 100), (ChannelName.VOICE, 1)):
        number(f"--{channel}", percent, usual, f"of a hundred people, how many are reached by {channel}")
    number("--binds", whole(1, 10_000), 4, "SMPP binds, over all providers and nodes")
    number("--window", whole(1, 10_000), 100, "unanswered messages on each bind")
    number("--answer-ms", whole(1, 60_000), 50, "until an SMS is answered")
    number("--rate", many, int(SmsSection().rate_per_s), "SMS parts a second, over all nodes")
    number("--parts", whole(1, 10), 1, "parts of the SMS")
    number(
        "--mail-rate", many, int(EmailSection.model_fields["rate_per_s"].default), "e-mails a second, over all nodes"
    )
    number("--connections", whole(1, 10_000), 50, "SMTP connections")
    number("--mail-ms", whole(1, 60_000), 10, "that a mail takes on its connection")
    number("--starts-per-minute", many, VoiceSettings().max_starts_per_minute, "calls that may be started")
    number("--lines", many, 600, "calls at once")
    number("--call-s", whole(1, 3_600), 45, "of a call, with its ringing")
    number("--again", percent, 0, "of a hundred tries, how many have to be made again (busy, no answer, refused)")
    parser.add_argument("--hours", type=whole(1, 8_760), default=None, metavar="N", help="until the alert ends (never)")
    parser.add_argument("--json", action="store_true", help="one JSON object, times in seconds")


def run(options: argparse.Namespace) -> int:
    """Rehearse each channel and print what came out."""
    courses = {channel: rehearse(load) for channel, load in loads(options).items() if load.messages}
    messages = {channel: _share(options, channel) for channel in courses}
    if options.json:
        say(as_json({channel.value: _plain(course, messages[channel]) for channel, course in courses.items()}))
    else:
        say(*table(HEADS, [_row(channel, course, messages[channel]) for channel, course in courses.items()]))
    return Exit.DONE


def loads(options: argparse.Namespace) -> Mapping[ChannelName, Load]:
    """What each channel would have to do, and with what."""
    ends_s = options.hours * 3600.0 if options.hours is not None else inf
    bind = Way(window=options.window, answer_s=options.answer_ms / 1000)
    link = Way(window=1, answer_s=options.mail_ms / 1000)
    trunk = Way(window=options.lines, answer_s=float(options.call_s))
    means = {
        ChannelName.SMS: ([bind] * options.binds, options.rate, options.parts),
        ChannelName.EMAIL: ([link] * options.connections, options.mail_rate, 1),
        ChannelName.VOICE: ([trunk], options.starts_per_minute / 60, 1),
    }
    return {
        channel: Load(
            messages=_share(options, channel), ways=ways, rate_per_s=rate, units_each=units,
            again=options.again / 100, rules=DEFAULT_RULES[channel], ends_s=ends_s,
        )
        for channel, (ways, rate, units) in means.items()
    }  # fmt: skip


def _share(options: argparse.Namespace, channel: ChannelName) -> int:
    percent: int = getattr(options, channel.value)
    recipients: int = options.recipients
    return recipients * percent // 100


def _plain(course: Course, messages: int) -> dict[str, object]:
    half, most, everybody = (_finite(at) for at in course.started_s)
    return {
        "messages": messages, "first_s": _finite(course.first_s), "half_s": half, "nine_tenths_s": most,
        "all_s": everybody, "answered_s": _finite(course.answered_s), "too_late": course.too_late,
        "given_up": course.given_up, "held_by": course.held_by,
    }  # fmt: skip


def _finite(seconds: float) -> float | None:
    return round(seconds, 3) if isfinite(seconds) else None


def _row(channel: ChannelName, course: Course, messages: int) -> tuple[object, ...]:
    times = [in_words(at) for at in (course.first_s, *course.started_s, course.answered_s)]
    return (channel.value, messages, *times, course.too_late, course.held_by)


def in_words(seconds: float) -> str:
    """12.4 s, 37 min, 6 h 12 min, 2 d 8 h."""
    if not isfinite(seconds):
        return "never"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"

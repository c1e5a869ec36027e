"""`gateway bench`: reproducible capacity runs on this machine.

Knows: what can be measured, and what can be said about a run. Never knows: how (gateway.bench).
"""

import argparse
import re
from pathlib import Path

from gateway import bench
from gateway.bench.wanted import KINDS, Peer, Wanted
from gateway.commands.console import Exit, complain
from gateway.commands.numbers import whole

EXAMPLES = """\
Each run starts its own database, peers and gateway, and ends them; nothing leaves this machine. Close other programs
first: the figures are those of the machine as it is. Progress is on stderr, the result on stdout.

sms        messages a second from the first submission to the last durable receipt
email      mails a second, each recorded
voice      call starts in any sliding minute, with a backlog; before that, 600 calls' audio alone for ten seconds
all        500 SMS/s, 2,500 e-mails/s and 10 calls/s of a minute each together: what is held, and what it costs
ingest     alerts a second from the request to the committed answer, and checks a second on one core
targeting  people found in a city, a municipality and a country, and made into deliveries
feed       reads a second of the public feed, whole and "not modified"

examples:
  gateway bench sms
  gateway bench sms --recipients 500000 --binds 8 --peer 127.0.0.1:2775
  gateway bench all --seconds 600 --json > capacity.json
  gateway bench voice --no-media
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    usual = Wanted()
    parser.epilog = EXAMPLES
    parser.add_argument("what", choices=list(KINDS), help="what to measure; all: the three channels together")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument(
        "--recipients", type=whole(1, 50_000_000), default=0, metavar="N",
        help="messages to send, alerts to post, addresses to search (default: "
        + ", ".join(f"{name} {of.recipients:,}" for name, of in KINDS.items() if of.recipients) + ")",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=whole(1, 86_400), default=0, metavar="S",
        help="how long (default: "
        + ", ".join(f"{name} {of.seconds:g}" for name, of in KINDS.items() if of.seconds) + ")",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=whole(1, 1_000_000), default=None, metavar="N", help="sms, email: a second (default: unlimited)"
    )
    parser.add_argument(
        "--peer", type=_peer, default=None, metavar="HOST:PORT", help="sms, email: this SMSC or relay, not one of ours"
    )
    parser.add_argument(
        "--call-s", type=whole(1, 250), default=usual.call_s, metavar="S",
        help=f"voice, all: how long a call is played to ({usual.call_s})",
    )  # fmt: skip
    parser.add_argument(
        "--no-media", dest="media", action="store_false",
        help="voice, all: calls over a provider's API, which plays them (usually: over SIP, played by the gateway)",
    )  # fmt: skip
    parser.add_argument(
        "--tls-ca", type=Path, default=None, metavar="FILE",
        help="email: the relay at --peer speaks TLS, and its certificate is checked against FILE",
    )  # fmt: skip
    parser.add_argument("--binds", type=whole(1, 64), default=usual.binds, metavar="N", help=f"SMPP ({usual.binds})")
    parser.add_argument(
        "--window", type=whole(1, 10_000), default=usual.window, metavar="N", help=f"SMPP ({usual.window})"
    )
    parser.add_argument(
        "--connections", type=whole(1, 1_000), default=usual.connections, metavar="N",
        help=f"to the relay, and of the clients of ingest (at most 16) and feed (at most 32) ({usual.connections})",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.peer is not None and not KINDS[options.what].foreign:
        complain(f"--peer is for {', '.join(name for name, of in KINDS.items() if of.foreign)}")
        return Exit.UNREADABLE
    if options.tls_ca is not None and (options.what != "email" or options.peer is None):
        complain("--tls-ca is for email with a --peer")
        return Exit.UNREADABLE
    wanted = Wanted(
        recipients=options.recipients,
        seconds=options.seconds,
        rate_per_s=options.rate,
        peer=options.peer,
        tls_ca=options.tls_ca,
        binds=options.binds,
        window=options.window,
        connections=options.connections,
        call_s=options.call_s,
        media=options.media,
    )
    return bench.run(options.what, as_json=options.json, wanted=wanted)


def _peer(text: str) -> Peer:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", text)
    if found is None or not 0 < int(found[3]) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 127.0.0.1:2775")
    return Peer(found[1] or found[2], int(found[3]))

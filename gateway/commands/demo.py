"""`gateway demo`: the whole line on this machine, with simulators for whatever is outside.

Knows: the options. Never knows: what is shown (gateway.demo).
"""

import argparse
from pathlib import Path

from gateway import demo
from gateway.commands.numbers import port, whole

EXAMPLES = """\
Nothing leaves this machine: an embedded PostgreSQL, simulators for SMS, e-mail and voice, sample authorities and
contacts. DIR/demo.json says the addresses and tokens, so that you can post alerts of your own;
DIR/alert.xml is the alert of the demo.

exit codes with --once: 0 every delivery ended as the simulators were told, 1 not so

examples:
  gateway demo
  gateway demo --once --recipients 2000
  gateway demo --port 0 --data /tmp/demo
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("--once", action="store_true", help="end after the report")
    parser.add_argument(
        "--recipients", type=whole(1, 10_000_000), default=2000, metavar="N", help="people in the area (default: 2000)"
    )
    parser.add_argument("--port", type=port, default=8080, help="of the HTTP server; 0 picks one (default: 8080)")
    parser.add_argument(
        "--data", type=Path, default=Path(".gateway"), metavar="DIR", help="where it keeps its data (default: .gateway)"
    )


def run(options: argparse.Namespace) -> int:
    """Show it."""
    return demo.run(once=options.once, recipients=options.recipients, port=options.port, data=options.data)

"""`gateway bench`: reproducible capacity runs on this machine.

Knows: what can be measured. Never knows: how (gateway.bench).
"""

import argparse

from gateway import bench

KINDS = ("sms", "email", "voice", "all", "ingest", "targeting", "feed")
EXAMPLES = """\
Each run starts its own database and simulators; nothing leaves this machine. Close other programs first: the figures
are those of the machine as it is.

examples:
  gateway bench sms
  gateway bench all --json > capacity.json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("what", choices=KINDS, help="what to measure; all: the three channels together")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    return bench.run(options.what, as_json=options.json)

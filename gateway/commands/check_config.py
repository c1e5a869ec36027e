"""`gateway check-config`: the configuration as it will be used, or every mistake in it at once.

Knows: where a configuration lies. Never knows: what a setting means.
"""

import argparse
from pathlib import Path

from gateway.commands.console import Exit, say
from gateway.commands.database import settings_of
from gateway.settings import effective

EXAMPLES = """\
exit codes: 0 the configuration can be used, 2 it can not: every mistake is named

examples:
  gateway check-config
  gateway check-config /etc/cap-alert-gateway/gateway.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: as for gateway serve")


def run(options: argparse.Namespace) -> int:
    """Show the effective configuration, secrets hidden. Mistakes end in SettingsError."""
    say(effective(settings_of(options.file)).rstrip("\n"))
    return Exit.DONE

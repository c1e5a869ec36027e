"""`gateway serve`: one node, until it is told to stop.

Knows: which roles a node may have. Never knows: how it is built (gateway.app).
"""

import argparse

from gateway import app
from gateway.commands.console import Exit, complain
from gateway.commands.database import config_argument, settings_of
from gateway.log import errors_unbuffered
from gateway.settings import Role

EXAMPLES = """\
Several nodes share one PostgreSQL; each may have roles of its own.

examples:
  gateway serve --config /etc/cap-alert-gateway/gateway.toml
  gateway serve --roles api,feed
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    config_argument(parser)
    parser.add_argument(
        "--roles",
        type=_roles,
        default=frozenset(),
        metavar="ROLE,...",
        help=f"what this node does, of {', '.join(Role)} (default: as configured)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    errors_unbuffered()
    try:
        return app.serve(settings_of(options.config), options.roles)
    except OSError as error:  # a port that is taken, a file that can not be read
        complain(error.strerror or str(error))
        return Exit.UNREADABLE


def _roles(text: str) -> frozenset[str]:
    words = frozenset(filter(None, text.split(",")))
    unknown = sorted(words - frozenset(Role))
    if unknown or not words:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is no role; there are {', '.join(Role)}")
    return words

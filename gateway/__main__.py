"""The `gateway` command: finds the sub-command, hands it its arguments, and turns errors into exit codes.

Knows: the names of the sub-commands and which module holds each.
Never knows: what any of them does, a rule about alerts.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

from gateway.commands.console import Exit, complain
from gateway.errors import SchemaError, SettingsError, StoreUnavailable


class Command(NamedTuple):
    """Where a sub-command lives, and its line in `gateway --help`."""

    module: str
    summary: str


# a table of names, so that `gateway validate` starts without loading the server's libraries
COMMANDS: Mapping[str, Command] = {
    "demo": Command("demo", "show the whole line with simulators: the place to start"),
    "serve": Command("serve", "run one node"),
    "migrate": Command("migrate", "bring the database's schema forward"),
    "check-config": Command("check_config", "show the effective configuration, or every mistake in it"),
    "validate": Command("validate", "check CAP files"),
    "sign": Command("sign", "sign a CAP alert"),
    "verify": Command("verify", "verify the signatures of a CAP alert"),
    "campaign": Command("campaign", "campaigns: forecast, list the open ones, pause, resume, stop, approve"),
    "forecast": Command("forecast", "rehearse a dispatch of any size: when each channel would be done"),
    "report": Command("report", "print a campaign's report"),
    "cost": Command("cost", "prices, prepaid units, statements"),
    "entity": Command("entity", "authorities: create, change, list, show"),
    "person": Command("person", "persons: members, roles, mandates, invitations"),
    "session": Command("session", "where persons are signed in: list, end"),
    "partnership": Command("partnership", "neighbourhood partnerships: people, groups, agreement"),
    "template": Command("template", "prepared alerts: keep, list, preview, launch"),
    "terms": Command("terms", "terms of use and notices: publish, list, answer"),
    "declaration": Command("declaration", "what senders declared of their messages' use; breaches"),
    "token": Command("token", "credentials: create, list, revoke"),
    "group": Command("group", "groups of contacts: create, list, add"),
    "suppressed": Command("suppressed", "e-mail addresses that only urgent alerts still go to"),
    "mailbox": Command("mailbox", "who may send alerts by mail, and what became of each mail"),
    "source": Command("source", "feeds of others: read, trust, pause"),
    "citizen": Command("citizen", "registered citizens: show or erase one who asks"),
    "webhook": Command("webhook", "systems of an entity that are told what happens"),
    "contact": Command("contact", "contacts of an entity: list, find, remove, export"),
    "import": Command("imports", "read contacts, territories and geocodes from files"),
    "ask": Command("ask", "every act of the HTTP API, in the name of whoever holds the token"),
    "audit": Command("audit", "the record of who did what: verify, list"),
    "voice": Command("voice", "hear an announcement before people do"),
    "simulate": Command("simulate", "run one simulator alone"),
    "bench": Command("bench", "measure capacity on this machine"),
}
EPILOG = """\
exit codes:
  0  done
  1  done, and the answer is no: errors found, rows refused, no such thing
  2  can not be read: arguments, configuration, files
  3  the database can not be reached, or has another schema
  130  interrupted

`gateway COMMAND --help` shows the options of a command, with examples.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Wrong arguments end in SystemExit(2), as argparse has it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), None)
    options = _parser(chosen).parse_args(words)
    try:
        code: int = importlib.import_module(f"gateway.commands.{COMMANDS[options.command].module}").run(options)
    except SettingsError as error:
        complain("the configuration is wrong:", *(f"  {mistake}" for mistake in error.mistakes))
        return Exit.UNREADABLE
    except (StoreUnavailable, SchemaError) as error:
        complain(str(error))
        return Exit.NO_DATABASE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of our output is gone: `gateway ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NO
    return code


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of all commands; only the chosen one's module is loaded, for its arguments."""
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="CAP alerts in; SMS, voice and e-mail out; tracked, reported, published.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gateway {version('cap-alert-gateway')}")
    if chosen is not None and chosen not in COMMANDS:
        near = difflib.get_close_matches(chosen, COMMANDS, n=1)
        parser.error(f"there is no command {chosen!r}" + (f"; did you mean {near[0]}?" if near else ": see --help"))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        below = commands.add_parser(
            name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            importlib.import_module(f"gateway.commands.{command.module}").arguments(below)
    return parser


if __name__ == "__main__":
    sys.exit(main())

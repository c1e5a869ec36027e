"""`gateway validate`: the same check as at intake, on files.

Knows: how findings are shown, and which exit code they become. Never knows: a rule about alerts.
"""

import argparse
from datetime import UTC, datetime

from gateway.cap.check import Verdict, check
from gateway.cap.findings import Finding
from gateway.cap.parse import Limits
from gateway.cap.profiles import demands_of
from gateway.commands.console import Exit, as_json, complain, read_file, say

EXAMPLES = """\
exit codes: 0 no error, 1 errors found, 2 a file could not be read (absent, or no well-formed XML)

examples:
  gateway validate alert.xml
  gateway validate --lenient --json inbox/*.xml
  curl -s https://example.org/alert.xml | gateway validate -
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("files", nargs="+", metavar="FILE", help="a CAP alert as XML; - reads from stdin")
    parser.add_argument("--lenient", action="store_true", help="accept what alerts of others often get wrong")
    parser.add_argument("--profile", metavar="NAME", help="also hold the alert against this profile")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")


def run(options: argparse.Namespace) -> int:
    """Check every file; the worst answer is the exit code."""
    try:
        demands_of(options.profile)
    except ValueError as error:
        complain(str(error))
        return Exit.UNREADABLE
    return max(_validate(name, options) for name in options.files)


def _validate(name: str, options: argparse.Namespace) -> int:
    raw = read_file(name, Limits().max_bytes)
    if raw is None:
        return Exit.UNREADABLE
    verdict = check(raw, lenient=options.lenient, profile=options.profile, received_at=datetime.now(UTC))
    say(as_json(_record(name, verdict)) if options.json else _text(name, verdict))
    if not verdict.well_formed:
        return Exit.UNREADABLE
    return Exit.DONE if verdict.valid else Exit.NO


def _record(name: str, verdict: Verdict) -> dict[str, object]:
    return {
        "file": name,
        "valid": verdict.valid,
        "version": verdict.version,
        "identifier": verdict.identifier,
        "findings": [finding._asdict() for finding in verdict.findings],
    }


def _text(name: str, verdict: Verdict) -> str:
    """The verdict in one line, then a line for each finding, in the order of the document."""
    errors = sum(finding.severity == "error" for finding in verdict.findings)
    others = len(verdict.findings) - errors
    head = "valid" if verdict.valid else "not valid"
    about = f"CAP {verdict.version}" if verdict.version else "no CAP alert"
    counted = ", ".join(_counted(number, word) for number, word in ((errors, "error"), (others, "remark")) if number)
    lines = [f"{name}: {head} ({', '.join(filter(None, (about, counted)))})"]
    return "\n".join(lines + [_line(finding) for finding in verdict.findings])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _line(finding: Finding) -> str:
    place = f"line {finding.line}" if finding.line else "-"
    clause = f" [{finding.clause}]" if finding.clause else ""
    return f"  {place:<10} {finding.severity:<8} {finding.id:<5} {finding.element}: {finding.message}{clause}"

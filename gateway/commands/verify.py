"""`gateway verify`: whether an alert is what the holder of a trusted certificate signed.

Knows: how a verdict is shown, and which exit code it becomes. Never knows: how a signature is verified.
"""

import argparse
from dataclasses import asdict
from datetime import UTC, datetime

from gateway.cap.parse import Limits
from gateway.cap.signature import Signature, SignatureVerdict, verify
from gateway.cap.trust import Trust
from gateway.commands.console import Exit, as_json, complain, read_file, say

EXAMPLES = """\
What the alert says of its key is not believed: only keys of the certificates in --trust count. A certificate that may
certify others (a CA) also stands for those it certified. With several signatures none may be broken.

exit codes: 0 trusted, 1 not signed or not trusted, 2 a file could not be read (absent, or no CAP alert)

examples:
  gateway verify --trust authority.pem alert.xml
  gateway verify --trust old.pem --trust new.pem --json alert.xml
  gateway verify --trust authority.pem --at 2026-03-01T12:00:00+01:00 archived.xml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", metavar="IN", help="a CAP alert as XML; - reads from stdin")
    help_ = "certificates in PEM form; may be given several times"
    parser.add_argument("--trust", metavar="FILE", action="append", required=True, help=help_)
    help_ = "when the alert was received (RFC 3339); certificates are held against this time; default: now"
    parser.add_argument("--at", metavar="TIME", type=_moment, help=help_)
    parser.add_argument("--allow-sha1", action="store_true", help="also take signatures with SHA-1")
    parser.add_argument("--json", action="store_true", help="the verdict as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Say what the signatures are worth."""
    trust = _trust(options.trust)
    raw = read_file(options.file, Limits().max_bytes)
    if trust is None or raw is None:
        return Exit.UNREADABLE
    verdict = verify(raw, trust=trust, at=options.at or datetime.now(UTC), allow_sha1=options.allow_sha1)
    say(as_json(_record(options.file, verdict)) if options.json else _text(options.file, verdict))
    if not verdict.readable:
        return Exit.UNREADABLE
    return Exit.DONE if verdict.trusted else Exit.NO


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 2026-03-01T12:00:00+01:00") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset from UTC; write it as 2026-03-01T12:00:00+01:00")
    return moment


def _trust(names: list[str]) -> Trust | None:
    contents: list[bytes] = []
    for name in names:
        content = read_file(name, Limits().max_bytes)
        if content is None:
            return None
        contents.append(content)
        try:
            trust = Trust.from_pem(*contents)
        except ValueError as error:
            complain(f"{name}: {error}")
            return None
    return trust


def _record(name: str, verdict: SignatureVerdict) -> dict[str, object]:
    return {
        "file": name,
        "signed": verdict.signed,
        "trusted": verdict.trusted,
        "signatures": [{"ok": one.ok, **asdict(one)} for one in verdict.signatures],
        "findings": [finding._asdict() for finding in (*verdict.refusals, *verdict.findings)],
    }


def _text(name: str, verdict: SignatureVerdict) -> str:
    """The verdict in one line, then two lines for each signature."""
    if not verdict.readable:
        return "\n".join([f"{name}: can not be read", *(f"  {finding.message}" for finding in verdict.refusals)])
    head = "trusted" if verdict.trusted else "signed, not trusted" if verdict.signed else "not signed"
    return "\n".join([f"{name}: {head}", *map(_lines, verdict.signatures)])


def _lines(signature: Signature) -> str:
    place = f"line {signature.line}" if signature.line else "-"
    state = "counts" if signature.ok else str(signature.reason)
    line = f"  {place:<10} {state:<16} {signature.algorithm or '-'}: {signature.words}"
    if not signature.ok or signature.not_after is None:
        return line
    return f"{line}\n  {'':<10} certificate {signature.fingerprint}, until {signature.not_after:%Y-%m-%d}"

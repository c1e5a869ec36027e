"""The whole check of one alert: bytes in, verdict out.

Knows: the order in which the parts of the kit are asked. Never knows: who sent the bytes, and what they may do.
Standard: CAP 1.2, 1.1 and 1.0.

A pure function of its arguments, and everything in and out pickles, so that a gateway can run it in a process of its
own: a fault of the C library under it then costs one answer and not the service.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from gateway.cap import draft as drafts
from gateway.cap import profiles, repair, rules, schema
from gateway.cap.build import build
from gateway.cap.draft import Draft
from gateway.cap.findings import Finding, error
from gateway.cap.model import CapAlert, Version
from gateway.cap.parse import Limits, is_signed, parse_tree, version_of, wrong_root
from gateway.cap.rules_message import Context

_MOST_MENDED = 1_000
"""A document with more faults than this is refused by a lenient check, too: each look at them costs time."""

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of a document.

    `valid`: no finding is an error. `well_formed`: it is XML within the limits. `readable`: it also has a CAP root.
    `identifier`, `sender` and `sent` are as written, also when the alert is refused. `signed` says that a signature is
    there and nothing of its worth. `alert` is there exactly when `valid`. `findings` are in the order of the document.
    """

    valid: bool
    well_formed: bool
    readable: bool
    version: Version | None = None
    identifier: str | None = None
    sender: str | None = None
    sent: str | None = None
    signed: bool = False
    alert: CapAlert | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which the document is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


# CAP 1.2 §4.4: a consumer takes every conforming message, and 1.1 and 1.0 are processed as well
def check(
    raw: bytes,
    *,
    lenient: bool = False,
    profile: str | None = None,
    limits: Limits = _DEFAULT_LIMITS,
    received_at: datetime | None = None,
) -> Verdict:
    """Everything that can be said of these bytes as a CAP alert. Never raises on any bytes.

    Strict is for authorities that send to us; `lenient` is for feeds we read: slips with one possible meaning are
    mended and said as warnings. `profile` names a table of profiles.py, whose findings are added (ValueError when there
    is none of that name). Without `received_at` (aware) nothing is said of clocks and expiry.
    """
    demanded = profiles.demands_of(profile)
    parsed = parse_tree(raw, limits)
    root = parsed.root
    if root is None:
        return Verdict(valid=False, well_formed=parsed.well_formed, readable=False, findings=parsed.findings)
    foreign = wrong_root(root)
    version = version_of(root) or (repair.adopt_root(root) if lenient else None)
    if version is None:
        return Verdict(valid=False, well_formed=True, readable=False, findings=(foreign,) if foreign else ())
    slips = [_as_slip(foreign)] if foreign else []
    signed = is_signed(root)
    found = slips + _schema_findings(root, version, lenient=lenient, most=limits.findings)
    draft = drafts.read(root, version, lenient=lenient)
    context = _context(limits, received_at)
    found += rules.ask(draft, context)
    found += profiles.ask(demanded, draft, context)
    return _verdict(draft, found, signed=signed, most=limits.findings)


def _schema_findings(root: etree._Element, version: Version, *, lenient: bool, most: int) -> list[Finding]:
    """Nothing for a valid tree. A lenient check mends the tree in place; what is mended is said as a warning."""
    came = schema.judge(root, version)
    if came.valid:
        return []
    said = schema.explain(root, version, came, most=most)
    if not lenient or len(came.log) > _MOST_MENDED:
        return list(said)
    repair.mend(root, version)
    mended = schema.judge(root, version)
    left = () if mended.valid else schema.explain(root, version, mended, most=most)
    still = {(finding.id, finding.line) for finding in left}
    return [*left, *(_as_slip(finding) for finding in said if (finding.id, finding.line) not in still)]


def _as_slip(finding: Finding) -> Finding:
    return finding._replace(severity="warning", message=f"{finding.message}. It was read as if this had been done")


def _context(limits: Limits, received_at: datetime | None) -> Context:
    return Context(
        received_at=received_at,
        clock_ahead_s=limits.clock_ahead_s,
        replay_s=limits.replay_s,
        resource_bytes=limits.resource_bytes,
    )


def _verdict(draft: Draft, found: Iterable[Finding], *, signed: bool, most: int) -> Verdict:
    # CAP 1.2 §4.2: a message conforms when the schema and the rules of section 3 have nothing against it
    # findings about the whole alert stand at its first line, so the sort keeps them in front
    findings = sorted(dict.fromkeys(found), key=lambda finding: finding.line or 0)
    valid = not any(finding.severity == "error" for finding in findings)
    alert = build(draft) if valid else None
    if valid and alert is None:
        findings.append(error("X15", "the alert can not be read; check its code values and times", "CAP 1.2 §3.2"))
    identifier, sender, sent = (draft.leaf(name) for name in ("identifier", "sender", "sent"))
    return Verdict(
        valid=alert is not None,
        well_formed=True,
        readable=True,
        version=draft.version,
        identifier=identifier.value if identifier else None,
        sender=sender.value if sender else None,
        sent=sent.value if sent else None,
        signed=signed,
        alert=alert,
        findings=_shortened(findings, most),
    )


def _shortened(findings: list[Finding], most: int) -> tuple[Finding, ...]:
    """At most `most` findings, errors before all others."""
    if len(findings) <= most:
        return tuple(findings)
    kept = sorted(findings, key=lambda finding: finding.severity != "error")[:most]
    return tuple(sorted(kept, key=lambda finding: finding.line or 0))

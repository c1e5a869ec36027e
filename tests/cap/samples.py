"""Alerts for tests: a good one, ways to change it, and where the corpora are."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.cap.check import Verdict, check

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus" / "cap"
SHARED = Path(os.environ.get("GATEWAY_SHARED", ROOT.parent / "shared"))
REAL = SHARED / "cap" / "real"
OTHER_SCHEMAS = SHARED / "cap" / "xsd"
BASIC = (CORPUS / "valid" / "basic.xml").read_text()

POLYGON = "51.0500,3.7100 51.0600,3.7100 51.0600,3.7300 51.0500,3.7300 51.0500,3.7100"
SHAPE = f"<polygon>{POLYGON}</polygon>"
INFO = BASIC[BASIC.index("<info>") : BASIC.index("</info>") + len("</info>")]
RESOURCE = "<resource><resourceDesc>kaart</resourceDesc><mimeType>image/png</mimeType>{}</resource>"
OWN_REFERENCE = "ops@crisis.example.be,BE-GW-2026-000001,2026-03-01T09:00:00+01:00"


class Case(NamedTuple):
    """One file of a corpus and the verdict that its list gives."""

    path: Path
    name: str
    rules: tuple[str, ...]
    expected: str


def cases(folder: Path) -> list[Case]:
    """The files of a corpus that are single alerts."""
    with (folder / "MANIFEST.tsv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    return [
        Case(folder / row["file"], row["file"], tuple((row.get("rule") or "").split()), row["expected"]) for row in rows
    ]


def edited(*changes: tuple[str, str], text: str = BASIC) -> bytes:
    """The good alert with each first text replaced by the second, which must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def before(element: str, addition: str) -> tuple[str, str]:
    """A change that puts something before the first element of this name."""
    return (f"<{element}>", f"{addition}<{element}>")


def update(references: str, kind: str = "Update") -> bytes:
    """The good alert as an answer to others."""
    return edited(("<msgType>Alert", f"<msgType>{kind}"), before("info", f"<references>{references}</references>"))


def findings(verdict: Verdict) -> set[tuple[str, str]]:
    """(id, severity) of every finding."""
    return {(finding.id, finding.severity) for finding in verdict.findings}


def found(*changes: tuple[str, str], lenient: bool = False) -> set[tuple[str, str]]:
    """What a check of the changed alert says."""
    return findings(check(edited(*changes), lenient=lenient))


def in_version(version: str, text: str = BASIC) -> str:
    """The alert in another version's namespace, as far as that is only a matter of names."""
    namespace = {"1.0": "http://www.incident.com/cap/1.0", "1.1": "urn:oasis:names:tc:emergency:cap:1.1"}[version]
    text = text.replace("urn:oasis:names:tc:emergency:cap:1.2", namespace)
    if version == "1.0":
        text = text.replace("    <responseType>Shelter</responseType>\n", "").replace(">Observed<", ">Likely<")
    return text


def real_alerts() -> Iterator[Path]:
    """Real alerts, when the corpus is on this machine."""
    for name in ("valid", "invalid", "nonconformant", "partial"):
        yield from sorted((REAL / name).glob("*")) if REAL.is_dir() else ()

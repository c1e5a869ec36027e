import pytest

from gateway.cap.check import check
from gateway.cap.write import write
from tests.cap.samples import BASIC, INFO, RESOURCE, SHAPE, before, edited, findings, in_version

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'


def said(raw: bytes) -> set[tuple[str, str]]:
    """What the lenient check says of something that the strict one refuses."""
    assert not check(raw).valid
    verdict = check(raw, lenient=True)
    assert verdict.valid, verdict.errors
    return findings(verdict)


def test_what_is_right_is_left_alone() -> None:
    assert check(BASIC.encode(), lenient=True) == check(BASIC.encode())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (before("status", "<scope>Public</scope>"), "X2"),
        (before("polygon", "<circle>50,4 1</circle>"), "X14"),
        (before("headline", "<instruction>x</instruction>"), "X2"),
        (("Shelter", "shelter"), "X8"),
        (("Observed", "Very Likely"), "X8"),
        (("Public", " public "), "X5"),
        (("nl-BE", "nl_BE"), "X9"),
        (("T14:00:00+01:00", "T13:00:00Z"), "X4"),
        (("T14:00:00+01:00", "T13:00:00.5"), "X4"),
        (before("headline", "<onset/>"), "X4"),
        (before("info", "<priority>1</priority>"), "X15"),
        (("<status>", "<status a='1'>"), "X1"),
        (("<info>", "<info>text"), "X15"),
        (("<scope>", '<scope xmlns="urn:oasis:names:tc:emergency:cap:1.1">'), "X1"),
        (("<info>", SIGNATURE + "<info>"), "X15"),
        (("<areaDesc>Gent centrum</areaDesc>", ""), "X14"),
        (
            before(
                "area", RESOURCE.format("<uri>https://x.example</uri>").replace("<mimeType>image/png</mimeType>", "")
            ),
            "X13",
        ),
        (("</area>", "<altitude></altitude></area>"), "X14"),
    ],
)
def test_a_slip_with_one_meaning_is_mended_and_said(change: tuple[str, str], rule: str) -> None:
    changes = [change]
    if change[1].startswith("<scope>"):
        changes.append(("<msgType>Alert</msgType>\n  <scope>Public</scope>", "<msgType>Alert</msgType>"))
    if change[1].startswith("<instruction>"):
        changes.append(("<instruction>Sluit ramen en deuren. Blijf binnen.</instruction>", ""))
    assert (rule, "warning") in said(edited(*changes))


@pytest.mark.parametrize("namespace", ["", f"{NAMESPACE}/", "http://www.incident.com/cap/1.2", "CAP:1.2"])
def test_a_namespace_that_only_looks_like_cap_is_taken_for_it(namespace: str) -> None:
    verdict = check(edited((NAMESPACE, namespace)), lenient=True)
    assert findings(verdict) >= {("X1", "warning")}
    assert verdict.version == "1.2"
    assert verdict.valid


def test_a_sloppy_namespace_names_its_version() -> None:
    raw = edited(("urn:oasis:names:tc:emergency:cap:1.1", "http://www.incident.com/cap/1.1"), text=in_version("1.1"))
    assert check(raw, lenient=True).version == "1.1"


@pytest.mark.parametrize("namespace", ["http://www.w3.org/2005/Atom", "urn:x"])
def test_any_other_namespace_is_no_alert(namespace: str) -> None:
    assert not check(edited((NAMESPACE, namespace)), lenient=True).readable


def test_a_signature_of_1_1_is_set_aside() -> None:
    raw = in_version("1.1").replace("</alert>", SIGNATURE + "</alert>").encode()
    assert said(raw) >= {("X15", "warning")}
    assert check(raw, lenient=True).signed


@pytest.mark.parametrize(
    "change",
    [
        ("<scope>Public</scope>", ""),
        ("<sender>ops@crisis.example.be</sender>", ""),
        ("<event>Brand</event>", ""),
        ("Severe", "Bad"),
        ("T10:00:00+01:00", "yesterday"),
        ("<headline>", "<headline>x</headline><headline>"),
        ("<headline>", "<headline><b>x</b>"),
        (SHAPE, "<polygon>91,3 91,4 89,4 91,3</polygon>"),
        ("<status>Actual</status>", "<status>Actual</status><status>Test</status>"),
    ],
)
def test_what_would_need_a_guess_is_not_mended(change: tuple[str, str]) -> None:
    assert not check(edited(change), lenient=True).valid


def test_everything_at_once_is_the_alert_that_was_meant() -> None:
    headline = "<headline>Rook: sluit ramen en deuren</headline>"
    raw = edited(
        (headline, ""),
        ("<event>", f"{headline}<event>"),
        ("T14:00:00+01:00", "T13:00:00Z"),
        ("<status>Actual", "<status>actual"),
        before("info", "<x:y xmlns:x='u:x'/>"),
    )
    meant, mended = check(BASIC.encode()).alert, check(raw, lenient=True).alert
    assert meant is not None
    assert mended is not None
    assert write(mended).replace(b"T13:00:00-00:00", b"T14:00:00+01:00") == write(meant)


def test_a_document_of_nothing_but_faults_is_refused_without_mending() -> None:
    raw = edited((INFO, INFO.replace("<urgency>", "<responseType>x</responseType>" * 1_100 + "<urgency>")))
    assert not check(raw, lenient=True).valid

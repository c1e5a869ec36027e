import base64
import hashlib

import pytest

from gateway.cap.check import check
from gateway.cap.parse import Limits
from gateway.cap.rules_resource import content_of
from tests.cap.samples import RESOURCE, before, edited, findings, found

CONTENT = b"voorbeeld inhoud"
PACKED = base64.b64encode(CONTENT).decode()
SHA1 = hashlib.sha1(CONTENT).hexdigest()
URI = "<uri>https://example.be/a.png</uri>"


def said(inner: str, *changes: tuple[str, str]) -> set[tuple[str, str]]:
    resource = RESOURCE.format(inner)
    for old, new in changes:
        assert old in resource
        resource = resource.replace(old, new)
    return found(before("area", resource))


def test_a_good_resource_has_no_finding() -> None:
    assert said(f"<size>16</size>{URI}<digest>{SHA1}</digest>") == set()


@pytest.mark.parametrize("change", [("kaart", " "), ("image/png", "")])
def test_blank_required_text_is_refused(change: tuple[str, str]) -> None:
    assert said(URI, change) == {("S20", "error")}


def test_an_address_is_a_full_one() -> None:
    assert said("<uri>a.png</uri>") == {("S24", "error")}
    assert said("<uri>ftp://example.be/a.png</uri>") == {("S24", "policy")}


def test_a_relative_address_may_name_content_that_is_carried() -> None:
    assert said(f"<uri>a.png</uri><derefUri>{PACKED}</derefUri>") == {("S25", "policy")}


def test_a_resource_that_is_nowhere_is_said() -> None:
    assert said("") == {("S24", "warning")}


@pytest.mark.parametrize("text", ["@@@", "abc", "data:image/png;base64,AAAA", "AAAA=A"])
def test_content_that_is_not_base64_is_refused(text: str) -> None:
    assert said(f"<derefUri>{text}</derefUri>") == {("S25", "error"), ("S25", "policy")}


def test_content_may_be_broken_into_lines() -> None:
    assert said(f"<derefUri>\n{PACKED[:8]}\n {PACKED[8:]}</derefUri><digest>{SHA1.upper()}</digest>") == {
        ("S25", "policy")
    }


def test_content_above_the_limit_is_not_unpacked() -> None:
    raw = edited(before("area", RESOURCE.format(f"<derefUri>{PACKED}</derefUri>")))
    assert ("S25", "error") in findings(check(raw, limits=Limits(resource_bytes=10)))
    assert content_of(PACKED, most_bytes=16) == CONTENT
    assert content_of(PACKED * 100, most_bytes=16) is None


@pytest.mark.parametrize("text", ["zzz", SHA1[:-1], SHA1 + "0", hashlib.sha256(CONTENT).hexdigest()])
def test_a_digest_that_is_no_sha1_is_refused(text: str) -> None:
    assert said(f"{URI}<digest>{text}</digest>") == {("S26", "error")}


def test_a_digest_of_something_else_is_refused() -> None:
    assert said(f"<derefUri>{PACKED}</derefUri><digest>{'0' * 40}</digest>") == {("S25", "policy"), ("S26", "error")}


def test_a_negative_size_is_refused() -> None:
    assert said(f"<size>-5</size>{URI}") == {("S27", "error")}


def test_a_size_that_is_not_that_of_the_content_is_said() -> None:
    assert said(f"<size>17</size><derefUri>{PACKED}</derefUri>") == {("S25", "policy"), ("S27", "warning")}
    assert said(f"<size>16</size><derefUri>{PACKED}</derefUri>") == {("S25", "policy")}


@pytest.mark.parametrize("text", ["png", "image/", "/png", "image/png/x", "image png", "image/p ng"])
def test_a_type_that_is_no_media_type_is_refused(text: str) -> None:
    assert said(URI, ("image/png", text)) == {("S28", "error")}


@pytest.mark.parametrize("text", ["text/html; charset=utf-8", 'text/x; a="b c"', "application/cap+xml", "Text/Html"])
def test_a_media_type_may_have_parameters(text: str) -> None:
    assert said(URI, ("image/png", text)) == set()


def test_every_slip_of_a_resource_is_a_warning_in_a_feed() -> None:
    inner = "<size>-5</size><uri>a b</uri><digest>zzz</digest>"
    verdict = check(edited(before("area", RESOURCE.format(inner).replace("image/png", "png"))), lenient=True)
    assert verdict.valid
    assert {rule for rule, _ in findings(verdict)} == {"S24", "S26", "S27", "S28"}

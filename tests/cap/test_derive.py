"""The published form: untouched where nothing has to go; elsewhere every other character stays."""

import base64
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.cap.check import check
from gateway.cap.derive import Attachment, derive
from gateway.cap.model import CapAlert, CapResource
from gateway.cap.write import write
from tests.cap.made import alerts
from tests.cap.mutations import mutate_bytes
from tests.cap.samples import BASIC, REAL, RESOURCE, before, edited, real_alerts
from tests.cap.signed import signed_by_hand

PNG = base64.b64encode(b"\x89PNG").decode()
DEREF = RESOURCE.format(f"<derefUri>{PNG}</derefUri>")
SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo/></Signature>'
US = "https://alerts.example/r/"


def new_uri(number: int) -> str:
    return f"{US}{number}?a&b"


def published(*changes: tuple[str, str]) -> str:
    found = derive(edited(*changes), new_uri)
    assert found is not None and found.changed
    return found.body.decode()


def test_what_needs_no_change_keeps_its_bytes_and_its_signature() -> None:
    signed = edited(("</alert>", f"{SIGNATURE}</alert>"))
    for raw, is_signed in ((BASIC.encode(), False), (signed, True), (BASIC.encode("utf-16"), False)):
        found = derive(raw, new_uri)
        assert found is not None
        assert (found.body, found.changed, found.signed) == (raw, False, is_signed)


def test_a_content_becomes_an_address_in_its_place() -> None:
    text = published(before("area", DEREF))
    assert "derefUri" not in text and PNG not in text
    assert RESOURCE.format(f"<uri>{US}0?a&amp;b</uri>") in text


def test_everything_outside_the_cuts_stays_as_it_is() -> None:
    raw = edited(before("area", RESOURCE.format("<derefUri>QUJD</derefUri>\n   <digest>0</digest>"))).decode()
    found = derive(raw.encode())
    assert found is not None
    head, body = found.body.decode().split("?>", 1)
    assert head == '<?xml version="1.0" encoding="UTF-8"'
    assert body == raw.split("?>", 1)[1].replace("<derefUri>QUJD</derefUri>", "")


def test_a_full_uri_stays_and_a_relative_one_gives_way() -> None:
    full = RESOURCE.format(f"<uri>https://a.example/x</uri><derefUri>{PNG}</derefUri>")
    assert "<uri>https://a.example/x</uri></resource>" in published(before("area", full))
    relative = RESOURCE.format(f"<uri>map.png</uri><derefUri>{PNG}</derefUri>")
    assert f"<uri>{US}0?a&amp;b</uri></resource>" in published(before("area", relative))


def test_a_content_that_is_no_base64_goes_without_an_address() -> None:
    text = published(before("area", RESOURCE.format("<derefUri>!!!</derefUri>")))
    assert "derefUri" not in text and US not in text
    assert "derefUri" not in published(before("area", RESOURCE.format("<derefUri/>")))


def test_contents_are_handed_out_decoded_in_their_order() -> None:
    wrapped = PNG[:2] + "\n  " + PNG[2:]
    raw = edited(before("area", DEREF + RESOURCE.format("<derefUri>*</derefUri>") + DEREF.replace(PNG, wrapped)))
    found = derive(raw, new_uri)
    assert found is not None
    assert found.attachments == (Attachment("image/png", b"\x89PNG"), None, Attachment("image/png", b"\x89PNG"))
    assert f"{US}2?" in found.body.decode() and f"{US}1?" not in found.body.decode()


def test_a_signature_goes_when_what_it_signed_has_changed() -> None:
    text = published(before("area", DEREF), ("</alert>", f"{SIGNATURE}</alert>"))
    assert "Signature" not in text
    assert check(text.encode()).valid


def test_instructions_go_wherever_they_stand() -> None:
    raw = edited(("<alert", '<?xml-stylesheet href="evil.xsl"?><alert'), before("info", "<?php echo 1 ?>"))
    found = derive(raw + b"\n<?end?>")
    assert found is not None
    assert found.body.count(b"<?") == 1 and found.body.startswith(b"<?xml ")


def test_prefixes_attributes_and_empty_elements_are_seen_through() -> None:
    text = BASIC.replace("<area>", RESOURCE.format(f"<derefUri >{PNG}</derefUri\n>") + "<area>")
    prefixed = etree.tostring(etree.fromstring(text.encode()))
    root = etree.fromstring(prefixed)
    other = etree.Element(root.tag, nsmap={"c": etree.QName(root).namespace})
    other.extend(list(root))
    found = derive(etree.tostring(other), new_uri)
    assert found is not None and b"derefUri" not in found.body
    assert b"<c:uri>" in found.body or b"<uri>" in found.body
    assert check(found.body).valid


def test_a_name_like_ours_in_another_namespace_stays() -> None:
    raw = edited(before("area", RESOURCE.format(f'<derefUri xmlns="urn:x">{PNG}</derefUri>')))
    found = derive(raw)
    assert found is not None and not found.changed


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"no xml", b"<alert>", b"<!DOCTYPE alert><alert/>",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b"<a>&e;</a>", b"\xff\xfe", b"<a>\x00</a>", b"<p:a/>",
    ],
)  # fmt: skip
def test_what_is_no_plain_xml_is_not_published(raw: bytes) -> None:
    assert derive(raw) is None


def _stripped(alert: CapAlert) -> CapAlert:
    bare = [tuple(replace(one, deref_uri="", uri="") for one in info.resource) for info in alert.info]
    infos = tuple(replace(info, resource=parts) for info, parts in zip(alert.info, bare, strict=True))
    return replace(alert, info=infos)


@given(alerts(), st.lists(st.binary(min_size=1, max_size=40), max_size=3))
def test_only_contents_differ_between_what_came_and_what_is_published(alert: CapAlert, contents: list[bytes]) -> None:
    parts = tuple(
        CapResource(resource_desc="r", mime_type="text/plain", deref_uri=base64.b64encode(content).decode())
        for content in contents
    )
    infos = tuple(replace(info, resource=info.resource + parts) for info in alert.info)
    raw = write(replace(alert, info=infos))
    found = derive(raw, new_uri)
    assert found is not None
    before_, after = check(raw).alert, check(found.body).alert
    assert before_ is not None and after is not None
    assert _stripped(after) == _stripped(before_)
    assert all(not one.deref_uri for info in after.info for one in info.resource)
    assert [one.content for one in found.attachments if one] == contents * len(infos)
    again = derive(found.body, new_uri)
    assert again is not None and not again.changed


def test_no_mutant_of_an_alert_breaks_the_cutting() -> None:
    raw = edited(before("area", DEREF), ("</alert>", f"{SIGNATURE}</alert>"))
    chance = random.Random(20261121)
    for _ in range(2_000):
        found = derive(mutate_bytes(raw, chance), new_uri)
        if found is not None and found.changed:
            assert derive(found.body) is not None


def test_real_alerts_lose_their_contents_and_nothing_else() -> None:
    if not REAL.is_dir():
        pytest.skip("the real alerts are not here")
    cut = 0
    for path in real_alerts():
        raw = path.read_bytes()
        found = derive(raw)
        if found is None or not found.changed:
            continue
        cut += 1
        parser = etree.XMLParser(remove_pis=True)
        wanted, got = (etree.fromstring(one, parser) for one in (raw, found.body))
        for element in [*wanted.iter("{*}derefUri"), *wanted.findall("{*}Signature")]:
            if element.tag.endswith("Signature") or element.getparent().tag.endswith("resource"):
                element.getparent().remove(element)
        texts = [[(one.tag, (one.text or "").strip()) for one in tree.iter(etree.Element)] for tree in (wanted, got)]
        assert texts[0] == texts[1], path.name
    assert cut > 0


def test_signatures_are_cut_when_nobody_vouches_for_them() -> None:
    from_authority = signed_by_hand()
    kept, cut = derive(from_authority), derive(from_authority, keep_signatures=False)
    assert kept is not None and (kept.body, kept.changed, kept.signed) == (from_authority, False, True)
    assert cut is not None and (cut.changed, cut.signed) == (True, False)
    assert b"Signature" not in cut.body and check(cut.body).alert == check(BASIC.encode()).alert
    plain = derive(BASIC.encode(), keep_signatures=False)
    assert plain is not None and (plain.body, plain.changed) == (BASIC.encode(), False)

from datetime import UTC, datetime

from gateway.cap.draft import MOST_SIGNATURES, Draft, Leaf, read
from gateway.cap.parse import Limits, parse
from gateway.cap.tree import line_of, path_of
from tests.cap.samples import INFO, RESOURCE, before, edited


def draft_of(raw: bytes, *, lenient: bool = False) -> Draft:
    parsed = parse(raw, Limits())
    assert parsed.root is not None
    assert parsed.version is not None
    return read(parsed.root, parsed.version, lenient=lenient)


def place_of(leaf: Leaf | None) -> tuple[str, int | None, str]:
    assert leaf is not None
    return leaf.text, line_of(leaf.element), path_of(leaf.element)


def test_texts_come_with_their_lines_and_paths() -> None:
    draft = draft_of(edited(before("info", "<code>a</code>\n<code>b</code>")))
    assert [place_of(leaf)[::2] for leaf in draft.all("code")] == [("a", "alert/code[1]"), ("b", "alert/code[2]")]
    assert place_of(draft.leaf("identifier")) == ("BE-GW-2026-000001", 3, "alert/identifier")
    area = draft.infos[0].areas[0]
    assert place_of(area.leaf("areaDesc")) == ("Gent centrum", 24, "alert/info[1]/area[1]/areaDesc")
    assert path_of(area.polygons[0].leaf.element) == area.path + "/polygon[1]" == "alert/info[1]/area[1]/polygon[1]"


def test_a_draft_is_read_from_what_is_there() -> None:
    draft = draft_of(
        edited(("<sent>2026-03-01T10:00:00+01:00</sent>", ""), ("<event>Brand</event>", ""), ("Actual", "x"))
    )
    assert draft.sent is None
    assert draft.sent_at is None
    assert draft.text("status") == "x"
    assert draft.infos[0].text("event") == ""


def test_absent_and_blank_are_the_same() -> None:
    draft = draft_of(edited(before("info", "<note> \n</note>")))
    assert draft.text("note") == draft.text("source") == ""
    assert draft.leaf("source") is None


def test_a_missing_language_is_american_english() -> None:
    draft = draft_of(edited(("<language>nl-BE</language>", ""), (INFO[:6], "<info>")))
    assert draft.infos[0].language == "en-us"


def test_dates_are_instants_and_slips_are_understood_in_lenient_reading_only() -> None:
    raw = edited(("T10:00:00+01:00", "T09:00:00Z"))
    assert draft_of(raw).sent_at is None
    assert draft_of(raw, lenient=True).sent_at == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_pairs_are_read_whatever_their_order() -> None:
    raw = edited(before("area", "<parameter><value> v </value><valueName>n</valueName></parameter><parameter/>"))
    first, second = draft_of(raw).infos[0].pairs["parameter"]
    assert first.name_value == ("n", "v")
    assert path_of(first.element) == "alert/info[1]/parameter[1]"
    assert second.name_value == ("", "")


def test_elements_of_other_namespaces_are_left_out() -> None:
    draft = draft_of(edited(before("scope", '<note xmlns="u:x">x</note>')))
    assert draft.leaf("note") is None


def test_blocks_are_the_alert_and_all_below() -> None:
    draft = draft_of(edited(before("area", RESOURCE.format(""))))
    assert [block.path for block in draft.blocks] == [
        "alert",
        "alert/info[1]",
        "alert/info[1]/resource[1]",
        "alert/info[1]/area[1]",
    ]


def test_signatures_are_seen_with_their_place_and_bounded() -> None:
    one = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
    (misplaced, good) = draft_of(edited(before("info", one), ("</alert>", f"{one}</alert>"))).signatures
    assert (misplaced.in_place, good.in_place) == (False, True)
    assert not good.complete
    assert len(draft_of(edited(("</alert>", f"{one * 3_000}</alert>"))).signatures) == MOST_SIGNATURES

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.cap import xmltext

BODY = "<alert>Fumée €</alert>"
DOCTYPE = '<!DOCTYPE alert [<!ENTITY e "hi">]>'


def decode(raw: bytes) -> xmltext.XmlText:
    return xmltext.decode(raw, max_bytes=100_000)


def refusal(raw: bytes) -> str:
    decoded = decode(raw)
    assert decoded.text is None
    assert all(refusal.severity == "error" for refusal in decoded.refusals)
    return decoded.refusals[0].id


@pytest.mark.parametrize(
    ("declared", "codec", "mark"),
    [
        (None, "utf-8", b""),
        ("UTF-8", "utf-8", b""),
        ("utf-8", "utf-8", codecs.BOM_UTF8),
        ("UTF-16", "utf-16-le", codecs.BOM_UTF16_LE),
        ("UTF-16", "utf-16-be", codecs.BOM_UTF16_BE),
        (None, "utf-16-le", codecs.BOM_UTF16_LE),
        (None, "utf-16-le", b""),
        ("UTF-16", "utf-16-be", b""),
        ("windows-1252", "cp1252", b""),
        ("ISO-8859-15", "iso-8859-15", b""),
    ],
)
def test_each_usual_encoding_is_read(declared: str | None, codec: str, mark: bytes) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    decoded = decode(mark + (declaration + BODY).encode(codec))
    assert decoded.text == declaration + BODY


def test_latin_1_is_read() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><alert>Fumée</alert>'
    assert decode(text.encode("latin-1")).text == text


@pytest.mark.parametrize("codec", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_refused(codec: str) -> None:
    assert refusal((DOCTYPE + BODY).encode(codec)) == "S41"


@pytest.mark.parametrize("name", ["UTF-7", "cp037", "x-user-defined", "rot13", "hex", "zip", "idna", "punycode"])
def test_an_encoding_that_hides_markup_is_refused(name: str) -> None:
    assert refusal(f'<?xml version="1.0" encoding="{name}"?><alert/>'.encode()) == "S41"


def test_ebcdic_is_refused() -> None:
    assert refusal(f'<?xml version="1.0" encoding="cp037"?>{DOCTYPE}<alert/>'.encode("cp037")) == "S41"


def test_bytes_that_are_not_what_they_claim_are_refused_with_their_place() -> None:
    decoded = decode("<alert>\nFumée</alert>".encode("latin-1"))
    assert [(refusal.id, refusal.line) for refusal in decoded.refusals] == [("S41", 2), ("XML", 2)]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "prolog",
    ["", '<?xml version="1.0"?>', "<!-- <alert> -->", "<?pi <!-- ?>", "<!-- --><?a ?>\n<!---->"],
)
def test_a_doctype_is_found_wherever_it_may_stand(codec: str, prolog: str) -> None:
    assert refusal((prolog + DOCTYPE + BODY).encode(codec)) == "S40"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_doctype_is_found_after_white_space(codec: str) -> None:
    assert refusal((" \n" + DOCTYPE + BODY).encode(codec)) == "S40"


@pytest.mark.parametrize("text", ["<alert><![CDATA[<!DOCTYPE html>]]></alert>", "<!-- <!DOCTYPE a> --><alert/>"])
def test_the_word_doctype_elsewhere_is_only_text(text: str) -> None:
    assert decode(text.encode()).text == text


def test_nothing_is_an_empty_document() -> None:
    assert refusal(b"") == "XML"
    assert refusal(b" \r\n\t") == "XML"


def test_a_document_above_the_limit_is_not_looked_at() -> None:
    assert refusal(b"<" * 100_001) == "SIZE"


@given(st.binary(max_size=300))
def test_no_bytes_upset_the_decoder(raw: bytes) -> None:
    decoded = decode(raw)
    assert (decoded.text is None) == bool(decoded.refusals)


@given(st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be"]), st.text(st.characters(codec="utf-8")))
def test_text_of_an_element_survives(codec: str, text: str) -> None:
    document = f"<a>{text}</a>"
    assert decode(document.encode(codec)).text == document


@pytest.mark.parametrize("recover", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_strict_parser_expands_nothing_and_leaves_out_what_hides(recover: bool, whole: bool) -> None:
    parser = xmltext.strict_parser(recover=recover, comments=whole, instructions=whole)
    parsed = etree.fromstring(b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;b<!-- c --><?d?></a>', parser)
    assert "x" not in "".join(map(str, parsed.itertext()))
    hidden = [child for child in parsed if child.tag in (etree.Comment, etree.ProcessingInstruction)]
    assert len(hidden) == (2 if whole else 0)

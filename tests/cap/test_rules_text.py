import pytest

from tests.cap.samples import found


@pytest.mark.parametrize(
    "text", ["&lt;br /&gt;", "&lt;b&gt;x&lt;/b&gt;", "&amp;amp;", "&amp;#233;", "&lt;a href='x'&gt;"]
)
def test_markup_in_text_is_said(text: str) -> None:
    assert found(("Brand in een", text)) == {("S38", "warning")}


@pytest.mark.parametrize("text", ["a &lt; b and c &gt; d", "R&amp;D", "Jan &amp; Piet; samen", "&lt;3"])
def test_signs_that_are_meant_are_not_markup(text: str) -> None:
    assert found(("Brand in een", text)) == set()


@pytest.mark.parametrize("text", ["Evacu\u202eeer", "\u2067x\u2069", "a\u0085\u0086b", "cafe\u0301"])
def test_characters_that_are_changed_on_the_way_out_are_said(text: str) -> None:
    assert found(("Rook:", text)) == {("S41", "policy")}


@pytest.mark.parametrize("text", ["éèü", "ጭስ፦", "煙", "שלום\u200f", "مرحبا\u200e"])
def test_text_of_any_language_is_not_remarked_on(text: str) -> None:
    assert found(("Rook:", text)) == set()

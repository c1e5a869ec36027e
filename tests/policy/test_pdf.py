"""Pages to print, read back by another library: every text is there, on as many pages as it takes."""

import io
from datetime import UTC, datetime
from decimal import Decimal

from pypdf import PdfReader

from gateway.policy.paper import Paper, Table
from gateway.policy.pdf import MISSING, as_pdf

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def a_paper(*rows: tuple[object, ...], heads: tuple[str, ...] = ("what", "number")) -> Paper:
    table = Table(title="Messages", heads=heads, rows=rows)
    return Paper(title="Statement 2026-11", about=(("Entity", "Stad Brugge"),), tables=(table,), notes=("ex VAT",))


def read(made: bytes) -> tuple[int, str]:
    reader = PdfReader(io.BytesIO(made))
    return len(reader.pages), "\n".join(page.extract_text() for page in reader.pages)


def test_everything_of_a_paper_is_on_its_pages() -> None:
    pages, text = read(as_pdf(a_paper(("Größe, été, ë, €", Decimal("0.055")), (None, 3)), AT))
    assert pages == 1
    for words in ("Statement 2026-11", "Stad Brugge", "Messages", "Größe, été, ë, €", "0.055", "ex VAT", "1/1"):
        assert words in text


def test_other_alphabets_are_written_and_what_the_font_lacks_is_seen_to_be_missing() -> None:
    _, text = read(as_pdf(a_paper(("Київ Ωμέγα", 1), ("火災\U0001f525", 2)), AT))
    assert "Київ Ωμέγα" in text
    assert MISSING in text


def test_a_long_table_goes_over_pages_with_its_heads_on_each() -> None:
    pages, text = read(as_pdf(a_paper(*((f"row {n}", n) for n in range(200))), AT))
    assert pages > 2
    assert text.count("what") == pages
    assert all(f"row {n}" in text for n in range(200))


def test_a_cell_longer_than_a_page_is_not_cut() -> None:
    words = " ".join(f"w{n}" for n in range(3000))
    pages, text = read(as_pdf(a_paper((words, 1), ("x" * 500, 2)), AT))
    assert pages > 1
    assert all(f"w{n}" in text.split() for n in range(0, 3000, 100))
    assert text.replace("\n", "").count("x" * 20) >= 20


def test_many_columns_lie_on_their_side() -> None:
    made = as_pdf(a_paper(tuple(range(9)), heads=tuple("abcdefghi")), AT)
    box = PdfReader(io.BytesIO(made)).pages[0].mediabox
    assert box.width > box.height


def test_the_same_paper_and_moment_give_the_same_bytes() -> None:
    assert as_pdf(a_paper(("x", 1)), AT) == as_pdf(a_paper(("x", 1)), AT)

"""Documents as downloads."""

from datetime import UTC, datetime

from gateway.policy.paper import Paper, Table
from gateway.web.documents import filed


def test_a_document_is_a_file_that_is_kept_by_nobody_on_the_way() -> None:
    paper = Paper(title="T", tables=(Table(title="One", heads=("a",), rows=(("x",),)),))
    answer = filed(paper, "pdf", "report-1", datetime(2026, 1, 1, tzinfo=UTC))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report-1.pdf"'
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")

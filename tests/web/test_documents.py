"""Documents as downloads."""

import io
from datetime import UTC, datetime

from pypdf import PdfReader

from gateway.model import Realm
from gateway.policy.paper import Paper, Table
from gateway.policy.tabular import Row
from gateway.policy.workbook import read_workbook
from gateway.web.documents import filed
from tests.flows.test_costing import closed
from tests.support.authority import Client
from tests.support.scene import Scene


def test_a_document_is_a_file_that_is_kept_by_nobody_on_the_way() -> None:
    paper = Paper(title="T", tables=(Table(title="One", heads=("a",), rows=(("x",),)),))
    answer = filed(paper, "pdf", "report-1", datetime(2026, 1, 1, tzinfo=UTC))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report-1.pdf"'
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


async def test_a_final_report_is_taken_as_a_paper_and_as_a_workbook(client: Client, scene: Scene) -> None:
    commune = await scene.entity()
    campaign = (await closed(scene, commune)).body["campaign"]
    head = {"Authorization": f"Bearer {commune.tokens[Realm.LIVE]}"}
    made = {}
    for form in ("pdf", "xlsx"):
        async with client.get(f"/v1/campaigns/{campaign}/report?format={form}", headers=head) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"].endswith(f'.{form}"')
            made[form] = await answer.read()
    said = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(made["pdf"])).pages)
    author = (await scene.authority(commune)).holder
    assert all(words in said for words in (campaign, "Who had it, and how long", author))
    cells = [cell for row in read_workbook(made["xlsx"]) if isinstance(row, Row) for cell in row.cells]
    assert f"Report {campaign}" in cells

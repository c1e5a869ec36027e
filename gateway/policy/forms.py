"""The forms in which a document of tables, or one table, is handed out, by name.

Knows: media types, which module makes which. Never knows: what is in a document.
"""

import importlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gateway.policy.paper import Paper, Table

CSV, XLSX = "text/csv; charset=utf-8", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Form(NamedTuple):
    """One form: what programs call it, and the module and function that make a file of it."""

    media_type: str
    module: str
    function: str

    def make(self, document: Paper | Table, at: datetime) -> bytes:
        """The file of a document; `at` is written into it."""
        made: bytes = getattr(importlib.import_module(self.module), self.function)(document, at)
        return made


# tables of names, so that a node starts without loading libraries that it needs once a month
FORMS: Mapping[str, Form] = {
    "csv": Form(CSV, "gateway.policy.paper", "as_csv_file"),
    "xlsx": Form(XLSX, "gateway.policy.sheet", "as_xlsx"),
    "pdf": Form("application/pdf", "gateway.policy.pdf", "as_pdf"),
}
TABLE_FORMS: Mapping[str, Form] = {
    "csv": Form(CSV, "gateway.policy.contact_table", "as_csv_file"),
    "xlsx": Form(XLSX, "gateway.policy.sheet", "only_sheet"),
}

import pickle

from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.findings import Finding, error, quoted, warning


def test_a_finding_can_become_a_json_object_and_cross_a_process_border() -> None:
    finding = error("S1", "identifier is empty", "CAP 1.2 §3.2.1", line=3, element="alert/identifier")
    assert finding._asdict() == {
        "id": "S1",
        "severity": "error",
        "line": 3,
        "element": "alert/identifier",
        "message": "identifier is empty",
        "clause": "CAP 1.2 §3.2.1",
    }
    assert pickle.loads(pickle.dumps(finding)) == finding


def test_a_warning_lets_the_document_pass() -> None:
    assert warning("S6", "x", "y") == Finding("S6", "warning", None, "alert", "x", "y")


@given(st.text())
def test_quoted_text_is_one_short_printable_line(text: str) -> None:
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown) <= 65

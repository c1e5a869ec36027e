"""gateway.cap.canonical: documents as digests see them."""

import pytest
from lxml import etree

from gateway.cap import canonical
from gateway.cap.signature_form import SIGNATURE, Canonical

DS = "http://www.w3.org/2000/09/xmldsig#"
ALERT = '<a xmlns="u:a"><b>x</b>1{}2<b>y</b></a>'


def signature(name: str) -> str:
    return f'<Signature xmlns="{DS}" Id="{name}"/>'


def tree(text: str) -> etree._Element:
    return canonical.whole_tree(text)


def ids(root: etree._Element) -> str:
    return "".join(one.get("Id", "") for one in root.findall(SIGNATURE))


def test_content_is_the_alert_without_signatures_comments_and_instructions() -> None:
    text = "<?o?>" + ALERT.format(signature("p") + "<!-- c -->+<?i?>" + signature("q")) + "<!-- o -->"
    assert canonical.content_of(tree(text)) == ALERT.format("+").encode()


@pytest.mark.parametrize("between", ["", " ", "text", "<c>z</c>tail"])
def test_text_around_a_signature_stays(between: str) -> None:
    first = f'<a xmlns="u:a">{signature("p")}{between}{signature("q")}tail</a>'
    assert canonical.content_of(tree(first)) == f'<a xmlns="u:a">{between}tail</a>'.encode()


def test_content_of_signed_bytes_is_the_same() -> None:
    text = ALERT.format("<?i?>+" + signature("p"))
    data = canonical.canonical_bytes(tree(text), Canonical(exclusive=False, prefixes=()))
    assert b"<?i?>" in data
    assert canonical.content_of_signed(data) == canonical.content_of(tree(text))


def test_the_inclusive_form_keeps_unused_namespaces_and_the_exclusive_one_those_that_are_listed() -> None:
    root = tree('<a xmlns="u:a" xmlns:p="u:p" xmlns:q="u:q"/>')
    assert canonical.canonical_bytes(root, Canonical(exclusive=False, prefixes=())).count(b"xmlns:") == 2
    assert canonical.canonical_bytes(root, Canonical(exclusive=True, prefixes=())).count(b"xmlns:") == 0
    assert b"xmlns:q" in canonical.canonical_bytes(root, Canonical(exclusive=True, prefixes=("q", "r")))


def test_the_copy_with_one_signature_has_no_other_and_leaves_the_tree_alone() -> None:
    root = tree(ALERT.format(signature("p") + "<!-- c -->+" + signature("q")))
    before = etree.tostring(root)
    for number, name in enumerate("pq"):
        copy = canonical.with_one_signature(root, root.findall(SIGNATURE)[number])
        assert ids(copy) == name
        assert copy.findall(SIGNATURE)[0].tail is None
        assert canonical.content_of(copy) == ALERT.format("+").encode()
    assert etree.tostring(root) == before


def views(text: str, number: int) -> list[tuple[str, bool]]:
    """The ids of the signatures that each view keeps, and whether it keeps what stands outside the root."""
    root = tree(text)
    found = list(canonical.views(root, root.findall(SIGNATURE)[number]))
    return [
        (ids(view), b"<?o?>" in canonical.canonical_bytes(view, Canonical(exclusive=True, prefixes=())))
        for view in found
    ]


def test_one_signature_and_nothing_outside_leaves_nothing_else_to_try() -> None:
    assert views(ALERT.format(signature("p")), 0) == []


def test_a_signer_may_have_had_the_signatures_before_his_or_after_or_all() -> None:
    text = ALERT.format(signature("p") + signature("q") + signature("r"))
    assert sorted(views(text, 0)) == [("qr", False)]
    assert sorted(views(text, 1)) == [("p", False), ("pr", False), ("r", False)]
    assert sorted(views(text, 2)) == [("pq", False)]


@pytest.mark.parametrize("outside", ["<?o?>{}", "{}<?o?>", "<!-- c --><?o?>{}<?o?>"])
def test_what_stands_outside_may_have_been_signed_or_not(outside: str) -> None:
    assert views(outside.format(ALERT.format(signature("p"))), 0) == [("", True)]
    two = outside.format(ALERT.format(signature("p") + signature("q")))
    assert views(two, 1) == [("", True), ("p", True), ("p", False)]

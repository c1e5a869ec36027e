from lxml import etree

from gateway.cap.tree import line_of, local_name, namespace_of, path_of
from tests.cap.samples import INFO, edited


def test_a_path_numbers_what_may_repeat() -> None:
    root = etree.fromstring(edited((INFO, INFO * 2)))
    polygon = root.findall(".//{*}polygon")[1]
    assert path_of(polygon) == "alert/info[2]/area[1]/polygon[1]"
    assert path_of(root.findall(".//{*}headline")[0]) == "alert/info[1]/headline"
    assert path_of(root) == "alert"


def test_an_element_has_a_name_a_namespace_and_a_line() -> None:
    root = etree.fromstring(b"<a>\n<x:b xmlns:x='u:x'/></a>")
    assert (local_name(root), namespace_of(root), line_of(root)) == ("a", "", 1)
    assert (local_name(root[0]), namespace_of(root[0]), line_of(root[0])) == ("b", "u:x", 2)
    assert line_of(etree.Element("a")) is None


def test_a_name_without_end_is_cut() -> None:
    assert len(path_of(etree.Element("a" * 10_000))) < 100

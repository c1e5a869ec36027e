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


def test_a_name_that_only_a_forgiving_parser_lets_through_is_still_a_name() -> None:
    document = "<a xmlns='u:\uffff'><b\uffff/></a>".encode("utf-16")
    root = etree.fromstring(document, etree.XMLParser(recover=True))
    assert {namespace_of(element).rstrip("\uffff") for element in root.iter()} <= {"u:", ""}
    assert local_name(root) == "a"


def test_a_name_without_end_is_cut() -> None:
    assert len(path_of(etree.Element("a" * 10_000))) < 100

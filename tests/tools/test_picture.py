"""The picture of a terminal."""

from xml.etree import ElementTree

from tools.picture import MOST_LINES, picture


def test_a_picture_holds_every_line_and_is_wellformed() -> None:
    drawn = ElementTree.fromstring(picture(["campaign closed\n", "  sms <809/809>\n"]))
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")] == [
        "campaign closed",
        "  sms <809/809>",
    ]


def test_a_long_output_is_cut_where_a_reader_stops() -> None:
    assert picture(["line\n"] * 100).count("<text") == MOST_LINES

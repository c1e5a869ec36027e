"""What a bench says while it works."""

import io

from gateway.bench.terminal import Line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_steps_are_lines_and_the_rest_is_rare() -> None:
    now = [0.0]
    stream = io.StringIO()
    line = Line(stream, lambda: now[0])
    line.step("begin")
    for second in range(1, 25):
        now[0] = float(second)
        line.show(f"at {second}")
    line.end()
    assert stream.getvalue().splitlines() == ["begin", "at 10", "at 20"]


def test_on_a_terminal_one_line_changes_and_goes_away() -> None:
    now = [0.0]
    stream = Terminal()
    line = Line(stream, lambda: now[0])
    line.step("begin")
    now[0] = 1.0
    line.show("half")
    line.show("not yet")
    now[0] = 2.0
    line.show("all")
    line.end()
    line.end()
    assert stream.getvalue() == "\r\x1b[Kbegin\n\r\x1b[Khalf\r\x1b[Kall\r\x1b[K"

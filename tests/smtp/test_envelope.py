"""The commands of one envelope and what EHLO says about it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.envelope import Envelope, Transaction, command_lines, read_capabilities, unfit
from gateway.smtp.events import Done, Fate, Result
from gateway.smtp.reply import Command, Reply

MAIL = Envelope("t", b"s@x.example", (b"a@y.example", b"b+c@y.example"), (b"head\r\n", b"\r\n.\r\n"), envid=b"1.2")


def test_the_commands_stand_in_order_with_data_last() -> None:
    assert list(command_lines(MAIL, dsn=False)) == [
        (Command.MAIL, 0, b"MAIL FROM:<s@x.example>\r\n"),
        (Command.RCPT, 0, b"RCPT TO:<a@y.example>\r\n"),
        (Command.RCPT, 1, b"RCPT TO:<b+c@y.example>\r\n"),
        (Command.DATA, 0, b"DATA\r\n"),
    ]


def test_status_notifications_name_the_original_recipient() -> None:
    lines = [line for _, _, line in command_lines(MAIL, dsn=True)]
    assert lines[0] == b"MAIL FROM:<s@x.example> RET=HDRS ENVID=1.2\r\n"
    assert lines[2] == b"RCPT TO:<b+c@y.example> NOTIFY=FAILURE ORCPT=rfc822;b+2Bc@y.example\r\n"


def test_open_fates_are_settled_and_known_ones_stay() -> None:
    transaction = Transaction(MAIL, command_lines(MAIL, dsn=False))
    refused = Result(Fate.FAILED, Reply(550))
    accepted = Result(Fate.ACCEPTED, Reply(250))
    transaction.results[1] = refused
    assert transaction.done(accepted) == Done("t", (accepted, refused))
    transaction.settle(refused)
    assert transaction.done(accepted) == Done("t", (refused, refused))


def test_a_mail_is_unfit_only_by_what_the_server_said() -> None:
    assert unfit(MAIL, {}) is None
    assert unfit(MAIL, {"SIZE": "0"}) is None  # RFC 1870 §3: 0 means that there is no fixed limit
    assert unfit(MAIL, {"SIZE": "11"}) is None
    assert unfit(MAIL, {"SIZE": "10"}) == Reply(552, b"5.3.4")
    assert unfit(MAIL._replace(utf8=True), {"PIPELINING": ""}) == Reply(553, b"5.6.7")


def test_capabilities_are_read_in_any_case() -> None:
    reply = Reply(250, b"mx.example hello\nPipelining\nSIZE 1000\nAUTH PLAIN LOGIN\n8bitmime")
    assert read_capabilities(reply) == {"PIPELINING": "", "SIZE": "1000", "AUTH": "PLAIN LOGIN", "8BITMIME": ""}


def test_a_size_that_is_no_number_is_no_limit() -> None:
    for size in (b"SIZE", b"SIZE x", b"SIZE -1", b"SIZE " + b"9" * 40, "SIZE ٣".encode()):
        assert "SIZE" not in read_capabilities(Reply(250, b"mx\n" + size))


@given(st.binary(max_size=300))
def test_no_capabilities_make_the_reader_raise(text: bytes) -> None:
    capabilities = read_capabilities(Reply(250, text))
    unfit(MAIL, capabilities)
    assert all(keyword == keyword.upper() for keyword in capabilities)

"""The table of command_status."""

from smpplib import consts

from gateway.smpp.status import BY_CODE, BY_NAME, ROWS, StatusKind, lookup


def test_every_code_that_smpplib_knows_is_in_the_table() -> None:
    known = {name.removeprefix("SMPP_"): getattr(consts, name) for name in dir(consts) if name.startswith("SMPP_ESME_")}
    table = {row.name: row.code for row in ROWS}
    assert known.items() <= table.items()


def test_no_code_and_no_name_stands_twice() -> None:
    assert len(BY_CODE) == len(BY_NAME) == len(ROWS)


def test_every_row_says_something_and_names_its_clause() -> None:
    for row in ROWS:
        assert row.meaning
        assert row.clause.startswith(("SMPP 3.4 §", "SMPP 5.0 §"))


def test_too_fast_and_queue_full_both_slow_the_bind_down() -> None:
    assert lookup(0x58).kind is StatusKind.THROTTLE
    assert lookup(0x14).kind is StatusKind.THROTTLE


def test_a_wrong_number_is_final_and_a_system_error_is_not() -> None:
    assert lookup(BY_NAME["ESME_RINVDSTADR"].code).kind is StatusKind.FAILED
    assert lookup(BY_NAME["ESME_RSYSERR"].code).kind is StatusKind.RETRY


def test_only_zero_is_ok() -> None:
    assert [row.code for row in ROWS if row.kind is StatusKind.OK] == [0]


def test_codes_that_nobody_lists_are_tried_again_and_named_by_their_number() -> None:
    assert lookup(0x4FF) == (0x4FF, "VENDOR_0x4ff", "error of the vendor", StatusKind.RETRY, "SMPP 3.4 §5.1.3")
    assert lookup(0xFFFFFFFF).kind is StatusKind.RETRY
    assert lookup(0x9).name == "RESERVED_0x9"

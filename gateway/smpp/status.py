"""The table of command_status: every code of SMPP 3.4, and those of 5.0 that a submit may meet, with what to do.

Knows: code, name, meaning, class, clause. Never knows: how often or when something is tried again.
Codes and names are smpplib's constants where it has them; meanings and classes are ours.
"""

from enum import Enum
from typing import NamedTuple

from smpplib import consts

RESERVED_VENDOR = range(0x400, 0x500)  # SMPP 3.4 §5.1.3


class StatusKind(Enum):
    """What a command_status means for the message, or for the connection."""

    OK = "ok"
    RETRY = "retry"  # this message may succeed later
    THROTTLE = "throttle"  # slow down, then try again
    FAILED = "failed-final"  # this message will never succeed as it is
    LINK_FAULT = "link-fault"  # the bind is wrong, not the message


class Status(NamedTuple):
    """One row: the number on the wire, its standard name, what it says, what to do about it, where it is written."""

    code: int
    name: str
    meaning: str
    kind: StatusKind
    clause: str


def _row(name: str, kind: StatusKind, meaning: str) -> Status:
    code = getattr(consts, "SMPP_" + name)
    return Status(code, name, meaning, kind, "SMPP 3.4 §5.1.3")


def _new(code: int, name: str, kind: StatusKind, meaning: str) -> Status:
    return Status(code, name, meaning, kind, "SMPP 5.0 §4.7.6")


OK, RETRY, THROTTLE = StatusKind.OK, StatusKind.RETRY, StatusKind.THROTTLE
FAILED, LINK_FAULT = StatusKind.FAILED, StatusKind.LINK_FAULT

# SMPP 3.4 §5.1.3
ROWS: tuple[Status, ...] = (
    _row("ESME_ROK", OK, "accepted"),
    _row("ESME_RINVMSGLEN", FAILED, "message length is invalid"),
    _row("ESME_RINVCMDLEN", LINK_FAULT, "command_length is invalid"),
    _row("ESME_RINVCMDID", FAILED, "command_id is not known"),
    _row("ESME_RINVBNDSTS", LINK_FAULT, "not allowed in this bind state"),
    _row("ESME_RALYBND", LINK_FAULT, "already bound"),
    _row("ESME_RINVPRTFLG", FAILED, "priority_flag is invalid"),
    _row("ESME_RINVREGDLVFLG", FAILED, "registered_delivery is invalid"),
    _row("ESME_RSYSERR", RETRY, "system error at the peer"),
    _row("ESME_RINVSRCADR", FAILED, "source address is invalid"),
    _row("ESME_RINVDSTADR", FAILED, "destination address is invalid"),
    _row("ESME_RINVMSGID", FAILED, "message_id is invalid"),
    _row("ESME_RBINDFAIL", LINK_FAULT, "bind failed"),
    _row("ESME_RINVPASWD", LINK_FAULT, "password is wrong"),
    _row("ESME_RINVSYSID", LINK_FAULT, "system_id is wrong"),
    _row("ESME_RCANCELFAIL", FAILED, "cancel_sm failed"),
    _row("ESME_RREPLACEFAIL", FAILED, "replace_sm failed"),
    _row("ESME_RMSGQFUL", THROTTLE, "message queue at the peer is full"),
    _row("ESME_RINVSERTYP", FAILED, "service_type is invalid"),
    _row("ESME_RINVNUMDESTS", FAILED, "number of destinations is invalid"),
    _row("ESME_RINVDLNAME", FAILED, "distribution list is invalid"),
    _row("ESME_RINVDESTFLAG", FAILED, "dest_flag is invalid"),
    _row("ESME_RINVSUBREP", FAILED, "submit with replace is invalid"),
    _row("ESME_RINVESMCLASS", FAILED, "esm_class is invalid"),
    _row("ESME_RCNTSUBDL", FAILED, "cannot submit to a distribution list"),
    _row("ESME_RSUBMITFAIL", RETRY, "submit failed"),
    _row("ESME_RINVSRCTON", FAILED, "source TON is invalid"),
    _row("ESME_RINVSRCNPI", FAILED, "source NPI is invalid"),
    _row("ESME_RINVDSTTON", FAILED, "destination TON is invalid"),
    _row("ESME_RINVDSTNPI", FAILED, "destination NPI is invalid"),
    _row("ESME_RINVSYSTYP", LINK_FAULT, "system_type is invalid"),
    _row("ESME_RINVREPFLAG", FAILED, "replace_if_present_flag is invalid"),
    _row("ESME_RINVNUMMSGS", FAILED, "number of messages is invalid"),
    _row("ESME_RTHROTTLED", THROTTLE, "more messages than allowed"),
    _row("ESME_RINVSCHED", FAILED, "schedule_delivery_time is invalid"),
    _row("ESME_RINVEXPIRY", FAILED, "validity_period is invalid"),
    _row("ESME_RINVDFTMSGID", FAILED, "predefined message is invalid"),
    _row("ESME_RX_T_APPN", RETRY, "temporary error of the receiver"),
    _row("ESME_RX_P_APPN", FAILED, "permanent error of the receiver"),
    _row("ESME_RX_R_APPN", FAILED, "the receiver rejects the message"),
    _row("ESME_RQUERYFAIL", RETRY, "query_sm failed"),
    _row("ESME_RINVOPTPARSTREAM", FAILED, "optional part of the PDU is in error"),
    _row("ESME_ROPTPARNOTALLWD", FAILED, "optional parameter is not allowed"),
    _row("ESME_RINVPARLEN", FAILED, "parameter length is invalid"),
    _row("ESME_RMISSINGOPTPARAM", FAILED, "an expected optional parameter is missing"),
    _row("ESME_RINVOPTPARAMVAL", FAILED, "value of an optional parameter is invalid"),
    _row("ESME_RDELIVERYFAILURE", FAILED, "delivery failed (data_sm)"),
    _row("ESME_RUNKNOWNERR", RETRY, "unknown error at the peer"),
    # SMPP 5.0 §4.7.6
    _new(0x100, "ESME_RSERTYPUNAUTH", FAILED, "not authorised for this service_type"),
    _new(0x101, "ESME_RPROHIBITED", FAILED, "operation is prohibited for this ESME"),
    _new(0x102, "ESME_RSERTYPUNAVAIL", RETRY, "service_type is unavailable"),
    _new(0x103, "ESME_RSERTYPDENIED", FAILED, "service_type is denied"),
    _new(0x104, "ESME_RINVDCS", FAILED, "data_coding is invalid"),
    _new(0x105, "ESME_RINVSRCADDRSUBUNIT", FAILED, "source_addr_subunit is invalid"),
    _new(0x106, "ESME_RINVDSTADDRSUBUNIT", FAILED, "dest_addr_subunit is invalid"),
    _new(0x10F, "ESME_RCONGESTED", THROTTLE, "the peer is congested"),
)

BY_CODE: dict[int, Status] = {row.code: row for row in ROWS}
BY_NAME: dict[str, Status] = {row.name: row for row in ROWS}


def lookup(code: int) -> Status:
    """The row of a code; one that no standard lists is worth a retry, because losing an alert is worse."""
    row = BY_CODE.get(code)
    if row is not None:
        return row
    if code in RESERVED_VENDOR:  # SMPP 3.4 §5.1.3
        return Status(code, f"VENDOR_{code:#x}", "error of the vendor", RETRY, "SMPP 3.4 §5.1.3")
    return Status(code, f"RESERVED_{code:#x}", "reserved code", RETRY, "SMPP 3.4 §5.1.3")

"""Why a call ended, in the telephone network's own numbers, and the SIP code that says the same.

Knows: ITU-T Q.850 causes, RFC 3398 §7.2.4.1 (their SIP codes), RFC 3326 (the Reason field).
Never knows: what the end means for a delivery.
"""

import re
from collections.abc import Iterable, Mapping

CAUSE_CODES: Mapping[int, int] = {
    # RFC 3398 §7.2.4.1
    1: 404,  # unallocated number
    2: 404,  # no route to network
    3: 404,  # no route to destination
    17: 486,  # user busy
    18: 408,  # no user responding
    19: 480,  # no answer from the user
    20: 480,  # subscriber absent
    21: 403,  # call rejected
    22: 410,  # number changed
    23: 410,  # redirection to new destination
    26: 404,  # non-selected user clearing
    27: 502,  # destination out of order
    28: 484,  # address incomplete
    29: 501,  # facility rejected
    31: 480,  # normal, unspecified
    34: 503,  # no circuit available
    38: 503,  # network out of order
    41: 503,  # temporary failure
    42: 503,  # switching equipment congestion
    47: 503,  # resource unavailable
    55: 403,  # incoming calls barred within closed user group
    57: 403,  # bearer capability not authorised
    58: 503,  # bearer capability not presently available
    65: 488,  # bearer capability not implemented
    70: 488,  # only restricted digital information available
    79: 501,  # service or option not implemented
    87: 403,  # user not member of closed user group
    88: 503,  # incompatible destination
    102: 504,  # recovery on timer expiry
    111: 500,  # protocol error
    127: 500,  # interworking
}
NORMAL_CLEARING = 16

_CAUSE = re.compile(r"^\s*Q\.850\s*;(?:[^,]*;)?\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)
_VAGUE = frozenset({480, 487, 500, 503, 603})


def read_cause(reasons: Iterable[str]) -> int:
    """The Q.850 cause among the values of Reason, 0 when none says one."""
    # RFC 3326 §2
    for value in reasons:
        for part in value[:512].split(","):
            if (found := _CAUSE.match(part)) is not None:
                return int(found[1])
    return 0


def code_of(code: int, cause: int) -> int:
    """The SIP code that says most: a cause is more exact than the codes that trunks use for everything."""
    if cause in CAUSE_CODES and (code == 0 or code in _VAGUE):
        return CAUSE_CODES[cause]
    return code

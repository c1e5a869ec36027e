"""The second way to sign in: time-based codes, recovery codes, and how long a wrong guess makes the next one wait.

Knows: RFC 6238 by the package cryptography, how codes are written. Never knows: clocks (now is an argument), who
guesses, where keys are kept.
Standard: RFC 6238 (TOTP), RFC 4226 §5.3 (HOTP), the key URI format that authenticator apps read.
"""

import base64
import hmac
import re
from collections.abc import Callable
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S, DIGITS, KEY_BYTES = 30, 6, 20  # RFC 6238 §5.2: 30 s; RFC 4226 §4 R6: 160 bits
RECOVERY_CODES, RECOVERY_BYTES = 10, 10
FREE_GUESSES = {"account": 3, "address": 20}
LONGEST_WAIT_S = {"account": 900.0, "address": 60.0}
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


def code_at(key: bytes, step: int) -> str:
    """The code of one step of 30 s since 1970."""
    # apps know SHA-1 only; enforce_key_length would refuse the keys of RFC 6238's own examples
    return TOTP(key, DIGITS, SHA1(), STEP_S, enforce_key_length=False).generate(step * STEP_S).decode("ascii")  # noqa: S303


def step_of(key: bytes, code: str, now_s: float, last_step: int) -> int | None:
    """The step that a code is of: this one or the ones beside it, and later than the last that was used; else None.
    RFC 6238 §5.2: a code works once, one step of delay in each direction."""
    given = code.replace(" ", "")
    if not _CODE.fullmatch(given):
        return None
    here = int(now_s // STEP_S)
    steps = [step for step in (here - 1, here, here + 1) if step > last_step]
    found = [step for step in steps if hmac.compare_digest(code_at(key, step), given)]
    return max(found, default=None)


def key_uri(key: bytes, issuer: str, account: str) -> str:
    """What an app reads from a picture: otpauth://totp/Issuer:account?secret=..."""
    query = urlencode({"secret": in_base32(key), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"


def in_base32(key: bytes) -> str:
    """The key as people type it."""
    return base64.b32encode(key).decode("ascii").rstrip("=")


def recovery_codes(random: Callable[[int], bytes]) -> list[str]:
    """New codes of 80 bits each: abcd-efgh-ijkl-mnop."""
    words = [base64.b32encode(random(RECOVERY_BYTES)).decode("ascii").lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(word[at : at + 4] for at in range(0, len(word), 4)) for word in words]


def recovery_word(code: str) -> str:
    """A code however it was typed."""
    return re.sub(r"[^a-z2-7]", "", code.lower())


def wait_s(failures: int, of: str) -> float:
    """How long the next guess waits after so many wrong ones in a row, for an account or a network address: it doubles,
    and ends; nobody is locked out."""
    over = failures - FREE_GUESSES[of]
    return 0.0 if over < 0 else min(LONGEST_WAIT_S[of], 2.0 ** min(over, 20))

"""Digest authentication: a challenge read safely, and the answer to it.

Knows: RFC 7616 (digest), RFC 8760 (its hashes in SIP), RFC 3261 §22 (401 and 407).
Never knows: transactions, whose password it is, where it is kept.

Read by hand: the library's parser splits values at commas inside quotes (qop="auth,auth-int"), and its pattern takes
time without bound on a hostile one.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

CHALLENGE_MAX_CHARACTERS = 1024
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # what nearly every trunk still asks for


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


HASHES: Mapping[str, Callable[[bytes], str]] = {
    "SHA-512-256": _sha512_256,  # RFC 8760 §2.1
    "SHA-256": _sha256,  # RFC 8760 §2.1
    "MD5": _md5,  # RFC 3261 §22.4
}
"""Strongest first."""


FIELDS: Mapping[int, tuple[str, str]] = {
    401: ("WWW-Authenticate", "Authorization"),  # RFC 3261 §22.2
    407: ("Proxy-Authenticate", "Proxy-Authorization"),  # RFC 3261 §22.3
}
"""Status -> the field that asks, and the one that answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a 401 or 407 asks for; `qop` holds the kinds of protection offered."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False


def read_challenge(value: str) -> Challenge | None:
    """The challenge of one header field; None when it is none that can be answered."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest" or len(value) > CHALLENGE_MAX_CHARACTERS:
        return None
    found: dict[str, str] = {}
    at = 0
    while at < len(rest) and (parameter := _PARAMETER.match(rest, at)):
        quoted = parameter[2]
        found[parameter[1].lower()] = _ESCAPED.sub(r"\1", quoted) if quoted is not None else parameter[3]
        at = parameter.end()
    if at < len(rest.rstrip()) or "realm" not in found or "nonce" not in found:
        return None
    algorithm = found.get("algorithm", "MD5").upper()
    qop = tuple(word for word in re.split(r"[\s,]+", found.get("qop", "").lower()) if word)
    if algorithm.removesuffix("-SESS") not in HASHES or (qop and "auth" not in qop):
        return None
    return Challenge(
        realm=found["realm"],
        nonce=found["nonce"],
        algorithm=algorithm,
        qop=qop,
        opaque=found.get("opaque"),
        stale=found.get("stale", "").lower() == "true",
    )


def best(values: Iterable[str]) -> Challenge | None:
    """The strongest of the challenges that can be answered."""
    # RFC 8760 §2.4: the topmost that is supported; here the strongest, as some servers put MD5 first
    found = [challenge for value in values if (challenge := read_challenge(value)) is not None]
    order = list(HASHES)
    return min(found, key=lambda one: order.index(one.algorithm.removesuffix("-SESS")), default=None)


def answer(
    challenge: Challenge, *, method: str, uri: str, username: str, password: str, count: int, cnonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization. `count` is the nonce count, from 1."""
    # RFC 7616 §3.4.1
    hashed = HASHES[challenge.algorithm.removesuffix("-SESS")]
    secret = hashed(f"{username}:{challenge.realm}:{password}".encode())
    if challenge.algorithm.endswith("-SESS"):
        secret = hashed(f"{secret}:{challenge.nonce}:{cnonce}".encode())
    asked = hashed(f"{method}:{uri}".encode())
    middle = f"{count:08x}:{cnonce}:auth:" if challenge.qop else ""
    response = hashed(f"{secret}:{challenge.nonce}:{middle}{asked}".encode())
    fields = [
        f"username={_quoted(username)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f"response={_quoted(response)}",
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.qop or challenge.algorithm.endswith("-SESS"):
        fields.append(f"cnonce={_quoted(cnonce)}")
    if challenge.qop:
        fields += ["qop=auth", f"nc={count:08x}"]
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    return "Digest " + ", ".join(fields)


class Keyring:
    """One user's password and the challenge that was answered last, so that the next request needs no refusal."""

    def __init__(self, username: str, password: str, token: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._username = username
        self._password = password
        self._token = token
        self._challenge: Challenge | None = None
        self._field = ""
        self._count = 0

    def challenged(self, code: int, values: Mapping[str, Iterable[str]], *, again: bool) -> bool:
        """Keep what a 401 or 407 asks for; False when it is no use to try. `again`: this request had credentials."""
        # RFC 3261 §22.2 and §22.3
        asked, self._field = FIELDS[code]
        challenge = best(values.get(asked, ()))
        if challenge is None or not self._username or (again and not challenge.stale and self._same(challenge)):
            self._challenge = None
            return False
        if not self._same(challenge):
            self._count = 0
        self._challenge = challenge
        return True

    def credentials(self, method: str, uri: str) -> tuple[tuple[str, str], ...]:
        """The field to add to a request, or none."""
        # RFC 7616 §3.3: a nonce may be used again until the server says that it is stale
        if self._challenge is None:
            return ()
        self._count += 1
        value = answer(
            self._challenge, method=method, uri=uri, username=self._username, password=self._password,
            count=self._count, cnonce=self._token(),
        )  # fmt: skip
        return ((self._field, value),)

    def _same(self, challenge: Challenge) -> bool:
        return self._challenge is not None and self._challenge.nonce == challenge.nonce


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

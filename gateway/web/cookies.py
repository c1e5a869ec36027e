"""The cookies of who signed in, and the proof that a request with them comes from our own pages.

Knows: RFC 6265bis (__Host-, SameSite), the headers Origin and Sec-Fetch-Site. Never knows: sessions, who anybody is.

Against forged requests three things stand, each enough by itself: the cookie is not sent from other sites (SameSite), a
request that changes something carries a word that only our pages can read (X-CSRF-Token), and it must not say that it
comes from elsewhere (Origin, Sec-Fetch-Site).
"""

import base64
import hashlib
import hmac
from typing import NamedTuple

from aiohttp import web
from yarl import URL

CSRF_HEADER = "X-CSRF-Token"
MOST_COOKIE_CHARACTERS = 200
SAFE = frozenset({"GET", "HEAD"})


class Cookies(NamedTuple):
    """How cookies are named and kept at this address: under https with the prefix that browsers guard."""

    origin: str
    secure: bool

    @classmethod
    def at(cls, url: str) -> "Cookies":
        """For the address under which browsers reach the gateway."""
        address = URL(url)
        return cls(str(address.origin()), address.scheme == "https")

    def name(self, kind: str) -> str:
        """What a cookie is called: __Host- is refused by browsers unless it came by https from this very host."""
        return f"__Host-gateway-{kind}" if self.secure else f"gateway-{kind}"

    def read(self, request: web.Request, kind: str) -> str:
        """What the browser sent; "" for nothing, and for what we never gave."""
        value = request.cookies.get(self.name(kind), "")
        known = value.startswith(f"gw_{kind}_") and value.isascii() and len(value) < MOST_COOKIE_CHARACTERS
        return value if known else ""

    def give(self, answer: web.StreamResponse, kind: str, secret: str, *, cross_site: bool = False) -> None:
        """The browser keeps it until it is closed. `cross_site`: it comes along when another site leads back to us."""
        answer.set_cookie(
            self.name(kind), secret, path="/", secure=self.secure, httponly=True,
            samesite="Lax" if cross_site else "Strict",
        )  # fmt: skip

    def take_back(self, answer: web.StreamResponse, kind: str) -> None:
        """The browser forgets it."""
        answer.del_cookie(self.name(kind), path="/", secure=self.secure, httponly=True)

    def is_own(self, request: web.Request) -> bool:
        """Whether nothing says that a request comes from another site."""
        origin = request.headers.get("Origin", self.origin)
        return origin == self.origin and request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")


def csrf_token(session: str) -> str:
    """The word that a page shows it has read: made of the session's secret, of no use for finding it."""
    word = hmac.digest(session.encode(), b"csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(word).rstrip(b"=").decode("ascii")


def carries_csrf_token(request: web.Request, session: str) -> bool:
    """Whether a request may change something in the name of this session."""
    given = request.headers.get(CSRF_HEADER, "")
    return request.method in SAFE or hmac.compare_digest(given.encode(errors="replace"), csrf_token(session).encode())

"""Acts that are somebody's own, asked of a running gateway over HTTP with their token.

Knows: where the gateway and the token come from, how a question is put. Never knows: what is asked.
"""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from types import MappingProxyType
from typing import Any

from gateway.commands.console import Exit, complain
from gateway.errors import SettingsError

PATIENCE_S = 60.0
JSON = "application/json"
Answer = HTTPResponse | urllib.error.HTTPError
"""Both have a status, headers and a body; the second one says no."""


def url_argument(parser: argparse.ArgumentParser) -> None:
    """The option --url. The token is in $GATEWAY_TOKEN."""
    parser.add_argument("--url", default=os.environ.get("GATEWAY_URL", ""), help="the gateway (default: $GATEWAY_URL)")


def door(url: str, token: str | None = None) -> tuple[str, str]:
    """The gateway and the token. Raises SettingsError when one of them is missing."""
    token = os.environ.get("GATEWAY_TOKEN", "") if token is None else token
    if not url.startswith(("http://", "https://")) or not token:
        raise SettingsError(["say which gateway (--url or $GATEWAY_URL) and put the token into $GATEWAY_TOKEN"])
    return url, token


class _Staying(urllib.request.HTTPRedirectHandler):
    """A token goes to the gateway that was named and nowhere else: a redirection is an answer."""

    def redirect_request(self, *_: object) -> None:
        """No."""


def answer(
    url: str, token: str, method: str, path: str, raw: bytes | None, headers: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """What a gateway answers, yes or no. Raises OSError or ValueError when it is none."""
    request = urllib.request.Request(  # noqa: S310 - http(s) only
        f"{url.rstrip('/')}{path}", data=raw, method=method, headers={**headers, "Authorization": f"Bearer {token}"}
    )
    try:
        found: HTTPResponse = urllib.request.build_opener(_Staying).open(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as refused:
        return refused
    return found


def asked(url: str, token: str, path: str, raw: bytes, kind: str = JSON) -> tuple[int, dict[str, Any]]:
    """The status and JSON that a gateway answers to a POST. Raises OSError or ValueError when it is none."""
    with answer(url, token, "POST", path, raw, {"Content-Type": kind}) as found:
        return found.status or 0, json.load(found)


def told(options: argparse.Namespace, path: str, body: Mapping[str, Any]) -> tuple[Exit, dict[str, Any]]:
    """What a gateway answers to this, and which end of the command that is; a refusal is said."""
    url, token = door(options.url)
    try:
        status, found = asked(url, token, path, json.dumps(body).encode())
    except (OSError, ValueError) as error:
        complain(f"no answer: {error}")
        return Exit.UNREADABLE, {}
    if status < 300:
        return Exit.DONE, found
    complain(str(found.get("detail", status)))
    return Exit.NO, found

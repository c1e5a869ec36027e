"""Acts that are somebody's own, asked of a running gateway over HTTP with their token.

Knows: where the gateway and the token come from, how a question is put. Never knows: what is asked.
"""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from gateway.commands.console import Exit, complain
from gateway.errors import SettingsError

PATIENCE_S = 60.0
JSON = "application/json"


def url_argument(parser: argparse.ArgumentParser) -> None:
    """The option --url. The token is in $GATEWAY_TOKEN."""
    parser.add_argument("--url", default=os.environ.get("GATEWAY_URL", ""), help="the gateway (default: $GATEWAY_URL)")


def door(url: str, token: str | None = None) -> tuple[str, str]:
    """The gateway and the token. Raises SettingsError when one of them is missing."""
    token = os.environ.get("GATEWAY_TOKEN", "") if token is None else token
    if not url.startswith(("http://", "https://")) or not token:
        raise SettingsError(["say which gateway (--url or $GATEWAY_URL) and put the token into $GATEWAY_TOKEN"])
    return url, token


def asked(url: str, token: str, path: str, raw: bytes, kind: str = JSON) -> tuple[int, dict[str, Any]]:
    """The status and JSON that a gateway answers. Raises OSError or ValueError when it is none."""
    head = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    request = urllib.request.Request(f"{url.rstrip('/')}{path}", data=raw, headers=head)  # noqa: S310 - http(s) only
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def told(options: argparse.Namespace, path: str, body: Mapping[str, Any]) -> tuple[Exit, dict[str, Any]]:
    """What a gateway answers to this, and which end of the command that is; a refusal is said."""
    url, token = door(options.url)
    try:
        status, answer = asked(url, token, path, json.dumps(body).encode())
    except (OSError, ValueError) as error:
        complain(f"no answer: {error}")
        return Exit.UNREADABLE, {}
    if status < 300:
        return Exit.DONE, answer
    complain(str(answer.get("detail", status)))
    return Exit.NO, answer

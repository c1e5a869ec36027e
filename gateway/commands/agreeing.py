"""`gateway campaign approve` and `break-glass`: somebody's own acts, asked of a running gateway with their token.

Knows: the options, how the answer reads. Never knows: who may agree, seals: flows.agreeing judges, in the gateway.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from gateway.commands import remote
from gateway.commands.console import Exit, note


def approve_arguments(parser: argparse.ArgumentParser) -> None:
    """What `gateway campaign approve` takes."""
    parser.add_argument("campaign", metavar="CAMPAIGN", help="as in the answer to the alert")
    parser.add_argument("--seal", metavar="HEX", help="what you agree to (default: the campaign as it was accepted)")
    remote.url_argument(parser)


def glass_arguments(parser: argparse.ArgumentParser) -> None:
    """What `gateway campaign break-glass` takes."""
    parser.add_argument("campaign", metavar="CAMPAIGN", help="as in the answer to the alert")
    parser.add_argument("--reason", required=True, help="why it can not wait: it goes to all approvers")
    remote.url_argument(parser)


def _approve(options: argparse.Namespace) -> int:
    return _done(options, "approve", {} if options.seal is None else {"seal": options.seal})


def _break_glass(options: argparse.Namespace) -> int:
    return _done(options, "break-glass", {"reason": options.reason})


def _done(options: argparse.Namespace, act: str, body: Mapping[str, Any]) -> int:
    code, answer = remote.told(options, f"/v1/campaigns/{options.campaign}/{act}", body)
    if code is Exit.DONE:
        waits = f", and waits for {', '.join(answer['needs'])}" if answer.get("needs") else ""
        note(f"{options.campaign} is {answer['state']}{waits}")
    elif "seal" in answer:
        note(f"it would now be {answer['messages']} messages; to agree to that: --seal {answer['seal']}")
    return code


ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {"approve": _approve, "break-glass": _break_glass}

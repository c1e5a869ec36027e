"""What a sender declares of a message's use: nothing commercial, promotional or political, in a numbered wording.

Knows: when the declaration has to be made in so many words. Never knows: SQL, who reads messages afterwards.
"""

from typing import NamedTuple

from gateway.cap.model import CapAlert, MsgType
from gateway.policy.audience import Wishes
from gateway.policy.rights import SILENT, TECHNICAL, Authority, Refusal


class Wording(NamedTuple):
    """What is declared, by number; the newest one is in force."""

    version: int
    text: str


def is_asked(wishes: Wishes, authority: Authority, alert: CapAlert) -> bool:
    """Whether the wording in force has to be looked up: one was named, or one has to be. A Cancel stops, and is never
    held up; what is sent to nobody declares nothing."""
    if alert.msg_type in (MsgType.CANCEL, *TECHNICAL) or alert.status in SILENT:
        return False
    return wishes.declares is not None or wishes.message_class in authority.policy.declaration


def undeclared(wishes: Wishes, wording: Wording) -> Refusal | None:
    """The declaration is missing, or is of another wording than the one in force."""
    if wishes.declares == wording.version:
        return None
    return Refusal(
        reason="not-declared",
        message=f"Declare the use of this message with the parameter gateway:declares = {wording.version}: "
        f"{wording.text}",
        status=422,
    )

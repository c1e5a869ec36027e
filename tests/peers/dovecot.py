"""A real Dovecot on the loopback, for tests."""

import imaplib
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.mailbox.settings import BoxSettings
from tests.mailbox.stand import box_settings
from tests.support import peers
from tests.support.ports import free_port


class Dovecot:
    """A Dovecot that can be stopped, started and given another numbering."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.folder = folder
        self.imap, self.lmtp = free_port(), free_port()
        self._tls = ["tls"] if tls else []

    def start(self) -> None:
        peers.run("dovecot.sh", "start", self.folder, self.imap, self.lmtp, *self._tls)

    def stop(self) -> None:
        peers.run("dovecot.sh", "stop", self.folder)

    def renumber(self, validity: int) -> None:
        peers.run("dovecot.sh", "validity", self.folder, validity)

    def deliver(self, *mails: bytes) -> None:
        """By LMTP, as a mail server hands them over."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as session:
            for raw in mails:
                session.sendmail("sender@test.invalid", ["alerts@test.invalid"], raw)

    def unseen(self) -> int:
        """How many mails are not marked seen."""
        with imaplib.IMAP4("127.0.0.1", self.imap) as client:
            client.login("alerts@test.invalid", "imappass")
            client.select("INBOX", readonly=True)
            return len(client.search(None, "UNSEEN")[1][0].split())

    def settings(self, **more: Any) -> BoxSettings:
        return box_settings(self.imap, **more)


@contextmanager
def started(folder: Path, *, tls: bool = False) -> Iterator[Dovecot]:
    server = Dovecot(folder, tls=tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()

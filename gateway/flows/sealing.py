"""Sealing: what the gateway publishes gets its signature, with the key whose time it is.

Knows: the keys and their dates, that a new one takes over by itself. Never knows: which alerts are public, HTTP.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.cap.signing import KeyPair, sign
from gateway.log import UnitLogger, unit_logger
from gateway.metrics import Metrics


class Sealer:
    """Signs documents. Of the keys whose certificates are valid the newest signs; without one nothing is signed.

    An alert that can not be signed is published all the same, and that is said in the log: people need it more than
    programs need the signature.
    """

    def __init__(self, keys: Sequence[KeyPair], *, utcnow: Callable[[], datetime], log: UnitLogger) -> None:
        self._keys = sorted(keys, key=lambda pair: pair.not_before, reverse=True)
        self._utcnow = utcnow
        self._log = log

    def current(self) -> KeyPair | None:
        """The key that signs now."""
        now = self._utcnow()
        return next((pair for pair in self._keys if pair.not_before <= now <= pair.not_after), None)

    def __call__(self, document: bytes) -> bytes:
        """The document with the gateway's signature; as it is, when there is no key for it now."""
        pair = self.current()
        if pair is None:
            self._log.error("no_valid_signing_key", keys=len(self._keys))
            return document
        signed = sign(document, pair.key, pair.certificate)
        if signed.document is None:
            self._log.error("not_signable", rules=[finding.id for finding in signed.findings])
            return document
        return signed.document


def sealer(keys: Sequence[KeyPair], metrics: Metrics, utcnow: Callable[[], datetime]) -> Sealer | None:
    """Who signs with these keys; None without keys. Until when they last is shown as a metric."""
    if not keys:
        return None
    metrics.set_seal_end(max(pair.not_after for pair in keys))
    return Sealer(keys, utcnow=utcnow, log=unit_logger("gateway.feed"))

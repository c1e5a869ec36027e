"""S/MIME signatures: what a signed mail carries, and who signed it as far as pinned certificates say so.

Knows: multipart/signed and signed-data, the openssl program, certificates. Never knows: whom to believe, CAP.
Standard: RFC 8551 §3.5, RFC 5652 §5, RFC 1847 §2.1.

The program gets files in a folder of its own, no configuration, a deadline and bounds on memory, time and what it
writes. Only what it says was signed is used; the certificate store of the machine is shut out.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from gateway.ending import before
from gateway.mailbox.mime import Entity, Limits, Unreadable, decode, divide, leaves, read_entity

SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
ENVELOPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
MOST_SIGNATURE_BYTES = 65_536
_DIGESTS: Mapping[bytes, str] = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
"""The digests that count, by their object identifiers. # RFC 8551 §2.1"""
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # RFC 5652 §5.1
_MEMORY_BYTES = 1 << 30


class Fault(NamedTuple):
    """Why a signature does not count; `later` when it may yet, because the fault is ours."""

    words: str
    later: bool = False


class Signer(NamedTuple):
    """A certificate whose key signed: its SHA-256, and the mail addresses it is for in lower case."""

    fingerprint: bytes
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A signature to be verified: its DER, and the octets it is said to cover (None: they are inside)."""

    signature: bytes
    content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was signed, an entity with a header of its own, and by whom."""

    content: bytes
    signers: tuple[Signer, ...]


def claim(raw: bytes, mail: Entity, limits: Limits) -> Claim | Fault | None:
    """The S/MIME signature of a whole mail, None when it has none."""
    if mail.kind in ENVELOPES:
        return _opaque(raw, mail, limits)
    if mail.kind != "multipart/signed":
        return None
    spans = divide(raw, mail, 3)
    if isinstance(spans, Unreadable) or len(spans) != 2:
        return Fault("multipart/signed has not two parts")
    signature = read_entity(raw, *spans[1], limits)
    if isinstance(signature, Unreadable) or signature.kind not in SIGNATURES:
        return Fault("the signature is not one of S/MIME")
    return _claimed(raw, signature, limits, raw[slice(*spans[0])])


def _opaque(raw: bytes, mail: Entity, limits: Limits) -> Claim | Fault:
    if mail.parameters.get("smime-type", "signed-data").lower() != "signed-data":
        return Fault("the mail is encrypted or no message; send it signed only")
    return _claimed(raw, mail, limits, None)


def _claimed(raw: bytes, entity: Entity, limits: Limits, content: bytes | None) -> Claim | Fault:
    parts = leaves(raw, entity, limits)
    assert not isinstance(parts, Unreadable)  # it is no multipart
    signature = decode(raw, parts[0], MOST_SIGNATURE_BYTES if content is not None else limits.decoded_bytes)
    if signature is None:
        return Fault("the signature is too large")
    weak = digests(signature)
    if isinstance(weak, Fault):
        return weak
    return Claim(signature=signature, content=content)


def digests(der: bytes) -> frozenset[str] | Fault:
    """The digests that signed-data announces, all of them strong. # RFC 5652 §5.1

    openssl verifies a signer only by a digest that is announced here.
    """
    try:
        _, content_info = _element(der, 0, len(der), 0x30)
        at, oid = _element(der, *content_info, 0x06)
        if der[slice(*oid)] != _SIGNED_DATA:
            return Fault("the signature is no signed-data")
        _, wrapped = _element(der, at, content_info[1], 0xA0)
        _, signed = _element(der, *wrapped, 0x30)
        at, _ = _element(der, *signed, 0x02)
        _, announced = _element(der, at, signed[1], 0x31)
        names: set[str] = set()
        at = announced[0]
        while at < announced[1]:
            at, algorithm = _element(der, at, announced[1], 0x30)
            _, oid = _element(der, *algorithm, 0x06)
            names.add(_DIGESTS.get(der[slice(*oid)], ""))
    except (IndexError, ValueError):
        return Fault("the signature can not be read")
    return Fault("the signature rests on a digest other than SHA-256, -384, -512") if "" in names else frozenset(names)


def _element(der: bytes, at: int, end: int, tag: int) -> tuple[int, tuple[int, int]]:
    """(what is behind, (begin, end) of the content) of the element at a place; an open length reaches to the end."""
    if der[at] != tag:
        raise ValueError("another element")
    first, at = der[at + 1], at + 2
    if first == 0x80:  # X.690 §8.1.3.6: ends where its content says
        return end, (at, end)
    if first > 0x80:
        width = first & 0x7F
        first, at = int.from_bytes(der[at : at + width], "big"), at + width
    if first > end - at:
        raise ValueError("an element is longer than what holds it")
    return at + first, (at, at + first)


class OpenSsl:
    """Verification by the openssl program."""

    def __init__(self, program: str = "openssl", *, timeout_s: float = 10.0) -> None:
        self._program = program
        self._timeout_s = timeout_s

    async def verify(self, claimed: Claim, certificates: str) -> Verified | Fault:
        """What was signed and by whom, when a chain leads to one of `certificates` (PEM), a root or not."""
        program = shutil.which(self._program)
        if program is None:
            return Fault("the program openssl is not here", later=True)
        with tempfile.TemporaryDirectory(prefix="gateway-smime-") as name:
            folder = Path(name)
            await asyncio.to_thread(_lay_out, folder, claimed, certificates)
            fault = await self._run(program, folder, detached=claimed.content is not None)
            return await asyncio.to_thread(_taken, folder) if fault is None else fault

    async def _run(self, program: str, folder: Path, *, detached: bool) -> Fault | None:
        arguments = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-out", "content"]
        arguments += ["-signer", "signers", "-CAfile", "trusted", "-no-CApath", "-no-CAstore", "-partial_chain"]
        arguments += ["-purpose", "smimesign", "-auth_level", "2", *(["-content", "claimed"] if detached else [])]
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            program, *arguments, cwd=folder, stdin=nothing, stdout=nothing, stderr=pipe,
            env={"PATH": os.defpath, "LC_ALL": "C", "OPENSSL_CONF": os.devnull},
        )  # fmt: skip
        try:
            _bound(process.pid)
            _, said = await before(self._timeout_s, process.communicate())
        except TimeoutError:
            return Fault("the signature took too long to verify")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode == 0:
            return None
        untrusted = b"certificate verify error" in said
        return Fault("no trusted certificate is behind the signature" if untrusted else "the signature is wrong")


def _bound(pid: int) -> None:
    """Bounds on a process that has just been started."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.prlimit(pid, resource.RLIMIT_CPU, (10, 10))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_MEMORY_BYTES // 8, _MEMORY_BYTES // 8))


def _lay_out(folder: Path, claimed: Claim, certificates: str) -> None:
    (folder / "signature").write_bytes(claimed.signature)
    (folder / "trusted").write_text(certificates, encoding="ascii", errors="replace")
    if claimed.content is not None:
        (folder / "claimed").write_bytes(claimed.content)


def _taken(folder: Path) -> Verified | Fault:
    try:
        signers = x509.load_pem_x509_certificates((folder / "signers").read_bytes())
        return Verified(
            content=(folder / "content").read_bytes(), signers=tuple(signer(certificate) for certificate in signers)
        )
    except (OSError, ValueError, UnsupportedAlgorithm):
        return Fault("the signer's certificate can not be read")


def signer(certificate: x509.Certificate) -> Signer:
    """What is compared of a certificate. # RFC 8550 §3"""
    found = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    with contextlib.suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found += names.get_values_for_type(x509.RFC822Name)
    return Signer(certificate.fingerprint(SHA256()), frozenset(address.lower() for address in found))

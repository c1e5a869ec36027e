"""Mails for tests: built by the standard library, signed by dkimpy and openssl, in a zone of their own."""

import base64
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path

import dkim
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.line import cap

ADDRESS = "duty@commune.example"
DOMAIN = "commune.example"
BOX = "alerts@gateway.example"
SIGNED_FIELDS = [b"From", b"To", b"Subject", b"Date", b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"]


def mail(
    *documents: bytes,
    body: str = "See the attached alert.\n",
    sender: str = f"Duty officer <{ADDRESS}>",
    kind: tuple[str, str] = ("application", "cap+xml"),
    encoding: str = "base64",
    more: Mapping[str, str] | None = None,
) -> bytes:
    """A mail with these documents attached."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = BOX
    message["Subject"] = "alert"
    message["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = "<one@commune.example>"
    for name, value in (more or {}).items():
        message[name] = value
    message.set_content(body)
    for number, document in enumerate(documents):
        message.add_attachment(document, maintype=kind[0], subtype=kind[1], filename=f"alert{number}.xml", cte=encoding)
    return message.as_bytes()


@cache
def alert(identifier: str = "mail-1", **more: str) -> bytes:
    """A valid alert for a place; the same bytes in a whole run."""
    return cap(identifier, **more)  # type: ignore[arg-type]


@cache
def rsa_key(bits: int = 2048, _which: int = 0) -> rsa.RSAPrivateKey:
    """A key; the same in a whole run."""
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key() -> Ed25519PrivateKey:
    """A key; the same in a whole run."""
    return Ed25519PrivateKey.generate()


def record(key: rsa.RSAPrivateKey | Ed25519PrivateKey, more: str = "") -> str:
    """The text record that publishes a key."""
    if isinstance(key, Ed25519PrivateKey):
        octets, kind = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), "ed25519"
    else:
        octets, kind = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "rsa"
    return f"v=DKIM1; k={kind}; {more}p={base64.b64encode(octets).decode()}"


def signed(
    raw: bytes,
    *,
    key: rsa.RSAPrivateKey | None = None,
    domain: str = DOMAIN,
    forms: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    fields: list[bytes] | None = None,
    length: bool = False,
) -> bytes:
    """The mail with a DKIM signature by dkimpy."""
    pem = (key or rsa_key()).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    names = [name for name in fields or SIGNED_FIELDS if b"\r\n" + name.lower() + b":" in b"\r\n" + raw.lower()]
    signature = dkim.sign(raw, b"sel", domain.encode(), pem, canonicalize=forms, include_headers=names, length=length)
    return bytes(signature) + raw


@dataclass(slots=True)
class Zone:
    """Text records by name; `down`: nobody answers."""

    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    async def txt(self, name: str) -> tuple[str, ...] | None:
        """See Resolver."""
        self.asked.append(name)
        return None if self.down else self.records.get(name, ())


def zone(key: rsa.RSAPrivateKey | None = None) -> Zone:
    """The zone that publishes the usual key."""
    return Zone({f"sel._domainkey.{DOMAIN}": (record(key or rsa_key()),)})


# certificates -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate with its key; `pem` is the certificate alone."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def fingerprint(self) -> bytes:
        """SHA-256."""
        return self.certificate.fingerprint(SHA256())


def identity(name: str, issuer: Identity | None = None, *, address: str = "", days: int = 30) -> Identity:
    """An authority (without issuer), or a signer's certificate for a mail address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return Identity(certificate=builder.sign(issuer.key if issuer else key, SHA256()), key=key)


def smime_signed(raw: bytes, signer: Identity, folder: Path, *, opaque: bool = False, digest: str = "sha256") -> bytes:
    """The mail signed by openssl, with its outer header repeated."""
    header, _, body = raw.partition(b"\r\n\r\n")
    lines = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    inner = [line for line in lines if line.lower().startswith((b"content-", b"mime-version"))]
    outer = [line for line in lines if line not in inner]
    (folder / "inner").write_bytes(b"\r\n".join(inner) + b"\r\n\r\n" + body)
    (folder / "signer.pem").write_text(signer.pem)
    (folder / "key.pem").write_bytes(signer.key_pem)
    command = ["openssl", "cms", "-sign", "-in", "inner", "-signer", "signer.pem", "-inkey", "key.pem", "-md", digest]
    done = subprocess.run([*command, *(["-nodetach"] if opaque else []), "-outform", "SMIME", "-crlfeol"],
                          cwd=folder, capture_output=True, check=True)  # fmt: skip
    made = done.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"\r\n".join(outer) + b"\r\n" + made

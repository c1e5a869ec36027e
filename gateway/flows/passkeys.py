"""Passkeys: the two ceremonies of WebAuthn, each begun with a challenge of ours and ended once.

Knows: the package webauthn, what we ask of an authenticator: a discoverable credential and a verified user, which is
two ways in one. Never knows: HTTP, cookies, SQL.
Standard: W3C Web Authentication Level 2, §7.1 (registration), §7.2 (authentication).

Nobody says who they are before they have proven it: the options to sign in are the same for everybody, so they tell
nothing of who is known.
"""

import base64
import json
import secrets
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_attestation_object, parse_registration_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.log import UnitLogger
from gateway.policy.rights import Refusal
from gateway.store import sessions
from gateway.store.pool import Connection, Store, act_as
from gateway.store.sessions import Lasting, Session, State

CEREMONY_S = 300.0
CHALLENGE_BYTES = 32
MOST_PASSKEYS = 20
REGISTER, SIGN_IN = "register", "sign-in"
_BROKEN = (
    WebAuthnException, UnsupportedAlgorithm, ValueError, LookupError, TypeError, AttributeError, OverflowError,
    struct.error,
)  # fmt: skip
"""What the package raises for a credential that is none: its own errors, and those of what it reads with."""


class RelyingParty(NamedTuple):
    """Who we are to authenticators: a domain, a name for people, and the origin of our pages."""

    id: str
    name: str
    origin: str


class Begun(NamedTuple):
    """The options for the browser, and the secret that it brings back."""

    options: dict[str, Any]
    ceremony: str


class Passkeys:
    """The ceremonies over one store."""

    def __init__(self, store: Store, party: RelyingParty, lasting: Lasting, *, log: UnitLogger) -> None:
        self._store = store
        self._party = party
        self._lasting = lasting
        self._log = log

    async def begin_registration(self, session: Session) -> Begun:
        """What the browser needs to make a passkey for who is signed in."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        async with self._store.transaction() as connection:
            known = await sessions.passkeys(connection, session.person_id)
            ceremony = await sessions.begin(
                connection, REGISTER, challenge, lasts_s=CEREMONY_S, person_id=session.person_id
            )
        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=self._party.name,
            user_name=session.name,
            user_id=session.person.encode("ascii"),
            challenge=challenge,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
        )
        return Begun(json.loads(options_to_json(options)), ceremony)

    async def register(
        self, session: Session, ceremony: str, credential: Mapping[str, Any], name: str
    ) -> int | Refusal:
        """The number of the new passkey."""
        async with self._store.acting(f"person:{session.person_id}") as connection:
            begun = await sessions.take(connection, REGISTER, ceremony)
            if begun is None or begun.person_id != session.person_id:
                return _refused("This was not begun here, or it took too long: begin again.")
            try:
                read = parse_registration_credential_json(dict(credential))
                # we ask for no attestation: the parsers of its many forms are for nobody
                if parse_attestation_object(read.response.attestation_object).fmt != AttestationFormat.NONE:
                    return _refused("The passkey was not taken: it comes with an attestation that nobody asked for.")
                made = verify_registration_response(
                    credential=read,
                    expected_challenge=begun.challenge,
                    expected_rp_id=self._party.id,
                    expected_origin=self._party.origin,
                    require_user_verification=True,
                )
            except _BROKEN as error:
                return _refused(f"The passkey was not taken: {_said(error)}.")
            if not await sessions.holds(connection, session.id):
                return _refused("The session has ended.")
            if len(await sessions.passkeys(connection, session.person_id)) >= MOST_PASSKEYS:
                return _refused(f"A person has at most {MOST_PASSKEYS} passkeys: remove one first.")
            number = await sessions.add_passkey(
                connection, session.person_id, credential_id=made.credential_id,
                public_key=made.credential_public_key, sign_count=made.sign_count, name=name,
            )  # fmt: skip
        return _refused("This passkey is known already.") if number is None else number

    async def begin_sign_in(self) -> Begun:
        """What the browser needs to find a passkey: the same for everybody."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        async with self._store.transaction() as connection:
            ceremony = await sessions.begin(connection, SIGN_IN, challenge, lasts_s=CEREMONY_S)
        options = generate_authentication_options(
            rp_id=self._party.id, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return Begun(json.loads(options_to_json(options)), ceremony)

    async def sign_in(self, ceremony: str, credential: Mapping[str, Any]) -> str | Refusal:
        """The secret of the new session. Who is unknown hears what who is known hears: that it did not work."""
        async with self._store.transaction() as connection:
            begun = await sessions.take(connection, SIGN_IN, ceremony)
            row = await sessions.passkey(connection, _id_of(credential))
            if begun is None or row is None or row["suspended"] or not _is_of(credential, row["person"]):
                return _not_signed_in()
            try:
                proven = verify_authentication_response(
                    credential=dict(credential),
                    expected_challenge=begun.challenge,
                    expected_rp_id=self._party.id,
                    expected_origin=self._party.origin,
                    credential_public_key=row["public_key"],
                    credential_current_sign_count=row["sign_count"],
                    require_user_verification=True,
                )
            except _BROKEN as error:
                self._log.warning("passkey_refused", passkey_id=row["id"], error=type(error).__name__)
                return _not_signed_in()
            await act_as(connection, f"person:{row['person_id']}")
            return await self._opened(connection, row, proven.new_sign_count)

    async def _opened(self, connection: Connection, row: Any, sign_count: int) -> str:
        await sessions.passkey_used(connection, row["id"], sign_count)
        return await sessions.open_session(connection, row["person_id"], State.OPEN, "passkey", self._lasting)


def _id_of(credential: Mapping[str, Any]) -> bytes:
    """The id of a credential; one that nobody has when it can not be read."""
    given = credential.get("id")
    try:
        return base64.urlsafe_b64decode(f"{given}==") if isinstance(given, str) else b""
    except ValueError:
        return b""


def _is_of(credential: Mapping[str, Any], person: str) -> bool:
    """Whether the user handle, where the authenticator gave one, is the owner's. W3C WebAuthn §7.2 step 6."""
    response = credential.get("response")
    handle = response.get("userHandle") if isinstance(response, Mapping) else None
    return handle in (None, "", _base64url(person.encode("ascii")))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _said(error: BaseException) -> str:
    """What is wrong, when the package has words for it."""
    return str(error) if isinstance(error, WebAuthnException) else "it can not be read"


def _refused(message: str) -> Refusal:
    return Refusal(reason="passkey-refused", message=message, status=422)


def _not_signed_in() -> Refusal:
    return Refusal(reason="not-signed-in", message="This did not work: begin again.")

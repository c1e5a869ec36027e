"""Voluntary registration: whose number or address may be given, how a code is made, what a citizen is told.

Knows: keyed hashes, numbers and addresses as imports read them, four languages. Never knows: SQL, HTTP, who is
registered. A code is made of a secret that is in no database, so that the database alone proves nothing.
"""

import hmac
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

import phonenumbers

from gateway.model import ChannelName
from gateway.policy.importing import ImportOptions, Problem, read_contacts
from gateway.policy.tabular import Row

CODE_DIGITS = 8
LINK_BYTES = 20
MOST_PLACES = 5
NETWORK_BITS = 64
"""Bits of an IPv6 address that are one asker's: whoever has one has all of its network."""


class Endpoint(NamedTuple):
    """A mobile number in E.164 or an e-mail address, as it is stored."""

    channel: ChannelName
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRules:
    """How registration is bounded. `service` is how messages call it; `link` holds {handle} and {code};
    `countries` may register a number (ISO 3166), () for all. Rates are askings an hour: of one network address, for one
    number or e-mail address, and by everybody together; `lookups` of addresses are of one network address."""

    secret: bytes
    service: str
    link: str
    code_s: float = 900.0
    tries: int = 5
    session_s: float = 1800.0
    per_source: int = 20
    per_endpoint: int = 4
    in_all: int = 3600
    lookups: int = 600
    countries: tuple[str, ...] = ()
    region: str = "BE"
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()


def read_endpoint(channel: ChannelName, text: str, rules: RegistrationRules) -> Endpoint | str:
    """The number or address as it is stored, or why it can not be used."""
    column = "mobile" if channel is ChannelName.SMS else "email"
    options = ImportOptions(region=rules.region)
    (found,) = read_contacts([Row(1, (column,)), Row(2, (text.strip(),))], options)
    if isinstance(found, Problem):
        return found.reason
    if channel is ChannelName.EMAIL:
        assert found.email is not None
        return Endpoint(channel, found.email)
    assert found.mobile is not None
    country = phonenumbers.region_code_for_number(phonenumbers.parse(found.mobile))
    if rules.countries and country not in rules.countries:
        return f"numbers of {', '.join(rules.countries)} can register themselves"
    return Endpoint(channel, found.mobile)


def code_of(secret: bytes, nonce: bytes, channel: ChannelName) -> str:
    """What proves that a message arrived: digits to be typed, or the secret part of a link."""
    mac = hmac.digest(secret, b"code" + nonce, sha256)
    if channel is ChannelName.SMS:
        return f"{int.from_bytes(mac[:16]) % 10**CODE_DIGITS:0{CODE_DIGITS}}"
    return b32encode(mac[:LINK_BYTES]).decode("ascii").lower()


def digest_of(secret: bytes, nonce: bytes, code: str) -> bytes:
    """What is kept of a code."""
    return hmac.digest(secret, b"kept" + nonce + code.encode(), sha256)


def typed(code: str) -> str:
    """A code as people type it: blanks and hyphens do not matter."""
    return "".join(code.split()).replace("-", "").lower()[:100]


def rate_names(secret: bytes, source: str, endpoints: Sequence[Endpoint]) -> tuple[list[bytes], list[bytes]]:
    """Under which names an asking is counted, of its source and of its endpoints; neither can be read from them."""
    of_source = [hmac.digest(secret, f"source {source}".encode(), sha256)]
    return of_source, [hmac.digest(secret, f"to {one.address.lower()}".encode(), sha256) for one in endpoints]


def source_of(remote: str, forwarded: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Who asks: the peer's address, or, when the peer is a proxy of ours, the last address before our proxies in
    X-Forwarded-For. An IPv6 address counts as its /64."""
    try:
        address = ip_address(peer_of(remote, forwarded, proxies))
    except ValueError:
        return remote
    if address.version == 6:
        return str(IPv6Network((int(address) >> NETWORK_BITS << NETWORK_BITS, NETWORK_BITS)))
    return str(address)


def peer_of(remote: str, forwarded: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address itself, as it was written."""
    trail = [word.strip() for word in forwarded.split(",")[-20:] if word.strip()]
    here = remote
    while trail and is_within(here, proxies):
        here = trail.pop()
    return here


def is_within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of these networks."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in networks)


class Words(NamedTuple):
    """What a language says, with {service}, {code}, {link} and {minutes}; SMS fits into one part."""

    sms: str
    subject: str
    mail: str
    button: str
    done: str
    failed: str


WORDS = {
    "en": Words(
        "{service}: your code is {code}. It works for {minutes} minutes. You did not ask for it? Then do nothing.",
        "Confirm your e-mail address",
        "Somebody, probably you, gave this address to {service}.\n\nConfirm it here, within {minutes} minutes:\n{link}"
        "\n\nIt was not you? Then do nothing: without this link nothing is registered or shown.",
        "Confirm", "Confirmed. Thank you.", "This link is used or has run out. Ask for a new one.",
    ),
    "nl": Words(
        "{service}: uw code is {code}. Ze werkt {minutes} minuten. Niet door u gevraagd? Doe dan niets.",
        "Bevestig uw e-mailadres",
        "Iemand, waarschijnlijk u, gaf dit adres op aan {service}.\n\nBevestig het hier, binnen {minutes} minuten:\n"
        "{link}\n\nWas u dat niet? Doe dan niets: zonder deze link wordt niets geregistreerd of getoond.",
        "Bevestigen", "Bevestigd. Dank u.", "Deze link is gebruikt of verlopen. Vraag een nieuwe.",
    ),
    "fr": Words(
        "{service}: votre code est {code}, valable {minutes} minutes. Pas de vous? Ne faites rien.",
        "Confirmez votre adresse e-mail",
        "Quelqu'un, vous sans doute, a donné cette adresse à {service}.\n\nConfirmez-la ici, dans les {minutes} "
        "minutes :\n{link}\n\nCe n'était pas vous ? Ne faites rien : sans ce lien, rien n'est inscrit ni montré.",
        "Confirmer", "Confirmé. Merci.", "Ce lien a servi ou a expiré. Demandez-en un autre.",
    ),
    "de": Words(
        "{service}: Ihr Code ist {code}, gültig {minutes} Minuten. Nicht von Ihnen angefordert? Dann tun Sie nichts.",
        "Bestätigen Sie Ihre E-Mail-Adresse",
        "Jemand, wohl Sie selbst, hat {service} diese Adresse angegeben.\n\nBestätigen Sie sie hier, binnen {minutes} "
        "Minuten:\n{link}\n\nSie waren es nicht? Dann tun Sie nichts: Ohne diesen Link wird nichts eingetragen "
        "oder gezeigt.",
        "Bestätigen", "Bestätigt. Danke.", "Dieser Link ist benutzt oder abgelaufen. Fordern Sie einen neuen an.",
    ),
}  # fmt: skip
"""By two-letter language; who speaks another one gets English."""


def words_in(language: str) -> Words:
    """What is said in this language."""
    return WORDS.get(language, WORDS["en"])


def sms_of(rules: RegistrationRules, language: str, code: str) -> str:
    """The text message with a code."""
    half = CODE_DIGITS // 2
    minutes = round(rules.code_s / 60)
    return words_in(language).sms.format(service=rules.service, code=f"{code[:half]} {code[half:]}", minutes=minutes)


def mail_of(rules: RegistrationRules, language: str, handle: str, code: str) -> tuple[str, str]:
    """Subject and text of the mail with a link."""
    words, link = words_in(language), rules.link.replace("{handle}", handle).replace("{code}", code)
    body = words.mail.format(service=rules.service, link=link, minutes=round(rules.code_s / 60))
    return f"{rules.service}: {words.subject}", body

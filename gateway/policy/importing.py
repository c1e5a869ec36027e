"""Contacts from the rows of a table: every row becomes a contact that can be reached, or a reason.

Knows: the columns an office may write, phone numbers, e-mail addresses, languages, what makes two rows one person.
Never knows: files, the database, groups. A reason names the column and never the number, address or name in it.
Standards: ITU-T E.164, RFC 5321 §4.1.2 (addresses), RFC 5891 (IDNA), RFC 5646 (languages).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import idna
import phonenumbers

from gateway.policy.tabular import BadFile, BadRow, Row

OPT_OUT_BITS: Mapping[str, int] = {"prevention": 2, "news": 4, "other": 8}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "key": ("id", "number", "nummer", "numero", "reference", "schlussel"),
    "name": ("naam", "nom", "full name", "fullname", "display name", "nom complet", "vollstandiger name"),
    "first_name": ("first name", "voornaam", "prenom", "vorname", "given name"),
    "last_name": ("last name", "achternaam", "familienaam", "nom de famille", "nachname", "family name", "surname"),
    "language": ("taal", "langue", "sprache", "lang"),
    "mobile": ("gsm", "mobiel", "portable", "cell", "mobile phone", "handy", "sms", "gsm nummer", "numero gsm"),
    "landline": ("vaste lijn", "fixe", "telephone fixe", "festnetz", "home phone", "vast"),
    "phone": ("telefoon", "telephone", "telefon", "tel"),
    "email": ("e mail", "mail", "courriel", "email address", "adresse e mail", "e mailadres", "mailadres"),
    "opt_out": ("opt out", "optout", "refuses"),
    "label": ("address", "adres", "adresse", "place"),
    "postcode": ("postal code", "zip", "zip code", "code postal", "postleitzahl", "plz", "post code"),
    "municipality": (
        "gemeente",
        "commune",
        "gemeinde",
        "city",
        "town",
        "stad",
        "ville",
        "stadt",
        "woonplaats",
        "localite",
    ),
    "tags": ("tag", "labels", "etiketten", "etiquettes", "schlagworte", "categories", "categorie"),
    "lon": ("lng", "long", "longitude", "lengtegraad", "langengrad", "x"),
    "lat": ("latitude", "breedtegraad", "breitengrad", "y"),
}
"""What a column may be called; the first word is ours. Case, accents, hyphens and underscores do not matter."""

LANGUAGE_WORDS: Mapping[str, str] = {
    "n": "nl", "ned": "nl", "dutch": "nl", "nederlands": "nl", "neerlandais": "nl", "niederlandisch": "nl",
    "f": "fr", "french": "fr", "frans": "fr", "francais": "fr", "franzosisch": "fr",
    "d": "de", "german": "de", "duits": "de", "allemand": "de", "deutsch": "de",
    "e": "en", "english": "en", "engels": "en", "anglais": "en", "englisch": "en",
}  # fmt: skip

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{1,8})*")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # RFC 5321 §4.1.2
_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?")
MATCHES = ("key", "mobile", "landline", "email")
"""By what a row is known to be a contact that is there already."""
MOST_TAGS, LONGEST_TAG = 20, 50
_DOMAINS = 1024  # most addresses of a file are at few of them, and each costs as much to read as a number

_TAG = re.compile(r"[^\s,;\x00-\x1f]+")
_PLAIN = str.maketrans("áàâäãåéèêëíìîïóòôöõúùûüçñ", "aaaaaaeeeeiiiiooooouuuucn", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """`region` reads numbers without + (ISO 3166); `mapping` is column of the file -> column of ours;
    `languages` are those that the entity writes in, () for any; `match` is one of MATCHES."""

    region: str = "BE"
    languages: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    match: str = "key"


class Place(NamedTuple):
    """One address point of a contact, WGS 84."""

    label: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedContact:
    """A contact to be stored. `key` is the file's own, or made from the first endpoint; what is empty was not said."""

    row: int
    key: str
    name: str = ""
    language: str = ""
    mobile: str | None = None
    landline: str | None = None
    email: str | None = None
    opt_out: int = 0
    place: Place | None = None
    postcode: str = ""
    municipality: str = ""
    tags: tuple[str, ...] = ()


class Problem(NamedTuple):
    """Why a row gives no contact; row 0 and `fatal` when nothing after it was read; `taken` when it gives one all the
    same."""

    row: int
    column: str
    reason: str
    fatal: bool = False
    taken: bool = False


class _Refused(Exception):
    """One cell makes its row impossible; caught where the row is read."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


def read_contacts(
    rows: Iterable[Row | BadRow | BadFile], options: ImportOptions
) -> Iterator[ImportedContact | Problem]:
    """A contact or a problem for every row below the header; a problem that is fatal comes last."""
    seen: dict[bytes, int] = {}
    return (first_of(seen, found) for found in each_contact(rows, options))


def each_contact(rows: Iterable[Row | BadRow | BadFile], options: ImportOptions) -> Iterator[ImportedContact | Problem]:
    """The same, whatever other rows say: for a file that is read in parts."""
    source = iter(rows)
    header = next(source, None)
    columns = _header(header, options)
    if isinstance(columns, Problem):
        yield columns
        return
    for row in source:
        match row:
            case BadFile(reason):
                yield Problem(0, "", reason, fatal=True)
            case BadRow(number, reason):
                yield Problem(number, "", reason)
            case Row():
                yield _contact(row, columns, options)


def _header(header: Row | BadRow | BadFile | None, options: ImportOptions) -> tuple[str | None, ...] | Problem:
    """Which of our columns each column of the file is, None for one that is not ours."""
    if not isinstance(header, Row):
        return Problem(0, "", header.reason if header else "the file is empty", fatal=True)
    words = {word: name for name, others in COLUMNS.items() for word in (_plain(name), *others)}
    asked = {_plain(theirs): ours for theirs, ours in options.mapping.items()}
    unknown = sorted(set(options.mapping.values()) - set(COLUMNS))
    if unknown:
        return Problem(1, unknown[0], f"no such column; ours are {', '.join(COLUMNS)}", fatal=True)
    missing = sorted(set(asked) - {_plain(cell) for cell in header.cells})
    if missing:
        return Problem(1, missing[0], "the mapping names this column and the header does not have it", fatal=True)
    columns = tuple(asked.get(_plain(cell)) or words.get(_plain(cell)) for cell in header.cells)
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        return Problem(1, twice[0], "two columns of the file mean this one: choose with --mapping", fatal=True)
    if not {"mobile", "landline", "phone", "email"} & set(columns):
        reason = "the first row must name the columns, and one of them mobile, landline, phone or email"
        return Problem(1, "", reason, fatal=True)
    return columns


def _plain(word: str) -> str:
    return " ".join(re.split(r"[\s_\-.]+", word.lower().translate(_PLAIN))).strip()


def first_of(seen: dict[bytes, int], found: ImportedContact | Problem) -> ImportedContact | Problem:
    """The contact, unless an earlier row of the file has its key; 12 bytes a key keep a long file small."""
    if isinstance(found, Problem):
        return found
    earlier = seen.setdefault(blake2b(found.key.encode(), digest_size=12).digest(), found.row)
    if earlier == found.row:
        return found
    column = found.key.partition(":")[0] if found.key == _endpoint(found.mobile, found.email, found.landline) else "key"
    return Problem(found.row, column, f"the same as in row {earlier}; a column key tells two people apart")


def _contact(row: Row, columns: tuple[str | None, ...], options: ImportOptions) -> ImportedContact | Problem:
    cells = {name: cell for name, cell in zip(columns, row.cells, strict=False) if name and cell}
    try:
        mobile, landline = _numbers(cells, options.region)
        email = _email(cells["email"]) if "email" in cells else None
        endpoint = _endpoint(mobile, email, landline)
        if not endpoint:
            raise _Refused("", "neither a phone number nor an e-mail address")
        given = {"mobile": mobile, "landline": landline, "email": email}
        if options.match in given and not given[options.match]:
            raise _Refused(options.match, "rows are matched by this column, and it is empty")
        return ImportedContact(
            row=row.number,
            key=_bounded(cells, "key", 200) or endpoint,
            name=_bounded(cells, "name", 200) or _whole_name(cells),
            language=_language(cells.get("language", ""), options.languages),
            mobile=mobile,
            landline=landline,
            email=email,
            opt_out=_opt_out(cells.get("opt_out", "")),
            place=_place(cells),
            postcode=_bounded(cells, "postcode", 12).upper(),
            municipality=_bounded(cells, "municipality", 100),
            tags=tags_of(cells.get("tags", "")),
        )
    except _Refused as refused:
        return Problem(row.number, refused.column, refused.reason)


def _endpoint(mobile: str | None, email: str | None, landline: str | None) -> str:
    """What stands for a person whose row has no key: the same file again then updates instead of doubling."""
    pairs = (("mobile", mobile), ("email", email), ("landline", landline))
    return next((f"{column}:{value}" for column, value in pairs if value), "")


def _bounded(cells: Mapping[str, str], column: str, characters: int) -> str:
    text = cells.get(column, "")
    if len(text) > characters:
        raise _Refused(column, f"longer than {characters} characters")
    return text


def _whole_name(cells: Mapping[str, str]) -> str:
    return f"{_bounded(cells, 'first_name', 100)} {_bounded(cells, 'last_name', 100)}".strip()


def _numbers(cells: Mapping[str, str], region: str) -> tuple[str | None, str | None]:
    """(mobile, landline) in E.164. A column `phone` is either, as its number says."""
    mobile = _number("mobile", cells["mobile"], region) if "mobile" in cells else None
    landline = _number("landline", cells["landline"], region) if "landline" in cells else None
    if "phone" in cells:
        number = _number("phone", cells["phone"], region)
        if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE:
            landline = landline or number
        else:
            mobile = mobile or number
    return (_e164(mobile) if mobile else None), (_e164(landline) if landline else None)


def _number(column: str, cell: str, region: str) -> phonenumbers.PhoneNumber:
    if len(cell) > 40:
        raise _Refused(column, "too long for a phone number")
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        raise _Refused(column, "no phone number; write it as +32 470 00 00 00") from None
    if number.extension:
        raise _Refused(column, "a number with an extension can not be called by a machine")
    # a range that was assigned after our tables were made is still somebody's: possible is enough
    if not phonenumbers.is_possible_number(number) or not _E164.fullmatch(_e164(number)):
        raise _Refused(column, "not the length of a phone number of its country")
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        raise _Refused(column, "a premium-rate number is never called")
    if column == "mobile" and kind == phonenumbers.PhoneNumberType.FIXED_LINE:
        raise _Refused(column, "a landline, which gets no SMS: put it into the column landline")
    return number


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(cell: str) -> str:
    """The address with its domain in lower case and ASCII. The part before @ is its owner's to write."""
    local, at, domain = cell.removeprefix("mailto:").rpartition("@")
    if not at or len(cell) > 320:
        raise _Refused("email", "no e-mail address")
    if len(local) > 64 or not _LOCAL.fullmatch(local):  # RFC 5321 §4.5.3.1.1
        raise _Refused("email", "the part before @ is not one that every mail server takes")
    ascii_domain = _domain(domain)
    address = f"{local}@{ascii_domain}"
    if len(address) > 254:  # RFC 5321 §4.5.3.1.3
        raise _Refused("email", "longer than 254 characters")
    return address


@lru_cache(maxsize=_DOMAINS)
def _domain(domain: str) -> str:
    try:
        name = idna.encode(domain.strip().lower(), uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise _Refused("email", "the part after @ is not the name of a domain") from None
    labels = name.split(".")
    if len(labels) < 2 or labels[-1].isdigit():
        raise _Refused("email", "the part after @ is not the name of a domain")
    return name


def _language(cell: str, languages: tuple[str, ...]) -> str:
    """The language in lower case without region, as texts are chosen by it; "" when none is named."""
    if not cell:
        return ""
    word = LANGUAGE_WORDS.get(_plain(cell), cell)
    if not _LANGUAGE.fullmatch(word) or len(word) > 35:
        raise _Refused("language", "no language; write nl, fr, de or en")
    language = word.partition("-")[0].lower()
    if languages and language not in languages:
        raise _Refused("language", f"the entity writes in {', '.join(languages)}")
    return language


def _opt_out(cell: str) -> int:
    bits = 0
    for word in re.split(r"[\s,;/|]+", cell.lower()):
        if word == "urgent":
            raise _Refused("opt_out", "nobody can refuse urgent alerts")
        if word and word not in OPT_OUT_BITS:
            raise _Refused("opt_out", f"knows {', '.join(OPT_OUT_BITS)}")
        bits |= OPT_OUT_BITS.get(word, 0)
    return bits


def tags_of(cell: str) -> tuple[str, ...]:
    """Words in lower case, each once; `name=value` is one, too."""
    tags = tuple(dict.fromkeys(_TAG.findall(cell.lower())))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        raise _Refused("tags", f"at most {MOST_TAGS} words of at most {LONGEST_TAG} characters")
    return tags


def _place(cells: Mapping[str, str]) -> Place | None:
    if "lon" not in cells and "lat" not in cells:
        return None
    lon, lat = _degrees(cells, "lon", 180), _degrees(cells, "lat", 90)
    return Place(_bounded(cells, "label", 200), -180.0 if lon == 180 else lon, lat)


def _degrees(cells: Mapping[str, str], column: str, limit: int) -> float:
    cell = cells.get(column, "").replace(",", ".")
    if not _DECIMAL.fullmatch(cell):
        raise _Refused(column, "both lon and lat are needed, as decimal degrees like 4.35 and 50.85")
    value = float(cell)
    if not -limit <= value <= limit:
        raise _Refused(column, f"not between -{limit} and {limit}")
    return value

"""The geocode systems that alerts name: how each is called, and what a value of it looks like.

Knows: names, their other spellings, forms of values. Never knows: where a place lies (store), CAP documents.
Standard: CAP 1.2 §3.2.4 (geocode); ISO 3166-2; Regulation (EC) 1059/2003 (NUTS); 47 CFR 11.31 (SAME); the codes of the
Belgian statistical office (NIS, in French INS); MeteoAlarm's EMMA_ID; CAP-CP locations; the German warning cells.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple


class GeocodeScheme(NamedTuple):
    """One system: the valueName that the gateway keeps it under, the form of its values, an example, other names."""

    name: str
    form: re.Pattern[str]
    example: str
    also: tuple[str, ...] = ()


def _scheme(name: str, form: str, example: str, *also: str) -> GeocodeScheme:
    return GeocodeScheme(name, re.compile(form, re.ASCII), example, also)


SCHEMES: tuple[GeocodeScheme, ...] = (
    _scheme("NIS", r"\d{5}", "31005", "INS", "NIS/INS", "NISCODE", "REFNIS"),
    _scheme("NUTS", r"[A-Z]{2}[0-9A-Z]{0,3}", "BE251", "NUTS0", "NUTS1", "NUTS2", "NUTS3"),
    _scheme("LAU", r"[A-Z]{2}_?[0-9A-Z]{1,13}", "BE_31005", "LAU2"),
    _scheme("ISO 3166-2", r"[A-Z]{2}-[0-9A-Z]{1,3}", "BE-VWV", "ISO3166-2", "ISO 31662"),
    _scheme("ISO 3166-1", r"[A-Z]{2,3}", "BE", "ISO3166-1"),
    _scheme("EMMA_ID", r"[A-Z]{2}[0-9A-Z]{3}", "BE004", "EMMA-ID", "EMMAID"),
    _scheme("SAME", r"\d{6}", "006037"),
    _scheme("FIPS6", r"\d{6}", "006037"),
    _scheme("UGC", r"[A-Z]{2}[CZ](?:\d{3}|ALL)", "ORZ007"),
    _scheme("WARNCELLID", r"\d{9}", "105315000", "WARNCELL_ID"),
    _scheme("profile:CAP-CP:Location:0.3", r"\d{2,7}", "3520005", "profile:CAP-CP:Location:0.4"),
)


def _plain(name: str) -> str:
    """What is left of a name when spelling does not count."""
    return re.sub(r"[\s_\-./:]", "", name).upper()


_BY_NAME: Mapping[str, GeocodeScheme] = {
    _plain(name): scheme for scheme in SCHEMES for name in (scheme.name, *scheme.also)
}


def known(name: str) -> GeocodeScheme | None:
    """The system of this name, however it is spelt; None for one that the gateway has never heard of."""
    return _BY_NAME.get(_plain(name))


def canonical(name: str) -> str:
    """The valueName under which the gateway keeps the system; an unknown name stays as it is."""
    scheme = known(name)
    return scheme.name if scheme else name.strip()


def problem(name: str, value: str) -> str:
    """Why this is no value of the system, as a sentence; "" when it may be one. Of unknown systems little is asked."""
    if not 1 <= len(value) <= 100 or not value.isprintable():
        return "a value is a text of 1 to 100 characters"
    scheme = known(name)
    if scheme is not None and not scheme.form.fullmatch(value):
        return f"{value} is not a {scheme.name} code, which looks like {scheme.example}"
    return ""

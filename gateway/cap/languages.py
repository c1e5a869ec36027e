"""Is a text a language tag, and one of a language that is registered?

Knows: the grammar of BCP 47 and the two-letter codes. Never knows: which languages an authority must use.
Standard: RFC 5646 §2.1 (BCP 47); ISO 639-1; CAP 1.2 §3.2.2.
"""

import re
from functools import lru_cache

from gateway.cap.findings import quoted

# RFC 5646 §2.1: langtag, privateuse, and the grandfathered tags by their prefixes
_WELL_FORMED = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})"
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+"
    r"|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)"
    r"|en-gb-oed|sgn-(?:be-fr|be-nl|ch-de)|art-lojban|cel-gaulish|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang)",
    re.ASCII,
)
_LONGEST = 80
_KEPT = 128  # answers: alerts are in few languages

_TWO_LETTERS = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el
en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it
iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo
mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh
si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh
yi yo za zh zu
"""
_KNOWN = frozenset(_TWO_LETTERS.split())
_MEANT = {"jp": "ja", "cn": "zh", "ua": "uk", "gr": "el", "cz": "cs", "dk": "da", "sp": "es", "vn": "vi", "kz": "kk"}


@lru_cache(maxsize=_KEPT)
def language_problem(text: str) -> str:
    """Why the text is no language tag, as a sentence; "" when it is one."""
    if len(text) <= _LONGEST and _WELL_FORMED.fullmatch(text.lower()):
        return ""
    return f"{quoted(text)} is not a language tag; write the language, then the region: nl-BE, fr, zh-Hans"


def language_doubt(text: str) -> str:
    """Why a well-formed tag names no registered language, as a sentence; "" when nothing speaks against it."""
    primary = text.lower().split("-")[0]
    if len(primary) > 3:
        return f"{quoted(text)} names no registered language; use its code, such as en for English"
    if len(primary) == 2 and primary not in _KNOWN:
        meant = f"; {_MEANT[primary]} is probably meant" if primary in _MEANT else ""
        return f"{quoted(primary)} is no registered language{meant}"
    return ""

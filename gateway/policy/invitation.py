"""Invitations by mail: what the mail and the page behind its link say, in the language of who is invited.

Knows: four languages. Never knows: SQL, HTTP, how a mail leaves, what an invitation opens.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class Words(NamedTuple):
    """What a language says, with {entity}, {service}, {link} and {until}; the rest is for the page."""

    subject: str
    mail: str
    title: str
    button: str
    opened: str
    known: str
    failed: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        "{entity} invites you",
        "{entity} gives you access to {service}.\n\nOpen this link yourself, in the browser that you will work with:\n"
        "{link}\n\nIt works once, until {until}. Do not pass it on: whoever opens it acts in your name. We never "
        "ask for a password. You did not expect this? Do nothing, and tell {entity}.",
        "Your invitation", "Open it",
        "It is open. This browser can now set up how you sign in; it has half an hour.",
        "You can sign in already. Sign in first, then open the invitation there.",
        "This link is used, has run out, or was replaced by a newer one. Ask for another.",
    ),
    "nl": Words(
        "{entity} nodigt u uit",
        "{entity} geeft u toegang tot {service}.\n\nOpen deze link zelf, in de browser waarmee u zult werken:\n{link}"
        "\n\nHij werkt één keer, tot {until}. Geef hem niet door: wie hem opent, handelt in uw naam. Wij vragen "
        "nooit een wachtwoord. Verwachtte u dit niet? Doe niets, en zeg het aan {entity}.",
        "Uw uitnodiging", "Openen",
        "Ze is open. In deze browser kunt u nu instellen hoe u zich aanmeldt; u hebt een half uur.",
        "U kunt zich al aanmelden. Meld u eerst aan, en open de uitnodiging daar.",
        "Deze link is gebruikt, verlopen of door een nieuwere vervangen. Vraag een andere.",
    ),
    "fr": Words(
        "{entity} vous invite",
        "{entity} vous donne accès à {service}.\n\nOuvrez ce lien vous-même, dans le navigateur avec lequel vous "
        "travaillerez :\n{link}\n\nIl fonctionne une fois, jusqu'au {until}. Ne le transmettez pas : qui l'ouvre agit "
        "en votre nom. Nous ne demandons jamais de mot de passe. Vous n'attendiez pas ce message ? Ne faites rien, et "
        "dites-le à {entity}.",
        "Votre invitation", "Ouvrir",
        "Elle est ouverte. Ce navigateur peut maintenant choisir comment vous vous connecterez ; il a une demi-heure.",
        "Vous pouvez déjà vous connecter. Connectez-vous d'abord, puis ouvrez l'invitation là.",
        "Ce lien a servi, a expiré ou a été remplacé par un plus récent. Demandez-en un autre.",
    ),
    "de": Words(
        "{entity} lädt Sie ein",
        "{entity} gibt Ihnen Zugang zu {service}.\n\nÖffnen Sie diesen Link selbst, in dem Browser, mit dem Sie "
        "arbeiten werden:\n{link}\n\nEr gilt einmal, bis {until}. Geben Sie ihn nicht weiter: Wer ihn öffnet, handelt "
        "in Ihrem Namen. Wir fragen nie nach einem Passwort. Sie haben das nicht erwartet? Tun Sie nichts, und sagen "
        "Sie es {entity}.",
        "Ihre Einladung", "Öffnen",
        "Sie ist offen. In diesem Browser legen Sie nun fest, wie Sie sich anmelden; Sie haben eine halbe Stunde.",
        "Sie können sich schon anmelden. Melden Sie sich zuerst an, und öffnen Sie die Einladung dort.",
        "Dieser Link ist benutzt, abgelaufen oder durch einen neueren ersetzt. Bitten Sie um einen anderen.",
    ),
}  # fmt: skip
"""By two-letter language; who speaks another one gets English."""


def words_in(language: str) -> Words:
    """What is said in this language."""
    return WORDS.get(language[:2].lower(), WORDS["en"])


def mail_of(language: str, *, entity: str, service: str, link: str, until: datetime) -> tuple[str, str]:
    """Subject and text of the mail with a link."""
    words, name = words_in(language), " ".join(entity.split())
    body = words.mail.format(entity=name, service=service, link=link, until=f"{until:%d.%m.%Y}")
    return words.subject.format(entity=name), body

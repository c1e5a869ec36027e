"""Rules about the message as a whole: who sent it, when, what it does to others, whom it is for.

Knows: the first level of an alert. Never knows: other alerts, rights, the schema.
Standard: CAP 1.2 §3.2.1, §3.3.2, §3.3.4 (rules S1-S10, S12-S15, S39, S42).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.cap import dates
from gateway.cap.draft import Draft, Leaf, Where
from gateway.cap.findings import quoted
from gateway.cap.tree import local_name
from gateway.cap.words import token_problem

Mark = tuple[Where, str]
"""Where a rule is broken, and what is wrong and would be right, in words."""


class Context(NamedTuple):
    """What a rule may know besides the alert: when it came, and how far its clock may be off."""

    received_at: datetime | None = None
    clock_ahead_s: int = 300
    replay_s: int = 86_400
    resource_bytes: int = 1_000_000


_ANSWERING = frozenset({"Update", "Cancel", "Ack", "Error"})


def identifier_is_one_plain_word(draft: Draft, _: Context) -> Iterator[Mark]:
    """S1."""
    yield from _plain_word(draft.leaf("identifier"))


def sender_is_one_plain_word(draft: Draft, _: Context) -> Iterator[Mark]:
    """S2."""
    yield from _plain_word(draft.leaf("sender"))


def _plain_word(leaf: Leaf | None) -> Iterator[Mark]:
    if leaf is not None and (problem := token_problem(leaf.text)):
        yield leaf, f"{local_name(leaf.element)} {problem}"


def sent_is_near_the_time_of_receipt(draft: Draft, context: Context) -> Iterator[Mark]:
    """S3, the part that one document and a clock can show."""
    if draft.sent is None or draft.sent.at is None or context.received_at is None:
        return
    age = context.received_at - draft.sent.at
    age_s = age.total_seconds()
    if age_s < -context.clock_ahead_s:
        yield draft.sent.leaf, f"sent lies {_span(-age)} after the time of receipt; check the sender's clock and offset"
    elif age_s > context.replay_s:
        yield draft.sent.leaf, f"sent lies {_span(age)} before the time of receipt; a new alert is sent at once"


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2880 else f"{minutes // 1440} days"


def times_have_the_form_of_cap(draft: Draft, _: Context) -> Iterator[Mark]:
    """S4: what the schemas of 1.0 and 1.1 let pass, the texts of the standard do not."""
    if draft.version == "1.2":
        return
    for dated in draft.dated:
        if dated.leaf.value and not dates.is_strict(dated.leaf.value):
            yield dated.leaf, f"{quoted(dated.leaf.value)} is not in CAP's form; write 2026-03-01T10:00:00+01:00"


def times_can_be_reckoned_with(draft: Draft, _: Context) -> Iterator[Mark]:
    """X4 beyond the schema: a time that the calendar does not hold in UTC."""
    for dated in draft.dated:
        if dated.at is None and dates.is_strict(dated.leaf.value):
            yield dated.leaf, f"{quoted(dated.leaf.value)} is not a moment that exists between the years 1 and 9999"


def utc_is_written_minus_zero(draft: Draft, _: Context) -> Iterator[Mark]:
    """S5, said once with the number of places."""
    found = [dated.leaf for dated in draft.dated if dated.leaf.value.endswith("+00:00")]
    if found:
        more = f" (and in {len(found) - 1} more places)" if len(found) > 1 else ""
        yield found[0], f"UTC is written +00:00{more}; CAP writes -00:00. It is read as UTC"


def exercise_is_named_in_note(draft: Draft, _: Context) -> Iterator[Mark]:
    """S6."""
    if draft.text("status") == "Exercise" and not draft.text("note"):
        yield draft.leaf("status") or draft, "the exercise is not named; put its name in note"


def error_is_explained_in_note(draft: Draft, _: Context) -> Iterator[Mark]:
    """S7."""
    if draft.text("msgType") == "Error" and not draft.text("note"):
        yield draft.leaf("msgType") or draft, "the error is not explained; say in note why a message is refused"


def answer_names_what_it_answers(draft: Draft, _: Context) -> Iterator[Mark]:
    """S8."""
    kind = draft.text("msgType")
    if kind in _ANSWERING and not draft.references:
        where = draft.leaf("references") or draft.leaf("msgType") or draft
        form = "identifier/sender" if draft.version == "1.0" else "sender,identifier,sent"
        yield where, f"{kind} without references; name each message it is about as {form}"


def references_can_be_read(draft: Draft, _: Context) -> Iterator[Mark]:
    """S9."""
    leaf = draft.leaf("references")
    if leaf is None:
        return
    for referral in draft.references:
        if referral.problem:
            yield leaf, f"a reference can not be read: {referral.problem}"


def reference_slips_are_named(draft: Draft, _: Context) -> Iterator[Mark]:
    """S4 inside references, which only lenient reading gets past."""
    leaf = draft.leaf("references")
    for referral in draft.references if leaf else ():
        if leaf and referral.slip:
            yield leaf, f"the time of {quoted(referral.text)} has {referral.slip}"


def alert_does_not_refer_to_itself_or_later(draft: Draft, _: Context) -> Iterator[Mark]:
    """S10."""
    leaf, sent = draft.leaf("references"), draft.sent_at
    if leaf is None:
        return
    own = (draft.text("sender"), draft.text("identifier"))
    for reference in (referral.reference for referral in draft.references):
        if reference is None:
            continue
        if (reference.sender, reference.identifier) == own:
            yield (
                leaf,
                "it refers to its own identifier; name the earlier message, and give this one an identifier of its own",
            )
        elif reference.sent and sent and reference.sent > sent:
            yield (
                leaf,
                f"it refers to a message sent later than itself ({quoted(reference.sent_text)}); check both times",
            )


def references_name_each_message_once(draft: Draft, _: Context) -> Iterator[Mark]:
    """S10, the lesser part."""
    leaf = draft.leaf("references")
    if leaf is None:
        return
    known = [referral.reference for referral in draft.references if referral.reference]
    if len(set(known)) < len(known):
        yield leaf, "a message is named twice in references; once is enough"


def restricted_says_to_whom(draft: Draft, _: Context) -> Iterator[Mark]:
    """S12."""
    if draft.text("scope") == "Restricted" and not draft.text("restriction"):
        yield draft.leaf("scope") or draft, "scope is Restricted and restriction is absent; say who may have it"


def restriction_belongs_to_restricted(draft: Draft, _: Context) -> Iterator[Mark]:
    """S12, the lesser part."""
    scope, leaf = draft.text("scope"), draft.leaf("restriction")
    if leaf and leaf.value and scope in ("Public", "Private"):
        yield leaf, f"restriction is given with scope {scope}; it has a meaning with Restricted only"


def private_has_addresses(draft: Draft, _: Context) -> Iterator[Mark]:
    """S13."""
    if draft.text("scope") == "Private" and not draft.addresses.items and not draft.addresses.problem:
        yield draft.leaf("scope") or draft, "scope is Private and addresses is absent; name the recipients"


def addresses_can_be_divided(draft: Draft, _: Context) -> Iterator[Mark]:
    """S14."""
    leaf = draft.leaf("addresses")
    if leaf and draft.addresses.problem:
        yield leaf, f"addresses: {draft.addresses.problem}"


def incidents_can_be_divided(draft: Draft, _: Context) -> Iterator[Mark]:
    """S15."""
    leaf = draft.leaf("incidents")
    if leaf and draft.incidents.problem:
        yield leaf, f"incidents: {draft.incidents.problem}"


def answer_of_a_machine_is_not_sent_to_people(draft: Draft, _: Context) -> Iterator[Mark]:
    """S42."""
    kind = draft.text("msgType")
    if kind in ("Ack", "Error") and draft.infos:
        yield draft.infos[0], f"{kind} is between systems: its info is kept and not sent to people"


def signature_envelops_the_alert(draft: Draft, _: Context) -> Iterator[Mark]:
    """S39: a child of the alert, after all else, over the whole document."""
    for signature in draft.signatures:
        if not signature.in_place:
            yield signature, "the signature is not the last child of alert; only an enveloped signature may be used"
        elif any(uri != "" for uri in signature.uris):
            yield signature, 'the signature covers something else than the alert; its Reference has URI=""'


def signature_can_be_verified(draft: Draft, _: Context) -> Iterator[Mark]:
    """S39: no reason to refuse, and the user is told."""
    for signature in draft.signatures:
        if not signature.complete:
            yield signature, "the signature is incomplete and can not be verified; the alert counts as not signed"

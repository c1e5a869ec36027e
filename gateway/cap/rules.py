"""The rules that no schema can express, in one table, and the pass that asks them all.

Knows: which rule has which weight and clause. Never knows: how to read XML, other alerts.
Standard: CAP 1.2 §3.2, §3.3, and the same clauses of 1.1 and 1.0. Rules S1-S43, as far as one document can show them.

S11 and the rest of S3 need other alerts; S16 and S37 ask nothing of a document; S40 is settled before parsing.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from gateway.cap import rules_area as area
from gateway.cap import rules_info as info
from gateway.cap import rules_message as message
from gateway.cap import rules_resource as resource
from gateway.cap import rules_text as text
from gateway.cap.draft import Draft
from gateway.cap.findings import Finding, Weight
from gateway.cap.rules_message import Context, Mark
from gateway.cap.tree import line_of, path_of

Check = Callable[[Draft, Context], Iterable[Mark]]

MOST_PER_RULE = 20
"""A rule that is broken everywhere is said this many times."""


class Rule(NamedTuple):
    """One rule: its id, its weight for authorities and for feeds, the clause it rests on, how it is asked, and `about`
    which element: where that stands nowhere in the alert, the rule has nothing to say ("": it is always asked)."""

    id: str
    strict: Weight
    lenient: Weight
    clause: str
    check: Check
    about: str = ""


RULES: tuple[Rule, ...] = (
    Rule("S1", "error", "error", "CAP 1.2 §3.2.1", message.identifier_is_one_plain_word, "identifier"),
    Rule("S2", "error", "error", "CAP 1.2 §3.2.1", message.sender_is_one_plain_word, "sender"),
    Rule("S3", "policy", "policy", "CAP 1.2 §3.2.1", message.sent_is_near_the_time_of_receipt, "sent"),
    Rule("S4", "error", "warning", "CAP 1.1 §3.3.2", message.times_have_the_form_of_cap),
    Rule("S4", "warning", "warning", "CAP 1.2 §3.3.2", message.reference_slips_are_named, "references"),
    Rule("X4", "error", "error", "CAP 1.2 §3.3.2", message.times_can_be_reckoned_with),
    Rule("S5", "warning", "warning", "CAP 1.2 §3.3.2", message.utc_is_written_minus_zero),
    Rule("S6", "warning", "warning", "CAP 1.2 §3.2.1", message.exercise_is_named_in_note),
    Rule("S7", "warning", "warning", "CAP 1.2 §3.2.1", message.error_is_explained_in_note),
    Rule("S8", "error", "error", "CAP 1.2 §3.2.1", message.answer_names_what_it_answers),
    Rule("S9", "error", "error", "CAP 1.2 §3.2.1", message.references_can_be_read, "references"),
    Rule("S10", "error", "warning", "CAP 1.2 §3.2.1", message.alert_does_not_refer_to_itself_or_later, "references"),
    Rule("S10", "warning", "warning", "CAP 1.2 §3.2.1", message.references_name_each_message_once, "references"),
    Rule("S12", "error", "error", "CAP 1.2 §3.2.1", message.restricted_says_to_whom),
    Rule("S12", "warning", "warning", "CAP 1.2 §3.2.1", message.restriction_belongs_to_restricted, "restriction"),
    Rule("S13", "error", "error", "CAP 1.2 §3.2.1", message.private_has_addresses),
    Rule("S14", "error", "error", "CAP 1.2 §3.2.1", message.addresses_can_be_divided, "addresses"),
    Rule("S15", "error", "warning", "CAP 1.2 §3.2.1", message.incidents_can_be_divided, "incidents"),
    Rule("S17", "error", "error", "CAP 1.2 §3.2.2", info.language_is_well_formed, "language"),
    Rule("S17", "warning", "warning", "CAP 1.2 §3.2.2", info.language_is_registered, "language"),
    Rule("S18", "warning", "warning", "CAP 1.2 §3.2.2", info.blocks_of_one_language_do_not_override),
    Rule("S19", "warning", "warning", "CAP 1.2 §3.2.2", info.languages_say_the_same),
    Rule("S19", "warning", "warning", "CAP 1.2 §3.2.2", info.languages_are_translated),
    Rule("S20", "error", "error", "CAP 1.2 §3.2.2", info.event_is_named, "event"),
    Rule("S20", "error", "warning", "CAP 1.2 §3.2.2", info.value_names_are_given),
    Rule("S20", "warning", "warning", "CAP 1.2 §3.2.2", info.values_are_given),
    Rule("S20", "error", "warning", "CAP 1.2 §3.2.3", resource.description_and_type_are_given, "resource"),
    Rule("S20", "error", "warning", "CAP 1.2 §3.2.4", area.area_is_described, "areaDesc"),
    Rule("S21", "error", "warning", "CAP 1.2 §3.2.2", info.alert_ends_after_it_begins, "expires"),
    Rule("S21", "warning", "warning", "CAP 1.2 §3.2.2", info.alert_begins_in_order),
    Rule("S22", "policy", "policy", "CAP 1.2 §3.2.2", info.end_is_given),
    Rule("S22", "warning", "warning", "CAP 1.2 §3.2.2", info.alert_is_not_over, "expires"),
    Rule("S23", "warning", "warning", "CAP 1.2 §3.2.2", info.headline_is_short, "headline"),
    Rule("S24", "error", "warning", "CAP 1.2 §3.2.2", info.web_is_absolute, "web"),
    Rule("S24", "policy", "policy", "CAP 1.2 §3.2.2", info.web_can_be_opened, "web"),
    Rule("S24", "error", "warning", "CAP 1.2 §3.2.3", resource.address_is_absolute, "uri"),
    Rule("S24", "policy", "policy", "CAP 1.2 §3.2.3", resource.address_can_be_opened, "uri"),
    Rule("S24", "warning", "warning", "CAP 1.2 §3.2.3", resource.content_is_somewhere, "resource"),
    Rule("S25", "error", "warning", "CAP 1.2 §3.2.3", resource.content_is_base64, "derefUri"),
    Rule("S25", "policy", "policy", "CAP 1.2 §3.2.3", resource.content_is_taken_out, "derefUri"),
    Rule("S26", "error", "warning", "CAP 1.2 §3.2.3", resource.digest_is_a_sha1, "digest"),
    Rule("S26", "error", "warning", "CAP 1.2 §3.2.3", resource.digest_is_of_the_content, "digest"),
    Rule("S27", "error", "warning", "CAP 1.2 §3.2.3", resource.size_is_not_negative, "size"),
    Rule("S27", "warning", "warning", "CAP 1.2 §3.2.3", resource.size_is_that_of_the_content, "size"),
    Rule("S28", "error", "warning", "CAP 1.2 §3.2.3", resource.type_is_a_media_type, "mimeType"),
    Rule("S29", "error", "error", "CAP 1.2 §3.2.4", area.polygon_can_be_read, "polygon"),
    Rule("S29", "error", "warning", "CAP 1.2 §3.2.4", area.polygon_is_closed_and_not_empty, "polygon"),
    Rule("S30", "error", "error", "CAP 1.2 §3.3.1", area.shape_lies_on_earth),
    Rule("S31", "warning", "warning", "CAP 1.2 §3.2.4", area.polygon_is_a_simple_figure, "polygon"),
    Rule("S31", "warning", "warning", "CAP 1.2 §3.2.4", area.polygon_has_no_point_twice_in_a_row, "polygon"),
    Rule("S31", "warning", "warning", "CAP 1.2 §3.2.4", area.polygon_stays_on_one_side_of_the_date_line, "polygon"),
    Rule("S31", "warning", "warning", "CAP 1.2 §3.2.4", area.polygon_inside_another_is_no_hole, "polygon"),
    Rule("S31", "policy", "policy", "CAP 1.2 §3.2.4", area.polygon_is_not_too_detailed, "polygon"),
    Rule("S32", "error", "error", "CAP 1.2 §3.2.4", area.circle_can_be_read, "circle"),
    Rule("S32", "error", "warning", "CAP 1.2 §3.2.4", area.circle_is_not_empty, "circle"),
    Rule("S32", "warning", "warning", "CAP 1.2 §3.2.4", area.circle_is_smaller_than_the_earth, "circle"),
    Rule("S33", "warning", "warning", "CAP 1.2 §3.2.4", area.circle_has_a_radius, "circle"),
    Rule("S34", "error", "warning", "CAP 1.2 §3.2.4", area.ceiling_stands_above_altitude, "ceiling"),
    Rule("S35", "warning", "warning", "CAP 1.2 §3.2.4", area.area_has_a_shape, "area"),
    Rule("S35", "policy", "policy", "CAP 1.2 §3.2.4", area.alert_says_where),
    Rule("S36", "warning", "warning", "CAP 1.2 §3.2.4", area.geocode_has_the_form_of_its_system, "geocode"),
    Rule("S36", "warning", "warning", "CAP 1.2 §3.2.2", info.value_names_are_spelled_as_acronyms),
    Rule("S38", "warning", "warning", "CAP 1.2 §3.3.3", text.text_is_plain),
    Rule("S39", "error", "warning", "CAP 1.2 §3.3.4.1", message.signature_envelops_the_alert),
    Rule("S39", "warning", "warning", "CAP 1.2 §3.3.4.1", message.signature_can_be_verified),
    Rule("S41", "policy", "policy", "XML 1.0 §2.2", text.text_reads_as_it_is_written),
    Rule("S42", "policy", "policy", "CAP 1.2 §3.2.1", message.answer_of_a_machine_is_not_sent_to_people),
    Rule("S43", "warning", "warning", "CAP 1.2 §3.2.2", info.very_likely_is_likely, "certainty"),
)


def ask(draft: Draft, context: Context) -> Iterator[Finding]:
    """Every finding of every rule, in the order of the table; a rule is said at most MOST_PER_RULE times."""
    for rule in RULES:
        if rule.about and rule.about not in draft.names:
            continue
        for where, text_ in islice(rule.check(draft, context), MOST_PER_RULE):
            weight = rule.lenient if draft.lenient else rule.strict
            yield Finding(rule.id, weight, line_of(where.element), path_of(where.element), text_, rule.clause)

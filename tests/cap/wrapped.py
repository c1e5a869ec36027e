"""The ways to wrap a forged alert around a signed one: the eight known from SAML, and what they leave out."""

import re

from tests.cap.signed import before_the_end, signature_of


def _bare(document: str) -> str:
    return re.sub(r"^<\?xml.*?\?>\s*", "", document).strip()


def wrapped(original: str, forged: str, signed: bytes) -> dict[str, str]:
    """Forged documents by what was done. `signed` is the original with one signature; none uses a prefix for CAP."""
    signature, inner, inner_signed = signature_of(signed), _bare(original), _bare(signed.decode())
    inner_forged = _bare(forged)
    closing = "</ds:Signature>"

    def in_object(content: str) -> str:
        return signature.replace(closing, f"<ds:Object>{content}</ds:Object>{closing}")

    return {
        # the eight ways known from SAML, with an alert in the place of the response and of the assertion
        "the original inside the signature of the forged root": before_the_end(forged, in_object(inner)),
        "the original beside its signature": before_the_end(forged, signature + inner),
        "the signed original beside forged content": before_the_end(forged, inner_signed),
        "the signed original inside forged content": forged.replace("<info>", "<info>" + inner_signed, 1),
        "the original after forged content that kept the signature": before_the_end(forged, signature) + inner,
        "the original in an object of a signature moved away": before_the_end(
            forged, f"<info>{in_object(inner)}</info>"
        ),
        "the original in an extension before": forged.replace(
            "<info>", f'<x:e xmlns:x="u:x">{inner_signed}</x:e><info>', 1
        ),
        "the forged one in an object and the original around": before_the_end(original, in_object(inner_forged)),
        # and what they leave out
        "the signature of the original on a forged root": before_the_end(forged, signature),
        "the original in an object of no namespace": before_the_end(
            forged, signature.replace(closing, f"<o>{inner}</o>{closing}")
        ),
        "the root wrapped in another": f"<alert>{inner_signed}</alert>",
        "the signed original in a parameter": forged.replace(
            "<area>", f"<parameter>{inner_signed}</parameter><area>", 1
        ),
        "a reference by id to the original": before_the_end(
            forged, signature.replace('URI=""', 'URI="#o"') + inner.replace("<alert ", '<alert Id="o" ', 1)
        ),
        "the same id on both": before_the_end(
            forged.replace("<info>", '<info Id="o">', 1),
            signature.replace("<ds:Signature ", '<ds:Signature Id="o" ', 1),
        ),
    }

"""Voluntary registration: numbers, codes, words, who asks."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName
from gateway.policy.registration import (
    WORDS,
    Endpoint,
    code_of,
    digest_of,
    mail_of,
    rate_names,
    read_endpoint,
    sms_of,
    source_of,
    typed,
)
from gateway.smpp import text as sms_text
from tests.support.citizens import RULES

SMS, EMAIL = ChannelName.SMS, ChannelName.EMAIL


def test_numbers_of_any_country_and_addresses_are_read_as_imports_read_them() -> None:
    assert read_endpoint(SMS, " 0470/12.34.56 ", RULES) == Endpoint(SMS, "+32470123456")
    assert read_endpoint(SMS, "+33 6 12 34 56 78", RULES) == Endpoint(SMS, "+33612345678")
    assert read_endpoint(EMAIL, "An@EXAMPLE.org", RULES) == Endpoint(EMAIL, "An@example.org")
    for channel, text in ((SMS, "025550000"), (SMS, "x"), (SMS, ""), (EMAIL, "an"), (EMAIL, "a\nb@c.example")):
        assert isinstance(read_endpoint(channel, text, RULES), str)


def test_numbers_of_other_countries_may_be_left_out() -> None:
    rules = replace(RULES, countries=("BE", "LU"))
    assert isinstance(read_endpoint(SMS, "+33612345678", rules), str)
    assert isinstance(read_endpoint(SMS, "0470123456", rules), Endpoint)


@given(nonce=st.binary(min_size=16, max_size=16))
def test_a_code_is_known_by_its_digest_as_people_type_it(nonce: bytes) -> None:
    code = code_of(RULES.secret, nonce, SMS)
    assert len(code) == 8
    assert code.isdigit()
    link = code_of(RULES.secret, nonce, EMAIL)
    assert len(link) == 32
    kept = digest_of(RULES.secret, nonce, code)
    assert digest_of(RULES.secret, nonce, typed(f" {code[:4]}-{code[4:]} ")) == kept
    assert digest_of(b"another secret", nonce, code) != kept
    assert code_of(b"another secret", nonce, EMAIL) != link


@pytest.mark.parametrize("language", [*WORDS, "pt"])
def test_a_text_message_is_one_part_and_a_mail_has_its_link(language: str) -> None:
    rules = replace(RULES, service="A" * 30, code_s=3600)
    assert sms_text.count(sms_of(rules, language, "12345678")).parts == 1
    subject, body = mail_of(RULES, language, "pr_x", "secret")
    assert "https://gateway.example/citizens/confirm/pr_x.secret" in body
    assert subject.startswith("Demo alerts: ")


def test_names_of_rates_hold_nobody() -> None:
    source, endpoints = rate_names(RULES.secret, "192.0.2.1", [Endpoint(EMAIL, "An@b.example")])
    assert endpoints == rate_names(RULES.secret, "", [Endpoint(EMAIL, "an@B.example")])[1]
    assert {len(name) for name in source + endpoints} == {32}
    assert source != rate_names(b"other", "192.0.2.1", [])[0]


def test_who_asks_is_the_last_address_before_our_own_proxies() -> None:
    ours = (ip_network("10.0.0.0/24"), ip_network("::1/128"))
    assert source_of("192.0.2.9", "198.51.100.1", ours) == "192.0.2.9", "a stranger's header is not believed"
    assert source_of("10.0.0.1", "203.0.113.5, 198.51.100.1", ours) == "198.51.100.1"
    assert source_of("10.0.0.1", "198.51.100.1, 10.0.0.7", ours) == "198.51.100.1"
    assert source_of("10.0.0.1", "", ours) == "10.0.0.1"
    assert source_of("10.0.0.1", "nonsense", ours) == "10.0.0.1"
    assert source_of("2001:db8::1:2:3:4", "", ours) == source_of("2001:db8::9", "", ours) == "2001:db8::/64"


@given(remote=st.text(max_size=50), forwarded=st.text(max_size=200))
def test_no_header_breaks_it(remote: str, forwarded: str) -> None:
    assert isinstance(source_of(remote, forwarded, (ip_network("10.0.0.0/24"),)), str)

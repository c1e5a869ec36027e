"""Digest: the examples of the standards, every way to offer a challenge, and hostile ones in no time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.digest import Challenge, Keyring, answer, best, read_challenge

# RFC 7616 §3.9.1
REALM = "http-auth@example.org"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(("algorithm", "response"), [
    ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
])  # fmt: skip
def test_the_example_of_the_standard(algorithm: str, response: str) -> None:
    challenge = Challenge(realm=REALM, nonce=NONCE, algorithm=algorithm, qop=("auth",), opaque="op")
    said = answer(
        challenge, method="GET", uri="/dir/index.html", username="Mufasa", password="Circle of Life", count=1,
        cnonce=CNONCE,
    )  # fmt: skip
    assert f'response="{response}"' in said
    assert 'qop=auth, nc=00000001, opaque="op"' in said


def test_without_qop_the_old_form_is_used() -> None:
    # RFC 2069's form, which RFC 3261 §22.4 keeps
    challenge = Challenge(realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093")
    said = answer(challenge, method="GET", uri="/dir/index.html", username="Mufasa", password="CircleOfLife", count=1,
                  cnonce="x")  # fmt: skip
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in said
    assert "qop" not in said and "cnonce" not in said


@pytest.mark.parametrize(("value", "expected"), [
    ('Digest realm="a", nonce="b"', Challenge(realm="a", nonce="b")),
    ('digest  nonce="b",realm="a"', Challenge(realm="a", nonce="b")),
    ('Digest realm="a",nonce="b",qop="auth,auth-int",stale=TRUE,opaque="o"',
     Challenge(realm="a", nonce="b", qop=("auth", "auth-int"), stale=True, opaque="o")),
    ('Digest realm="a \\"b\\", c", nonce="b", algorithm=sha-256', Challenge(realm='a "b", c', nonce="b",
     algorithm="SHA-256")),
    ('Digest realm="a", nonce="b", algorithm=MD5-sess', Challenge(realm="a", nonce="b", algorithm="MD5-SESS")),
    ('Basic realm="a"', None),
    ('Digest realm="a"', None),
    ('Digest realm="a", nonce="b", algorithm=ROT13', None),
    ('Digest realm="a", nonce="b", qop="auth-int"', None),
    ('Digest realm="a", nonce="b" garbage', None),
    ('Digest realm="a', None),
    ("", None),
])  # fmt: skip
def test_challenges_are_read_or_refused(value: str, expected: Challenge | None) -> None:
    assert read_challenge(value) == expected


@pytest.mark.parametrize("filler", ['a="",', 'a="\\"",', 'a="', "a=,", " ", ",", "\\", 'a="",b='])
def test_no_challenge_takes_long_to_read(filler: str) -> None:
    began = time.process_time()
    assert read_challenge("Digest " + filler * (5000 // len(filler)) + "!") is None
    assert read_challenge("Digest " + filler * (1000 // len(filler)) + "!") is None
    assert time.process_time() - began < 0.5


@given(st.text(max_size=200))
def test_no_challenge_raises(value: str) -> None:
    read_challenge("Digest " + value)


def test_of_several_the_strongest_is_answered() -> None:
    found = best(['Digest realm="a", nonce="1"', 'Digest realm="a", nonce="2", algorithm=SHA-256', "Basic x"])
    assert found is not None and found.nonce == "2"
    assert best(["Basic x"]) is None


def test_a_session_key_is_used_where_it_is_asked_for() -> None:
    plain = Challenge(realm="a", nonce="b", qop=("auth",))
    session = Challenge(realm="a", nonce="b", qop=("auth",), algorithm="MD5-SESS")
    said = {
        answer(one, method="INVITE", uri="sip:x", username="u", password="p", count=1, cnonce="c").split("response=")[1]
        for one in (plain, session)
    }
    assert len({part[:34] for part in said}) == 2


def test_a_keyring_counts_and_forgets_a_wrong_password() -> None:
    ring = Keyring("u", "p", token=lambda: "c")
    asked = {"WWW-Authenticate": ['Digest realm="a", nonce="b", qop="auth"']}
    assert ring.credentials("INVITE", "sip:x") == ()
    assert ring.challenged(401, asked, again=False)
    assert "nc=00000001" in ring.credentials("INVITE", "sip:x")[0][1]
    assert "nc=00000002" in ring.credentials("BYE", "sip:x")[0][1]
    assert not ring.challenged(401, asked, again=True)
    assert ring.credentials("INVITE", "sip:x") == ()

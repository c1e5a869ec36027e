"""OpenID Connect as a relying party: what proves somebody, and everything that does not."""

import time
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.web.oidc import Asked, NotProven, Proven, Provider
from gateway.web.sign_in_settings import ProviderSettings
from tests.support.authenticator import b64
from tests.support.oidc import ISSUER, FakeProvider, a_key

BACK = "https://alerts.example/v1/sign-in/oidc/test/end"
KEY = a_key()


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider(key=KEY)


@pytest.fixture
def provider(fake: FakeProvider) -> Provider:
    return made(fake)


def made(fake: FakeProvider, at_s: float | None = None) -> Provider:
    settings = ProviderSettings(
        name="test", issuer=ISSUER, client_id="gateway", client_secret=SecretStr("s" + "e" * 40)
    )
    return Provider(settings, BACK, fake.fetch, now_s=(lambda: at_s) if at_s else time.time)


async def asked(provider: Provider) -> Asked:
    found = await provider.ask()
    assert isinstance(found, Asked)
    return found


async def proven(provider: Provider, fake: FakeProvider, **changes: str | None) -> Proven | NotProven:
    begun = await asked(provider)
    query: dict[str, Any] = fake.authorize(begun.location) | changes
    return await provider.prove({k: v for k, v in query.items() if v is not None}, begun._asdict())


async def test_the_browser_is_sent_with_state_nonce_and_a_challenge_of_its_own(provider: Provider) -> None:
    first, second = await asked(provider), await asked(provider)
    for word in ("response_type=code", "scope=openid", "code_challenge_method=S256", f"state={first.state}"):
        assert word in first.location
    assert first.verifier not in first.location
    assert len({first.state, first.nonce, first.verifier, second.state, second.nonce, second.verifier}) == 6


async def test_whom_the_provider_means_is_proven_once(provider: Provider, fake: FakeProvider) -> None:
    begun = await asked(provider)
    query = fake.authorize(begun.location)
    assert await provider.prove(query, begun._asdict()) == (ISSUER, "an")
    assert isinstance(await provider.prove(query, begun._asdict()), NotProven)
    assert fake.asked.count(f"{ISSUER}/keys") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"aud": "somebody-else"}, {"aud": ["a", "b"]},
        {"aud": ["gateway", "other"]}, {"aud": ["gateway", "other"], "azp": "other"}, {"nonce": "x"}, {"nonce": None},
        {"exp": 1}, {"exp": None}, {"iat": None}, {"iat": 2**40}, {"nbf": 2**40}, {"sub": None}, {"sub": ""},
        {"sub": "x" * 256}, {"sub": 7}, {"at_hash": "x"}, {"exp": "soon"}, {"iss": None}, {"aud": None},
    ],
)  # fmt: skip
async def test_an_id_token_that_says_anything_else_proves_nobody(
    claims: dict[str, Any], provider: Provider, fake: FakeProvider
) -> None:
    fake.claims = claims
    assert isinstance(await proven(provider, fake), NotProven)


@pytest.mark.parametrize(
    "answer",
    [{"state": "x"}, {"state": None}, {"iss": "https://evil.example"}, {"iss": None}, {"code": None}, {"code": "x"},
     {"error": "access_denied"}, {"state": "é"}],
)  # fmt: skip
async def test_an_answer_that_is_not_to_our_question_proves_nobody(
    answer: dict[str, str | None], provider: Provider, fake: FakeProvider
) -> None:
    assert isinstance(await proven(provider, fake, **answer), NotProven)


async def test_the_clocks_may_differ_a_little_and_not_more(fake: FakeProvider) -> None:
    now = time.time()
    for off_s, right in ((-50, True), (350, True), (-70, False), (370, False)):
        found = await proven(made(fake, now + off_s), fake)
        assert isinstance(found, Proven) is right, off_s


async def test_only_the_provider_s_own_key_signs(provider: Provider, fake: FakeProvider) -> None:
    fake.published, fake.key = KEY, a_key()
    assert isinstance(await proven(provider, fake), NotProven)


async def test_a_new_key_is_read_when_it_is_used(fake: FakeProvider) -> None:
    clock = [0.0]
    settings = ProviderSettings(
        name="test", issuer=ISSUER, client_id="gateway", client_secret=SecretStr("s" + "e" * 40)
    )
    provider = Provider(settings, BACK, fake.fetch, now_s=time.time, monotonic=lambda: clock[0])
    assert isinstance(await proven(provider, fake), Proven)
    fake.key, fake.kid = a_key(), "2"
    assert isinstance(await proven(provider, fake), NotProven)  # it was read a moment ago: nobody makes us ask all day
    clock[0] = 31.0
    assert isinstance(await proven(provider, fake), Proven)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "ES256", None])
async def test_no_other_algorithm_counts(algorithm: str | None, provider: Provider, fake: FakeProvider) -> None:
    fake.header = {"alg": algorithm}
    assert isinstance(await proven(provider, fake), NotProven)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", b64(b'{"alg":"none"}') + "." + b64(b"{}") + ".", "é.é.é", "." * 5000]
)
async def test_what_is_no_token_proves_nobody(token: str, provider: Provider, fake: FakeProvider) -> None:
    fake.token = token or "."
    assert isinstance(await proven(provider, fake), NotProven)


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"token_endpoint": 7}, {"authorization_endpoint": None}],
)
async def test_a_provider_that_publishes_something_else_is_not_asked(wrong: dict[str, Any], fake: FakeProvider) -> None:
    fake.metadata = wrong
    assert isinstance(await made(fake).ask(), NotProven)

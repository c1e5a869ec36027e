"""Forged requests: each of the walls stands by itself."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.model import Realm
from gateway.web.cookies import CSRF_HEADER, Cookies, carries_csrf_token, csrf_token
from tests.support.authority import Client
from tests.support.browser import Browser, invited
from tests.support.people import put_person
from tests.support.scene import Scene

SECRET = "gw_session_abc"
HTTPS, HTTP = Cookies.at("https://alerts.example/path"), Cookies.at("http://127.0.0.1:8080")


def request(method: str = "POST", **headers: str) -> web.Request:
    return make_mocked_request(method, "/", {name.replace("_", "-"): value for name, value in headers.items()})


def test_under_https_the_name_is_the_one_that_browsers_guard() -> None:
    assert (HTTPS.name("session"), HTTPS.origin) == ("__Host-gateway-session", "https://alerts.example")
    assert (HTTP.name("session"), HTTP.origin) == ("gateway-session", "http://127.0.0.1:8080")


@pytest.mark.parametrize("value", ["", "x", "gw_ceremony_abc", "gw_session_" + "x" * 200, "gw_session_é"])
def test_a_cookie_that_we_never_gave_is_none(value: str) -> None:
    assert HTTP.read(request(Cookie=f"gateway-session={value}"), "session") == ""
    assert HTTP.read(request(Cookie=f"gateway-session={SECRET}"), "session") == SECRET


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"Origin": "https://alerts.example", "Sec_Fetch_Site": "same-origin"}, True),
        ({"Origin": "https://alerts.example.evil.example"}, False),
        ({"Origin": "http://alerts.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec_Fetch_Site": "cross-site"}, False),
        ({"Sec_Fetch_Site": "same-site"}, False),
    ],
)
def test_a_request_that_says_it_comes_from_elsewhere_is_not_ours(headers: dict[str, str], own: bool) -> None:
    assert HTTPS.is_own(request(**headers)) is own


def test_the_word_is_of_one_session_and_does_not_tell_its_secret() -> None:
    word = csrf_token(SECRET)
    assert word != csrf_token(SECRET + "d")
    assert SECRET not in word
    assert carries_csrf_token(request(X_CSRF_Token=word), SECRET)
    assert carries_csrf_token(request("GET"), SECRET)
    for other in ("", word[:-1], word + "x", "é"):
        assert not carries_csrf_token(request(X_CSRF_Token=other), SECRET)


async def test_every_change_with_a_cookie_has_to_come_from_our_own_pages(scene: Scene, client: Client) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email="an@people.example")
        browser = Browser(client)
        await browser.join(await invited(connection, commune.id, "an@people.example", Realm.LIVE))
    await browser.post("/v1/session", {"entity": "commune", "realm": "live"})
    honest = dict(browser.headers)
    for header, value in ((CSRF_HEADER, ""), (CSRF_HEADER, "x"), ("Origin", "https://evil.example"),
                          ("Sec-Fetch-Site", "cross-site")):  # fmt: skip
        browser.headers = honest | {header: value}
        for path in ("/v1/session", "/v1/session/end", "/v1/alerts", "/v1/campaigns/x/stop", "/v1/passkeys/begin"):
            status, told = await browser.post(path)
            assert (status, told["reason"]) == (403, "forged"), (header, path)
    browser.headers = honest
    assert (await browser.post("/v1/campaigns/x/stop"))[0] == 404
    assert (await browser.post("/v1/session/end"))[0] == 200

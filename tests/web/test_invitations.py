"""The page behind the link of an invitation: looking changes nothing, one click opens it, in one's own browser."""

from http.cookies import SimpleCookie

import pytest_asyncio

from gateway.model import Role
from gateway.store import invitations
from gateway.web.sign_in_settings import SignInSettings
from tests.support.authority import a_client, ask
from tests.support.browser import Browser, invited
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

AN = "an@people.example"


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


async def link(scene: Scene, commune: Entity) -> str:
    """The link of an invitation of An."""
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email=AN)
        return f"/invitations/{await invited(connection, commune.id, AN)}"


async def test_looking_changes_nothing_and_one_click_opens_it_once(scene: Scene, commune: Entity) -> None:
    async with a_client(scene) as client:
        path = await link(scene, commune)
        for _ in range(3):  # scanners
            async with client.get(path, headers={"Accept-Language": "fr"}) as page:
                assert (page.status, "Ouvrir" in await page.text()) == (200, True)
        async with client.post(path, headers={"Sec-Fetch-Site": "cross-site"}) as page:
            assert page.status == 403, "not from another one's page"
        async with client.post(path, headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"}) as page:
            assert (page.status, "half an hour" in await page.text()) == (200, True)
            cookie = SimpleCookie(page.headers["Set-Cookie"])
        (session,) = cookie.values()
        assert session.value.startswith("gw_session_")
        (row,) = await scene.rows("SELECT state, way FROM person_session")
        assert tuple(row) == ("enrolling", "invitation")
        for wrong in (path, "/invitations/none", "/invitations/%00", "/invitations/" + "a" * 300):
            async with client.post(wrong) as page:
                assert (page.status, "Set-Cookie" in page.headers) == (403, False)


async def test_who_can_sign_in_is_asked_to_and_the_link_keeps(scene: Scene, commune: Entity) -> None:
    async with a_client(scene) as client:
        async with scene.connected() as connection:
            await put_person(connection, commune.id, email=AN)
            first = await invited(connection, commune.id, AN)
        browser = Browser(client)
        await browser.join(first)
        async with scene.connected() as connection:
            second = await invited(connection, commune.id, AN)
        client.session.cookie_jar.clear()
        async with client.post(f"/invitations/{second}") as page:
            assert (page.status, "Sign in first" in await page.text()) == (409, True)
        assert len(await scene.rows("SELECT FROM invitation WHERE used_at IS NULL")) == 1


async def test_people_go_on_where_the_operator_says(scene: Scene, commune: Entity) -> None:
    path = await link(scene, commune)
    async with (
        a_client(scene, SignInSettings(page="/console")) as client,
        client.post(path, allow_redirects=False) as page,
    ):
        assert (page.status, page.headers["Location"]) == (303, "/console")
        assert "gw_session_" in page.headers["Set-Cookie"]


async def test_an_administrator_has_it_mailed_and_never_sees_the_link(scene: Scene, commune: Entity) -> None:
    async with a_client(scene) as client:
        async with scene.connected() as connection:
            admins = [await put_person(connection, commune.id, roles=[Role.ADMIN]) for _ in range(2)]
            await put_person(connection, commune.id, email=AN)
        path = f"/v1/persons/{AN}/invitations"
        status, told = await ask(client, admins[0], "POST", path, json={"mail": True, "realm": "live"})
        assert (status, told["by"], told["confirmed"], "invitation" in told) == (201, "mail", False, False)
        async with scene.store.acting("test") as connection:
            assert await invitations.take_due(connection, 10) == []
        confirm = f"/v1/invitations/{told['number']}/confirm"
        assert (await ask(client, admins[1], "POST", confirm))[0] == 200
        async with scene.store.acting("test") as connection:
            ((row, _),) = await invitations.take_due(connection, 10)
        assert row["email"] == AN

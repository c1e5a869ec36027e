"""The page behind the link of a mail to a citizen."""

import re

from gateway.store.embedded import Cluster
from tests.support.citizens import ANNA, a_desk


async def test_looking_changes_nothing_and_one_click_proves_the_address(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        body = ANNA | {"mobile": "", "email": "anna@b.example"}
        assert (await desk.post("", body))[0] == 202
        await desk.come("anna@b.example")
        link = re.search(r"https://gateway\.example(/\S+)", desk.sent[-1][1])
        assert link is not None
        for _ in range(3):  # scanners
            async with desk.client.get(link[1], headers={"Accept-Language": "fr"}) as page:
                assert (page.status, "Confirmer" in await page.text()) == (200, True)
        assert await desk.rows("SELECT * FROM contact") == []
        async with desk.client.post(link[1]) as page:
            assert (page.status, "Confirmed" in await page.text()) == (200, True)
        async with desk.client.post(link[1]) as page:
            assert page.status == 403
        assert len(await desk.rows("SELECT * FROM contact WHERE registered")) == 1


async def test_a_foreign_link_is_told_as_little(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        for link in ("nonsense", "pr_x.y", "a" * 300, "%00.%00"):
            async with desk.client.post(f"/citizens/confirm/{link}") as page:
                assert page.status == 403
            async with desk.client.get(f"/citizens/confirm/{link}") as page:
                assert page.status == 200

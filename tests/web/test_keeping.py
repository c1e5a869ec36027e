"""Whose contacts a request is about."""

from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.model import Role
from gateway.policy.contacts import Reach
from gateway.store.pool import Connection
from gateway.web.access import AUTHORITY
from gateway.web.keeping import REACH, keeping, partnership_of, seeing, word
from tests.policy.test_rights import COMMUNE
from tests.support.scene import Scene

NOWHERE = cast(Connection, None)


async def shown(request: web.Request) -> web.Response:
    return web.json_response({"partnerships": request[REACH].partnerships})


@pytest.mark.parametrize(
    ("roles", "may_see", "may_keep"), [({Role.VIEWER}, 200, 403), ({Role.EDITOR}, 200, 200), ({Role.ADMIN}, 403, 403)]
)
async def test_a_handler_runs_only_for_who_may(roles: set[Role], may_see: int, may_keep: int, scene: Scene) -> None:
    request = make_mocked_request("GET", "/")
    request[AUTHORITY] = replace(COMMUNE, person_id=1, roles=frozenset(roles))
    answers: list[Any] = [await guard(shown)(request) for guard in (partial(seeing, scene.store), keeping)]
    assert [answer.status for answer in answers] == [may_see, may_keep]


async def test_a_coordinator_of_one_partnership_need_not_name_it() -> None:
    assert await partnership_of(NOWHERE, 1, Reach(partnerships=None), None) is None
    assert await partnership_of(NOWHERE, 1, Reach(partnerships=(7,)), None) == 7
    unsaid = await partnership_of(NOWHERE, 1, Reach(partnerships=(7, 8)), None)
    assert isinstance(unsaid, web.Response)
    assert unsaid.status == 422


def test_a_parameter_is_bounded_and_has_no_zero_byte() -> None:
    assert word("a\0b" + "c" * 500) == "ab" + "c" * 298

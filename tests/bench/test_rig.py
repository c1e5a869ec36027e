"""The rig: a database and a gateway of its own, gone at the end."""

import io
import os
import shutil
from pathlib import Path

import pytest

from gateway.bench.alert import capacity_alert
from gateway.bench.places import areas
from gateway.bench.rig import Refused, all_left, closed, ground, keep_logs, metered, node
from gateway.bench.terminal import Line
from gateway.model import ChannelName
from gateway.store.home import pointer
from tests.bench.living import living


async def test_a_rig_takes_alerts_is_metered_and_leaves_nothing_behind() -> None:
    alert = capacity_alert(areas()[0], ["sms"])
    async with ground(Line(io.StringIO())) as floor:
        async with node(floor, {}, roles=["api"]) as gateway, metered(floor, gateway, {"foreign": None}) as meter:
            await gateway.linked()
            posted = await gateway.post(alert, floor.tokens.test)
            seen = await gateway.get(f"/v1/campaigns/{posted['campaign']}", floor.tokens.test)
            assert (seen["state"], closed(seen), all_left(seen)) == ("planned", False, False)
            with pytest.raises(Refused, match="401"):
                await gateway.post(alert, "gw_live_nobody")
            await gateway.stop(posted["campaign"], floor.tokens.test)
            assert "gateway_alerts_total" in await gateway.metrics()
            status, _, body = await gateway.page("/healthz")
            assert (status, body) == (200, b"ok\n")
            assert await floor.spans(posted["campaign"]) == {}
            assert await floor.seconds(posted["campaign"]) == {}
        folder, postmaster, pid = floor.folder, floor.postmaster, gateway.pid
        cluster = Path(pointer(folder / "data").read_text().strip()) if os.geteuid() == 0 else folder
        assert cluster.exists()
    for name in ("gateway", "postgres"):
        assert (meter.cpu_s(name) or 0) > 0
        assert (meter.rss_mb(name) or 0) > 1
    assert meter.cpu_s("foreign") is None
    assert not folder.exists()
    assert not cluster.exists()
    assert living([postmaster, pid]) == set()


def test_a_campaign_has_left_when_all_is_planned_and_nothing_waits() -> None:
    idle = {"queued": 0, "in_flight": 0}
    assert all_left({"planned": True, "channels": {ChannelName.SMS: idle}})
    assert not all_left({"planned": False, "channels": {}})
    assert not all_left({"planned": True, "channels": {"sms": idle, "email": idle | {"queued": 1}}})
    assert not all_left({"planned": True, "channels": {"sms": idle | {"in_flight": 1}}})


def test_the_logs_of_a_failed_run_are_kept_and_nothing_else(tmp_path: Path) -> None:
    tmp_path.joinpath("gateway.log").write_text("why")
    tmp_path.joinpath("gateway.toml").write_text("secret")
    kept = keep_logs(tmp_path)
    try:
        assert {file.name: file.read_text() for file in kept.iterdir()} == {"gateway.log": "why"}
    finally:
        shutil.rmtree(kept)

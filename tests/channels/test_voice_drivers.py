"""The driver that the settings ask for is the one that is made."""

from pathlib import Path

from gateway.channels.voice_ari import AriDriver
from gateway.channels.voice_drivers import driver_for
from gateway.channels.voice_rest import RestDriver
from gateway.channels.voice_sip import SipDriver
from tests.channels.test_voice_ari import ari_trunk
from tests.channels.voice_line import trunk
from tests.channels.voice_sound import sip_trunk, sounding


def test_each_trunk_has_its_driver(tmp_path: Path) -> None:
    assert isinstance(driver_for(trunk("http://127.0.0.1:1"), sounding()), RestDriver)
    assert isinstance(driver_for(sip_trunk(5060), sounding()), SipDriver)
    assert isinstance(driver_for(ari_trunk("http://127.0.0.1:1/ari", tmp_path), sounding()), AriDriver)

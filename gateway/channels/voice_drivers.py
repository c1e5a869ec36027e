"""Which driver a trunk's settings ask for.

Knows: every driver by its settings. Never knows: how any of them works.
"""

from typing import assert_never

from gateway.channels.voice_ari import AriDriver
from gateway.channels.voice_driver import VoiceDriver
from gateway.channels.voice_rest import RestDriver
from gateway.channels.voice_settings import Trunk, VoiceSettings
from gateway.channels.voice_sip import SipDriver
from gateway.channels.voice_trunks import AriTrunk, RestTrunk, SipTrunk


def driver_for(trunk: Trunk, settings: VoiceSettings) -> VoiceDriver:
    """The driver of a trunk, not yet open."""
    match trunk:
        case RestTrunk():
            return RestDriver(trunk, settings)
        case SipTrunk():
            return SipDriver(trunk, settings)
        case AriTrunk():
            return AriDriver(trunk, settings)
        case _:
            assert_never(trunk)

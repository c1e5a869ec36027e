"""Reasons are words that a person understands, on every channel and for every state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.voice_outcomes import SIP_CODES
from gateway.model import ChannelName, DeliveryState
from gateway.policy.reasons import SIP_WORDS, reason, state_words

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
S = DeliveryState


@pytest.mark.parametrize(
    ("channel", "state", "code", "detail", "words"),
    [
        (
            SMS,
            S.FAILED,
            11,
            "ESME_RINVDSTADR",
            "refused by the provider: destination address is invalid (ESME_RINVDSTADR)",
        ),
        (SMS, S.FAILED, 1, "ESME_ROK", "the network could not deliver it (error 1)"),
        (SMS, S.FAILED, 0, "ESME_ROK", "the network could not deliver it"),
        (SMS, S.EXPIRED, 0, "ESME_ROK", "the network gave up: the phone could not be reached in time"),
        (SMS, S.EXPIRED, None, None, "the alert expired before it could be sent"),
        (SMS, S.FAILED, None, "mode refused", "held back: this kind of campaign may not use these providers"),
        (SMS, S.UNKNOWN, 0, "connection lost", "may have left: no answer came (connection lost)"),
        (SMS, S.FAILED, 1200, "VENDOR_0x4b0", "failed (VENDOR_0x4b0, code 1200)"),
        (SMS, S.SUBMITTED, 0, "ESME_ROK", "taken by the provider, which reported nothing further"),
        (SMS, S.DELIVERED, 0, "ESME_ROK", "delivered"),
        (EMAIL, S.FAILED, 550, "5.1.1 bad mailbox", "refused by the mail relay: 5.1.1 bad mailbox (550)"),
        (EMAIL, S.FAILED, 552, "", "refused by the mail relay: storage allocation exceeded (552)"),
        (EMAIL, S.FAILED, 599, "", "refused by the mail relay (599)"),
        (EMAIL, S.SUBMITTED, 250, "", "taken by the mail relay"),
        (EMAIL, S.UNKNOWN, 0, "no answer after the final dot", "the relay did not confirm the mail"),
        (VOICE, S.FAILED, 486, None, "the line was busy"),
        (VOICE, S.FAILED, 0, "no answer", "nobody answered"),
        (VOICE, S.DELIVERED, 0, "confirmed", "the text was played and confirmed with a key"),
        (VOICE, S.CANCELLED, 486, "busy", "stopped before it was sent"),
    ],
)
def test_an_end_is_said_in_words(
    channel: ChannelName, state: DeliveryState, code: int | None, detail: str | None, words: str
) -> None:
    assert reason(channel, state, code, detail) == words


def test_every_status_that_ends_a_call_has_words() -> None:
    assert set(SIP_CODES) == set(SIP_WORDS)


@given(
    st.sampled_from(ChannelName),
    st.sampled_from(DeliveryState),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.text(max_size=500),
)
def test_there_are_always_words_and_never_many(
    channel: ChannelName, state: DeliveryState, code: int | None, detail: str | None
) -> None:
    assert 0 < len(reason(channel, state, code, detail)) < 250
    assert state_words(channel, state)

"""Lists of words on a command line."""

import argparse

import pytest

from gateway.commands.words import words_of
from gateway.model import ChannelName


def test_words_are_read_once_each_and_unknown_ones_are_named() -> None:
    read = words_of(ChannelName)
    assert read("sms, email,sms") == (ChannelName.SMS, ChannelName.EMAIL)
    assert read("") == ()
    with pytest.raises(argparse.ArgumentTypeError, match="fax is none of sms, voice, email"):
        read("sms,fax")

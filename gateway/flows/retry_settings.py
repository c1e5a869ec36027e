"""What an operator decides about attempts after a refusal: the sections [retry.sms], [retry.email] and [retry.voice].

Knows: keys, bounds, defaults. Never knows: who uses a setting.
"""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.model import ChannelName
from gateway.policy.retry import DEFAULT_RULES, VOICE_SCALES, RetryRules

Pause = Annotated[float, Field(gt=0, le=86_400)]
Growth = Annotated[float, Field(ge=1, le=10)]
Scale = Annotated[float, Field(gt=0, le=100)]
Attempts = Annotated[int, Field(ge=1, le=100)]


class RetryRule(BaseModel):
    """The first pause, its growth, its ceiling, and how many attempts there are in all."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first_s: Pause
    factor: Growth
    max_s: Pause
    max_attempts: Attempts

    def rules(self) -> RetryRules:
        """The same as policy.retry takes it."""
        return RetryRules(first_s=self.first_s, factor=self.factor, max_s=self.max_s, attempts=self.max_attempts)


class SmsRetry(RetryRule):
    """SMS: an absent phone is retried by its network; this is for refusals."""

    first_s: Pause = DEFAULT_RULES[ChannelName.SMS].first_s
    factor: Growth = DEFAULT_RULES[ChannelName.SMS].factor
    max_s: Pause = DEFAULT_RULES[ChannelName.SMS].max_s
    max_attempts: Attempts = DEFAULT_RULES[ChannelName.SMS].attempts


class EmailRetry(RetryRule):
    """E-mail: 4xx replies; the relay retries towards mailboxes itself."""

    first_s: Pause = DEFAULT_RULES[ChannelName.EMAIL].first_s
    factor: Growth = DEFAULT_RULES[ChannelName.EMAIL].factor
    max_s: Pause = DEFAULT_RULES[ChannelName.EMAIL].max_s
    max_attempts: Attempts = DEFAULT_RULES[ChannelName.EMAIL].attempts


class VoiceRetry(RetryRule):
    """Voice: busy, no answer, congestion."""

    first_s: Pause = DEFAULT_RULES[ChannelName.VOICE].first_s
    factor: Growth = DEFAULT_RULES[ChannelName.VOICE].factor
    max_s: Pause = DEFAULT_RULES[ChannelName.VOICE].max_s
    max_attempts: Attempts = DEFAULT_RULES[ChannelName.VOICE].attempts
    scales: dict[str, Scale] = Field(
        default_factory=lambda: dict(VOICE_SCALES), description="Longer or shorter pauses, by what happened."
    )

    def rules(self) -> RetryRules:
        """The same as policy.retry takes it."""
        return replace(super().rules(), scales=self.scales)


class RetrySection(BaseModel):
    """What happens after a refusal for now; no attempt starts after the alert's expires."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sms: SmsRetry = SmsRetry()
    email: EmailRetry = EmailRetry()
    voice: VoiceRetry = VoiceRetry()

    def of(self, channel: ChannelName) -> RetryRules:
        """The rules of a channel."""
        return self.by_channel()[channel]

    def longest_s(self) -> float:
        """The longest pause of any channel."""
        return max(self.sms.max_s, self.email.max_s, self.voice.max_s)

    def by_channel(self) -> dict[ChannelName, RetryRules]:
        """The rules of every channel."""
        rules = {ChannelName.SMS: self.sms, ChannelName.EMAIL: self.email, ChannelName.VOICE: self.voice}
        return {channel: rule.rules() for channel, rule in rules.items()}

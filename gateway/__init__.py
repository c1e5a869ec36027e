"""CAP alert gateway: CAP alerts in; SMS, voice and e-mail out; tracked, reported, published."""

__version__ = "0.1.0"

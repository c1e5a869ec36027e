"""Alerts by mail: a mailbox is watched, each mail's sender is proven, what it carries goes through the one intake.

Start at watching.Watcher. The way of a mail: imap (fetched) -> mime (divided) -> proving (by dkim, smime or the
alert's own signature) -> finding (CAP documents) -> taking (the intake, then one stored verdict) -> replying (CAP Ack
or Error).
"""

"""SMTP (RFC 5321): a kit that imports nothing of the gateway and could be published on its own.

Knows: mails as bytes, replies, envelopes, a pipelining client (sans-IO), links and pools of links on asyncio.
Never knows: deliveries, campaigns, SQL, who is alerted.
"""

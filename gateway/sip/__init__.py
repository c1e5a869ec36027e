"""SIP (RFC 3261) and the SDP (RFC 8866) of a telephone call: bytes to records and back. No sockets, no clocks.

Knows: messages, their mandatory fields, offers and answers of G.711. Never knows: the gateway, transports, timers.
"""

"""SMPP 3.4 (5.0 tolerated): a kit that imports nothing of the gateway and could be published on its own.

Knows: status, pdu and tlv (bytes), text (GSM 03.38, UCS-2), receipt, pace, session (sans-IO) and link (one socket).
Never knows: deliveries, campaigns, SQL, who is alerted.
"""

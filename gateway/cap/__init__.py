"""The CAP kit: bytes to verdict, findings and records, and records to bytes. It imports nothing of the gateway.

Start at check.check(). The way of a document: xmltext (encoding, no DOCTYPE) -> parse (tree, limits) -> schema (XSD
verdict; structure says why not) or, for feeds, repair -> draft (tolerant reading) -> rules -> build (the record).
"""

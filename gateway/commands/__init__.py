"""The sub-commands of `gateway`, one module each: `arguments(parser)` says what it takes, `run(options)` does it.

Knows: terminals, files, exit codes. Never knows: a rule about alerts.
"""

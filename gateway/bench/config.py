"""The configuration of the gateway that is measured, as `gateway serve --config` reads it.

Knows: the file's sections, which of them a rate depends on. Never knows: processes, what is sent.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.bench.peers import HOST, Other
from gateway.bench.wanted import Wanted

UNLIMITED_SMS_PER_S = 100_000
UNLIMITED_EMAILS_PER_S = 1_000_000
SMS_PER_S, EMAILS_PER_S, CALLS_PER_MINUTE = 500, 2_500, 600
"""What is published as needed, and the rates of `bench all`."""

PASSWORD = "secret"  # noqa: S105 - of a simulator on this machine
VOICE_TOKEN = "simulated"  # noqa: S105


def base(dsn: str, port: int) -> dict[str, Any]:
    """Everything but the channels. `dispatch` may mark as far ahead as the windows of all binds reach, in chunks of a
    tenth of a second."""
    return {
        "node": {"name": "bench"},
        "database": {"dsn": dsn},
        "http": {"host": HOST, "port": port},
        "dispatch": {
            "receipt_window_s": 30,
            "unknown_grace_s": 3,
            "mark_ahead": 4_000,
            "drain_s": 2,
            "chunk": {"sms": 2_000},
        },
        "log": {"level": "WARNING"},
    }


def sms(peer: Other, wanted: Wanted, rate_per_s: float | None) -> dict[str, Any]:
    """The section sms: one provider with all binds."""
    provider = {
        "name": "sms-bench",
        "host": peer.host,
        "port": peer.port,
        "system_id": "gateway",
        "password": PASSWORD,
        "source_addr": "Bench",
        "binds": wanted.binds,
        "window": wanted.window,
    }
    return {"rate_per_s": rate_per_s or UNLIMITED_SMS_PER_S, "providers": [provider]}


def email(peer: Other, wanted: Wanted, rate_per_s: float | None) -> dict[str, Any]:
    """The section email: one relay with all connections."""
    relay = {
        "name": "email-bench",
        "host": peer.host,
        "port": peer.port,
        "security": "none",
        "connections": wanted.connections,
    }
    if wanted.tls_ca is not None:
        relay |= {"security": "tls", "ca_file": str(wanted.tls_ca.resolve())}
    return {
        "rate_per_s": rate_per_s or UNLIMITED_EMAILS_PER_S,
        "from_address": "no-reply@alerts.example",
        "from_name": "Bench",
        "envelope_address": "bounce@alerts.example",
        "message_id_domain": "alerts.example",
        "relays": [relay],
    }


CALLER_ID = "+32477777755"
VOICE = {
    "max_starts_per_minute": CALLS_PER_MINUTE,
    "max_concurrent_calls": 2_000,
    "repeat": 1,
    "drain_s": 1,
}


def voice(peer: Other, gateway_port: int) -> dict[str, Any]:
    """The section voice: one provider that plays, and calls back."""
    trunk = {
        "name": "voice-bench",
        "base_url": f"http://{peer.host}:{peer.port}",
        "account_sid": "ACsimulated",
        "auth_token": VOICE_TOKEN,
        "caller_id": CALLER_ID,
        "public_url": f"http://{HOST}:{gateway_port}",
    }
    return {**VOICE, "trunk": trunk}


def sip(peer: Other, sound: Path) -> dict[str, Any]:
    """The section voice: one SIP trunk; the gateway plays this file whatever the text is."""
    trunk = {
        "driver": "sip",
        "name": "voice-bench",
        "caller_id": CALLER_ID,
        "servers": [{"host": peer.host, "port": peer.port}],
        "local_host": HOST,
    }
    speak = ["cp", str(sound), "{wav}"]
    silent = {"prompts": {}, "thanks": {}, "machine": {"detect": False}, "audio": {"speak": speak, "convert": []}}
    return {**VOICE, **silent, "trunk": trunk}


def as_toml(document: Mapping[str, Any]) -> str:
    """The document as TOML: tables of plain values, lists of plain tables."""
    return "\n".join(_tables(document, "")) + "\n"


def _tables(table: Mapping[str, Any], path: str) -> Iterator[str]:
    inner: list[str] = []
    for name, value in table.items():
        below = f"{path}.{name}" if path else name
        if isinstance(value, Mapping):
            inner += [f"[{below}]", *_tables(value, below)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                inner += [f"[[{below}]]", *_tables(item, below)]
        else:
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}"  # TOML's plain values are JSON's
    yield from inner

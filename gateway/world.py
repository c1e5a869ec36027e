"""The demo's world on this machine: its simulators, its sample entities and people, its settings.

Knows: gateway.simulators, the store's administration. Never knows: what is shown, what a campaign does.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from gateway.cap.cells import contains
from gateway.cap.cover import cover_union
from gateway.model import EntityKind, Realm
from gateway.policy.importing import ImportedContact
from gateway.policy.outlines import Outline
from gateway.settings import Settings, parse
from gateway.simulators.recorder import Recorder
from gateway.simulators.sample import (
    SampleEntity,
    SampleOutcomes,
    SamplePerson,
    sample_area,
    sample_entities,
    sample_people,
)
from gateway.simulators.sip import SipSimulator
from gateway.simulators.smsc import SmscSimulator
from gateway.simulators.smtp import SmtpSimulator
from gateway.simulators.voice import VoiceSimulator
from gateway.store import admin, registry
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection

SOURCE = "demo"
VOICE_TOKENS = {"live": "demo-live-voice-token", "test": "demo-test-voice-token"}
SMSC_PASSWORD = "secret"  # noqa: S105 - of a simulator on this machine
BATCH = 5_000
CANARY_NUMBER = "+32455000001"
"""Nobody's among the sample people; what comes there is not recorded."""
CANARY = {"name": "operator-one", "number": CANARY_NUMBER, "interval_s": 60.0, "text": "Canary"}


class Simulator(Protocol):
    """What all of them can do."""

    async def start(self) -> None:
        """Listen."""
        ...

    async def stop(self) -> None:
        """End every connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """Everything outside the gateway: one set for live transports, one for rehearsals, with common recorders."""

    smsc: Mapping[str, SmscSimulator]
    smtp: Mapping[str, SmtpSimulator]
    voice: Mapping[str, VoiceSimulator]
    sip: SipSimulator
    recorders: Mapping[str, Recorder]
    outcomes: SampleOutcomes = field(default_factory=SampleOutcomes)
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)  # of this run's citizens

    @classmethod
    @asynccontextmanager
    async def running(cls, host: str, *, keep: int, time_scale: float) -> AsyncIterator["Simulators"]:
        """Simulators on ports of their own until the block ends."""
        # receipts come after a second or two, as networks give them
        outcomes, prompt = SampleOutcomes(delay_s=0.5, spread_s=1.5), SampleOutcomes()
        recorders = {name: Recorder(keep=keep, unheard={CANARY_NUMBER}) for name in ("sms", "email", "voice")}
        others = {name: recorders[name] for name in ("sms", "email")}
        modes = ("live", "test")
        found = cls(
            smsc={m: SmscSimulator(host, mode=m, outcomes=outcomes, recorder=recorders["sms"]) for m in modes},
            smtp={m: SmtpSimulator(host, mode=m, outcomes=prompt, recorder=recorders["email"]) for m in modes},
            voice={
                m: VoiceSimulator(
                    host, mode=m, outcomes=outcomes, recorder=recorders["voice"], auth_token=VOICE_TOKENS[m],
                    time_scale=time_scale, others=others,
                )
                for m in modes
            },
            sip=SipSimulator(host, recorder=recorders["voice"]),
            recorders=recorders,
            outcomes=outcomes,
        )  # fmt: skip
        async with AsyncExitStack() as stack:
            simulators: list[Simulator] = [*found.smsc.values(), *found.smtp.values(), *found.voice.values(), found.sip]
            for simulator in simulators:
                await simulator.start()
                stack.push_async_callback(simulator.stop)
            yield found

    def addresses(self) -> dict[str, Any]:
        """Where they listen, and where to read what arrived."""
        voice = self.voice["live"].url
        return {
            "simulators": {
                "smsc": f"{self.smsc['live'].host}:{self.smsc['live'].port}",
                "smtp": f"{self.smtp['live'].host}:{self.smtp['live'].port}",
                "voice": voice,
                "sip": self.sip.address,
            },
            "rehearsal_simulators": {
                "smsc": f"{self.smsc['test'].host}:{self.smsc['test'].port}",
                "smtp": f"{self.smtp['test'].host}:{self.smtp['test'].port}",
                "voice": self.voice["test"].url,
            },
            "received": {name: f"{voice}/received/{name}" for name in self.recorders},
        }


def settings_for(simulators: Simulators, dsn: str, *, host: str, port: int, more: Mapping[str, Any]) -> Settings:
    """The demo's configuration; `more` changes keys of its sections."""
    return parse(document_for(simulators, dsn, host=host, port=port, more=more))


def document_for(simulators: Simulators, dsn: str, *, host: str, port: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """The same as it stands in a file: every transport is a simulator; receipts and retries are quick."""
    url = f"http://{host}:{port}" if port else ""  # without a known port, calls are polled
    document: dict[str, Any] = {
        "node": {"name": "demo"},
        "database": {"dsn": dsn},
        "http": {"host": host, "port": port},
        "dispatch": {"receipt_window_s": 20, "unknown_grace_s": 3},
        "retry": {
            "sms": {"first_s": 1, "max_s": 5, "max_attempts": 4},
            "email": {"first_s": 1, "max_s": 5, "max_attempts": 4},
            "voice": {"first_s": 2, "max_s": 5, "max_attempts": 2},
        },
        "sms": {
            "rate_per_s": 500,
            "providers": [_sms(simulators, "live")],
            "simulated": [_sms(simulators, "test")],
        },
        "email": {
            "from_address": "no-reply@alerts.example",
            "from_name": "Demo alerts",
            "envelope_address": "bounce@alerts.example",
            "message_id_domain": "alerts.example",
            "relays": [_relay(simulators, "live")],
            "simulated": [_relay(simulators, "test")],
        },
        "voice": {"trunk": _trunk(simulators, "live", url), "simulated": _trunk(simulators, "test", url)},
        "citizens": {"secret": simulators.secret, "service": "Demo alerts"},
        "support": {"name": "Demo help desk", "phone": "+32 2 555 00 00"},
        "log": {"level": "WARNING"},
    }
    for section, values in more.items():
        document[section] = {**document.get(section, {}), **values}
    return document


def _sms(simulators: Simulators, mode: str) -> dict[str, Any]:
    return {
        "name": f"smsc-{mode}",
        "host": simulators.smsc[mode].host,
        "port": simulators.smsc[mode].port,
        "system_id": "gateway",
        "password": SMSC_PASSWORD,
        "source_addr": "BE-Alert",
        "binds": 2,
        "announce_mode": True,
    }


def _relay(simulators: Simulators, mode: str) -> dict[str, Any]:
    smtp = simulators.smtp[mode]
    return {"name": f"relay-{mode}", "host": smtp.host, "port": smtp.port, "security": "none", "connections": 10}


def _trunk(simulators: Simulators, mode: str, public_url: str) -> dict[str, Any]:
    return {
        "name": f"voice-{mode}",
        "base_url": simulators.voice[mode].url,
        "account_sid": "ACsimulated",
        "auth_token": VOICE_TOKENS[mode],
        "caller_id": "+32477777755",
        "public_url": public_url,
        "poll_interval_s": 1,
    }


# People and entities ------------------------------------------------------------------------------------------


async def load(
    connection: Connection, recipients: int, progress: Callable[[int, int], None], tokens: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Sample entities, groups and `recipients` citizens; what an earlier run left is used. Returns the tokens."""
    found = {}
    for entity in sample_entities():
        found[entity.slug] = await _entity(connection, entity, tokens.get(entity.slug, {}))
    await _citizens(connection, recipients, progress)
    return found


async def _entity(connection: Connection, sample: SampleEntity, known: Mapping[str, str]) -> dict[str, str]:
    row = await admin.entity(connection, sample.slug)
    if row is None:
        number = await admin.create_entity(
            connection, slug=sample.slug, name=sample.name, kind=EntityKind(sample.kind), live=True,
            languages=sample.languages,
        )  # fmt: skip
        assert number is not None
        outlines = [Outline(value=sample.nis or "", rings=sample.territory)]
        await admin.set_territory(connection, number, outlines)
        for group in sample.groups:
            group_id = await admin.create_group(connection, entity_id=number, slug=group.slug, name=group.name)
            members = [_member(group.slug, i, person) for i, person in enumerate(group.people)]
            await admin.import_contacts(connection, number, members, group_id=group_id)
    else:
        number = row.id
    return {realm.value: await _token(connection, number, realm, known.get(realm.value)) for realm in Realm}


def _member(group: str, number: int, person: SamplePerson) -> ImportedContact:
    return ImportedContact(
        row=number, key=f"{group}-{number}", name=person.name, language=person.language, mobile=person.mobile,
        landline=person.landline, email=person.email,
    )  # fmt: skip


async def _token(connection: Connection, entity_id: int, realm: Realm, known: str | None) -> str:
    """The token of an earlier run while it works, else a new one."""
    if known is not None and await registry.authority_of_token(connection, known) is not None:
        return known
    token = admin.new_token(realm)
    await admin.create_token(connection, entity_id=entity_id, realm=realm, token=token, note="demo")
    return token.text


async def _citizens(connection: Connection, recipients: int, progress: Callable[[int, int], None]) -> None:
    """Register people until `recipients` of them have an address in the sample alert's area."""
    wanted = await asyncio.to_thread(people_for, recipients)
    have = await registry.citizens_of_source(connection, SOURCE)
    if have > wanted:
        await registry.drop_citizens_after(connection, SOURCE, _key(wanted - 1))
    platform = await admin.entity(connection, "platform")
    assert platform is not None
    people = islice(enumerate(sample_people(wanted)), have, None)
    while batch := [_citizen(number, person) for number, person in islice(people, BATCH)]:
        await registry.put_citizens(connection, platform.id, batch, SOURCE)
        have += len(batch)
        progress(have, wanted)


def people_for(recipients: int) -> int:
    """How many sample people there have to be so that this many have an address in the area."""
    if not recipients:
        return 0
    cells = cover_union(sample_area())
    inside = 0
    for number, person in enumerate(sample_people(20 * recipients + 1000), 1):
        inside += any(contains(cells, a.lon, a.lat) for a in person.addresses)
        if inside == recipients:
            return number
    raise AssertionError("the sample people live elsewhere")


def _key(number: int) -> str:
    return f"demo-{number:09d}"


def _citizen(number: int, person: SamplePerson) -> registry.Citizen:
    return registry.Citizen(
        key=_key(number),
        name=person.name,
        language=person.language,
        mobile=person.mobile,
        landline=person.landline,
        email=person.email,
        places=[(a.label, a.lon, a.lat) for a in person.addresses],
    )


def read_facts(directory: Path) -> Mapping[str, Any]:
    """What an earlier run wrote to demo.json; nothing when it can not be read."""
    try:
        facts = json.loads((directory / "demo.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def write_facts(directory: Path, facts: Mapping[str, Any]) -> None:
    """demo.json, readable by its owner only: it holds tokens."""
    path = directory / "demo.json"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def facts_of(
    url: str, cluster: Cluster, tokens: Mapping[str, Mapping[str, str]], simulators: Simulators
) -> dict[str, Any]:
    """The contents of demo.json."""
    return {"url": url, "dsn": cluster.app_dsn, "tokens": tokens, **simulators.addresses()}

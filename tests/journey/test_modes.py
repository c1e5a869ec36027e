"""Which alert reaches which transport: every token, status and kind of group, at the simulators' sockets."""

import itertools
from dataclasses import dataclass

import pytest

from gateway.policy.importing import ImportedContact
from gateway.simulators.recorder import Recorder
from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.support.line import Line, cap, people, whole_line

REALMS = ("live", "test")
STATUSES = ("Actual", "Exercise", "System", "Test", "Draft")
GROUPS = ("", "plain", "drill")  # nobody's, one that is not marked for exercises, one that is
CITIZENS = {f"+3247{0:05d}{number:02d}" for number in range(3)}
MEMBERS = {"": set[str](), "plain": {"+32460000001"}, "drill": {"+32460000002"}}


@dataclass(frozen=True, slots=True)
class Case:
    """One alert of the table."""

    realm: str
    status: str
    group: str

    @property
    def words(self) -> str:
        return f"Words {self.realm} {self.status} {self.group or 'nobody'} end"

    def live(self) -> set[str]:
        """Whom it may reach over real transports."""
        if (self.realm, self.status) == ("live", "Actual"):
            return CITIZENS | MEMBERS[self.group]
        return MEMBERS["drill"] if (self.realm, self.status, self.group) == ("live", "Exercise", "drill") else set()

    def simulated(self) -> set[str]:
        """Whom it reaches in the simulation."""
        if self.status in ("System", "Test", "Draft"):
            return set()
        return CITIZENS | MEMBERS[self.group] if self.live() == set() else (CITIZENS if self.drills else set())

    @property
    def drills(self) -> bool:
        return self.realm == "live" and self.status == "Exercise"

    @property
    def mode(self) -> str:
        return "test" if self.realm == "test" else "exercise" if self.drills else "live"


CASES = [Case(*parts) for parts in itertools.product(REALMS, STATUSES, GROUPS)]


async def put_groups(line: Line) -> None:
    async with admin.connected(line.cluster.app_dsn) as connection:
        commune = await admin.entity(connection, "demo-commune")
        assert commune is not None
        for slug in ("plain", "drill"):
            group = await admin.create_group(
                connection, entity_id=commune.id, slug=slug, name=slug, exercises=slug == "drill"
            )
            (number,) = MEMBERS[slug]
            member = ImportedContact(
                row=1, key=slug, name=slug, language="en", mobile=number, landline=None, email=f"{slug}@example.org"
            )
            await admin.import_contacts(connection, commune.id, [member], group_id=group)


def separate(line: Line) -> tuple[Recorder, Recorder, Recorder, Recorder]:
    """Recorders of their own: SMS and mail of the live transports, then of the simulated ones."""
    found = []
    for mode in ("live", "test"):
        sms, mails = Recorder(), Recorder()
        line.simulators.smsc[mode].recorder = sms
        line.simulators.smtp[mode]._recorder = mails
        found += [sms, mails]
    return found[0], found[1], found[2], found[3]


async def test_every_alert_keeps_to_its_transports(pg: Cluster) -> None:
    """All of realm x status x group at once, so that nothing is right only because nothing else is going on."""
    async with whole_line(pg, people(3, by=("mobile", "email"))) as line:
        await put_groups(line)
        live_sms, live_mail, simulated_sms, simulated_mail = separate(line)
        names = {}
        for case in CASES:
            alert = cap(
                f"id {case.words}".replace(" ", "-"), words=case.words, status=case.status, addresses=case.group
            )
            names[case] = await line.post(alert, realm=case.realm)
        for case, name in names.items():
            seen = await line.closed(name, realm=case.realm)
            assert seen["closure"] == "complete"
        for case in CASES:
            for recorder, expected in ((live_sms, case.live()), (simulated_sms, case.simulated())):
                got = [record for record in recorder.records() if case.words in record.text]
                assert sorted(record.to for record in got) == sorted(expected), case
                assert {record.mode for record in got} <= {case.mode}
                assert all(("EXERCISE" in record.text) is (case.status == "Exercise") for record in got), case
            for recorder, expected in ((live_mail, case.live()), (simulated_mail, case.simulated())):
                got = [record for record in recorder.records() if case.words in record.text]
                assert len(got) == len(expected), case
                assert {record.mode for record in got} <= {case.mode}
                assert all(("EXERCISE" in record.text) is (case.status == "Exercise") for record in got), case


@pytest.mark.parametrize("status", ["Test", "System", "Draft"])
async def test_a_silent_status_is_recorded_and_closed_at_once(pg: Cluster, status: str) -> None:
    """The answer already says so, and the report has nobody in it."""
    async with whole_line(pg, people(2)) as line:
        code, body = await line.ask("POST", "/v1/alerts", raw=cap("one", status=status))
        assert (code, body["state"], body["mode"]) == (201, "closed", "test")
        seen = await line.campaign(body["campaign"])
        assert sum(channel["planned"] for channel in seen["channels"].values()) == 0
        assert not line.received("sms") and not line.received("email")


async def test_a_rehearsal_does_not_stand_in_the_way_of_the_live_post(pg: Cluster) -> None:
    """The same bytes with a test token and then with a live one: two campaigns, each over its own transports."""
    async with whole_line(pg, people(3)) as line:
        live, _, simulated, _ = separate(line)
        raw = cap("one", channels="sms")
        rehearsal, real = await line.post(raw, realm="test"), await line.post(raw)
        assert rehearsal != real
        await line.closed(rehearsal, realm="test")
        await line.closed(real)
        assert live.count == simulated.count == 3
        assert {record.mode for record in live.records()} == {"live"}
        assert {record.mode for record in simulated.records()} == {"test"}

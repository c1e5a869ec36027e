"""Who is alerted how: one message per channel and endpoint, in slices, on real servers."""

import random
from collections.abc import Sequence

import asyncpg
import pytest

from gateway.model import CampaignState, ChannelName, DeliveryState, MessageClass
from gateway.policy.contacts import GroupFilter
from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, contacts, fan_out, persons, registry
from gateway.store.embedded import Cluster
from gateway.store.fan_out import NewRows, PlanReached, Slice, Told
from gateway.store.pool import Connection
from gateway.store.registry import Target
from tests.store import made
from tests.store.reach import EMAIL, HERE, SMS, TEXTS, THERE, VOICE, around, citizen, citizens, group_of, tell


async def told(connection: Connection, campaign: int) -> list[tuple[ChannelName, str]]:
    """(channel, address) of a campaign's rows, in order of seq."""
    rows = await connection.fetch("SELECT channel, address FROM delivery WHERE campaign_id = $1 ORDER BY seq", campaign)
    return [(registry.CHANNELS[r["channel"]], r["address"]) for r in rows]


async def reached(
    connection: Connection,
    entity_id: int,
    target: Target,
    channels: Sequence[ChannelName] = made.CHANNELS,
    message_class: MessageClass = MessageClass.URGENT,
) -> set[tuple[ChannelName, str]]:
    """Whom a new campaign reaches; what was counted before must be the same."""
    counted = await registry.count_targets(connection, entity_id, message_class, channels, target)
    campaign = await made.campaign(connection, entity_id, message_class=message_class)
    await tell(connection, campaign, entity_id, target, channels=channels, message_class=message_class)
    by_channel = {
        (registry.CHANNELS[r["channel"]], r["language"]): r["n"]
        for r in await connection.fetch(
            "SELECT d.channel, k.language, count(*) AS n FROM delivery d JOIN contact k ON k.id = d.contact_id "
            "WHERE d.campaign_id = $1 GROUP BY 1, 2",
            campaign,
        )
    }
    assert counted == by_channel
    return set(await told(connection, campaign))


@pytest.mark.both_servers
async def test_a_person_of_many_addresses_gets_one_message_per_channel(connection: Connection, entity_id: int) -> None:
    await citizens(connection, citizen("a", HERE, THERE, (4.41, 50.86), mobile="+32471", email="a@b"))
    assert await reached(connection, entity_id, Target(cells=around(HERE, THERE, radius_km=5))) == {
        (SMS, "+32471"), (EMAIL, "a@b"),
    }  # fmt: skip
    assert await reached(connection, entity_id, Target(cells=around((5.5, 50.0)))) == set()


async def test_two_people_of_one_number_get_one_message_and_the_first_chooses_its_language(
    connection: Connection, entity_id: int
) -> None:
    await citizens(
        connection,
        citizen("a", mobile="+32471", language="fr"),
        citizen("b", mobile="+32471", email="b@b", language="nl"),
    )
    campaign = await made.campaign(connection, entity_id)
    assert await tell(connection, campaign, entity_id, Target(cells=around(HERE))) == [
        NewRows(SMS, 1, 1), NewRows(EMAIL, 2, 2),
    ]  # fmt: skip
    assert await connection.fetchval("SELECT text_key FROM delivery WHERE channel = 1") == 3
    assert await reached(connection, entity_id, Target(cells=around(HERE))) == {(SMS, "+32471"), (EMAIL, "b@b")}


@pytest.mark.both_servers
async def test_groups_areas_and_slices_that_overlap_make_one_message_each(
    connection: Connection, entity_id: int
) -> None:
    await citizens(connection, *(citizen(f"c{n}", HERE, THERE, mobile=f"+3247{n}") for n in range(10, 20)))
    one = await group_of(connection, entity_id, "one", x={"mobile": "+32470"}, y={"mobile": "+32471", "email": "y@y"})
    two = await group_of(connection, entity_id, "two", y2={"mobile": "+32471"}, z={"mobile": "+324710"})
    campaign = await made.campaign(connection, entity_id)
    slices = [
        Target(groups=[one]),
        Target(groups=[two, one]),
        Target(cells=around(HERE)),
        Target(cells=around(THERE), groups=[two]),
        Target(cells=around(HERE, THERE, radius_km=20)),
    ]
    next_seq = 1
    for number, target in enumerate(slices):
        for rows in await tell(connection, campaign, entity_id, target, first_seq=next_seq):
            assert rows.lo == next_seq, "seqs of a chunk are contiguous"
            next_seq = rows.hi + 1
        assert number < 3 or rows.hi + 1 == next_seq
    found = await told(connection, campaign)
    assert sorted(found) == sorted(
        [(SMS, "+32470"), (SMS, "+32471"), (EMAIL, "y@y"), *((SMS, f"+3247{n}") for n in range(10, 20))]
    )
    assert found[:3] == [(SMS, "+32470"), (SMS, "+32471"), (EMAIL, "y@y")], "the first slice, channel by channel"


async def test_who_opted_out_of_a_class_is_told_only_what_is_urgent(connection: Connection, entity_id: int) -> None:
    await citizens(connection, citizen("place", mobile="+32470"), citizen("all", mobile="+32471"))
    group = await group_of(connection, entity_id, "g", member={"mobile": "+32472"}, other={"mobile": "+32473"})
    everybody, refused = {(SMS, f"+3247{n}") for n in range(4)}, {(SMS, "+32470"), (SMS, "+32472")}
    for message_class in MessageClass:
        bit = registry.OPT_OUT_BITS[message_class] & ~1
        await connection.execute("UPDATE contact SET opt_out = $1 WHERE key IN ('place', 'member')", bit)
        await connection.execute("UPDATE contact SET opt_out = $1 WHERE key IN ('all', 'other')", 14 & ~bit)
        target = Target(cells=around(HERE), groups=[group])
        found = await reached(connection, entity_id, target, message_class=message_class)
        assert found == (everybody if message_class is MessageClass.URGENT else everybody - refused)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("UPDATE contact SET opt_out = 1")


async def test_only_those_are_called_whom_no_other_channel_of_the_campaign_reaches(
    connection: Connection, entity_id: int
) -> None:
    await citizens(
        connection,
        citizen("mobile and e-mail", mobile="+32470", email="a@b"),
        citizen("landline and e-mail", landline="+3221", email="b@b"),
        citizen("landline only", landline="+3223"),
        citizen("both", landline="+3224", mobile="+32474"),
        citizen("nothing"),
    )
    called: dict[tuple[ChannelName, ...], set[str]] = {
        (VOICE,): {"+32470", "+3221", "+3223", "+3224"},
        (SMS, VOICE): {"+3221", "+3223"},
        (VOICE, EMAIL): {"+3223", "+3224"},
        (SMS, VOICE, EMAIL): {"+3223"},
        (SMS, EMAIL): set(),
    }
    for channels, expected in called.items():
        found = await reached(connection, entity_id, Target(cells=around(HERE)), channels)
        assert {address for channel, address in found if channel is VOICE} == expected


async def test_a_person_is_told_in_their_language_or_else_in_the_entitys_first(
    connection: Connection, entity_id: int
) -> None:
    people = [citizen(code, mobile=f"+3247{n}", language=code) for n, code in enumerate(["nl", "fr", "de"])]
    await citizens(connection, *people)
    campaign = await made.campaign(connection, entity_id)
    await tell(connection, campaign, entity_id, Target(cells=around(HERE)))
    keys = await connection.fetch("SELECT address, text_key FROM delivery")
    assert {r["address"]: r["text_key"] for r in keys} == {"+32470": 0, "+32471": 3, "+32472": 0}


async def test_whom_no_text_speaks_to_is_not_planned(connection: Connection, entity_id: int) -> None:
    await citizens(connection, citizen("a", mobile="+32470", email="a@b"))
    campaign = await made.campaign(connection, entity_id)
    whom, text = Slice(cells=around(HERE)), ("nl", EMAIL, 2)
    rows = await tell(connection, campaign, entity_id, whom, channels=[SMS, EMAIL], texts=[text])
    assert rows == [NewRows(EMAIL, 1, 1)]


async def test_who_can_not_be_told_by_sms_for_want_of_a_text_is_called(connection: Connection, entity_id: int) -> None:
    await citizens(connection, citizen("a", mobile="+32470"))
    campaign = await made.campaign(connection, entity_id)
    whom, text = Slice(cells=around(HERE)), ("nl", VOICE, 1)
    rows = await tell(connection, campaign, entity_id, whom, channels=[SMS, VOICE], texts=[text])
    assert rows == [NewRows(VOICE, 1, 1)]


async def test_a_place_reaches_citizens_and_a_group_reaches_its_owners_contacts_only(
    connection: Connection, entity_id: int
) -> None:
    other = await made.entity(connection, "gent")
    theirs = await group_of(connection, other, "theirs", foreign={"mobile": "+32471"})
    mine = await group_of(connection, entity_id, "mine", own={"mobile": "+32472"})
    places = ImportedContact(row=1, key="own", mobile="+32472", place=Place("", *HERE))
    await admin.import_contacts(connection, entity_id, [places])
    assert await reached(connection, entity_id, Target(cells=around(HERE))) == set(), "a contact is no citizen"
    assert await reached(connection, entity_id, Target(groups=[theirs, mine])) == {(SMS, "+32472")}
    assert await registry.groups_by_slug(connection, entity_id, ["theirs", "mine"]) == [
        registry.Group(mine, "mine", exercises=False)
    ]


async def test_those_told_before_are_told_again_by_the_way_they_were_reached(
    connection: Connection, entity_id: int
) -> None:
    states = list(DeliveryState)
    await citizens(connection, *(citizen(s.name, mobile=f"+3247{s}", language="fr") for s in states))
    earlier = await made.campaign(connection, entity_id)
    await tell(connection, earlier, entity_id, Target(cells=around(HERE)))
    await connection.execute(
        "UPDATE delivery SET state = right(address, 1)::smallint, flags = 0 WHERE campaign_id = $1", earlier
    )
    later = await made.campaign(connection, entity_id)
    await tell(connection, later, entity_id, Slice(told=Told(earlier, 1, 99)), channels=[SMS])
    left = {states[1], states[2], states[3], DeliveryState.UNKNOWN}
    assert set(await told(connection, later)) == {(SMS, f"+3247{s}") for s in left}
    assert await connection.fetchval("SELECT min(text_key) FROM delivery WHERE campaign_id = $1", later) == 3


async def test_those_told_before_by_another_channel_than_the_campaigns_are_told_once(
    connection: Connection, entity_id: int
) -> None:
    """A few of them are written first, and the slice that follows finds them written."""
    await citizens(connection, citizen("a", mobile="+32470"), citizen("b", mobile="+32471"))
    earlier, later = [await made.campaign(connection, entity_id) for _ in range(2)]
    await tell(connection, earlier, entity_id, Target(cells=around(HERE)), channels=[SMS])
    await connection.execute("UPDATE delivery SET state = 3")
    added = [
        await tell(
            connection, later, entity_id, Slice(told=Told(earlier, 1, hi)), channels=[EMAIL], first_seq=lo, texts=TEXTS
        )
        for lo, hi in ((1, 1), (2, 99))
    ]
    assert added == [[NewRows(SMS, 1, 1)], [NewRows(SMS, 2, 2)]]


@pytest.mark.both_servers
async def test_a_marked_row_may_have_been_told_and_a_row_of_another_transport_was_not(
    connection: Connection, entity_id: int
) -> None:
    await citizens(connection, *(citizen(f"c{n}", mobile=f"+3247{n}") for n in range(10, 18)))
    earlier = await made.campaign(connection, entity_id, channels=[SMS])
    (rows,) = await tell(connection, earlier, entity_id, Target(cells=around(HERE)), channels=[SMS])
    await fan_out.insert_chunks(
        connection, campaign=earlier, entity_id=entity_id, rows=rows, transport=1, exercise_group=False, size=4
    )
    await connection.execute("UPDATE chunk SET marked_to = lo + 1 WHERE lo = 5")
    again = "UPDATE delivery SET state = 7, flags = 1 WHERE campaign_id = $1 AND seq = 8"
    await connection.execute(again, earlier)
    before = {seq: address for seq, (_, address) in enumerate(await told(connection, earlier), 1)}
    for transport, window, expected in ((1, (1, 99), {5, 6, 8}), (1, (1, 5), {5}), (0, (1, 99), set())):
        later = await made.campaign(connection, entity_id, channels=[SMS])
        target = Slice(told=Told(earlier, *window))
        await tell(connection, later, entity_id, target, channels=[SMS], transport=transport)
        assert {address for _, address in await told(connection, later)} == {before[seq] for seq in expected}


async def test_rows_carry_the_transport_they_were_planned_for(connection: Connection, entity_id: int) -> None:
    await citizens(connection, citizen("a", mobile="+32470"))
    group = await group_of(connection, entity_id, "g", b={"mobile": "+32471"}, a2={"mobile": "+32470"})
    campaign = await made.campaign(connection, entity_id)
    await tell(connection, campaign, entity_id, Target(groups=[group]), transport=1)
    await tell(connection, campaign, entity_id, Target(cells=around(HERE)), transport=0, first_seq=3)
    found = await connection.fetch("SELECT address, transport FROM delivery ORDER BY seq")
    assert {r["address"]: r["transport"] for r in found} == {"+32470": 1, "+32471": 1}


async def test_new_rows_are_cut_into_chunks_and_counted(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, channels=[SMS])
    await made.rows(connection, campaign, entity_id, SMS, lo=1, hi=10, size=4)
    await made.rows(connection, campaign, entity_id, SMS, lo=11, hi=11, size=4)
    found = await connection.fetch("SELECT lo, hi FROM chunk ORDER BY lo")
    assert [(r["lo"], r["hi"]) for r in found] == [(1, 4), (5, 8), (9, 10), (11, 11)]
    assert await connection.fetchval("SELECT sum(planned) FROM progress") == 11


async def test_the_statistics_of_a_first_slice_wait_for_no_vacuum(
    connection: Connection, entity_id: int, pg: Cluster
) -> None:
    """A vacuum, or the first slice of another campaign, may hold their lock for as long as it works."""
    campaign = await made.campaign(connection, entity_id, channels=[SMS])
    async with admin.connected(pg.owner_dsn) as vacuum, vacuum.transaction():
        await vacuum.execute("LOCK TABLE chunk, ONLY delivery_0 IN SHARE UPDATE EXCLUSIVE MODE")
        await connection.execute("SET statement_timeout = '20s'")
        await fan_out.analyze_campaign(connection, campaign)
    assert not await connection.fetchval(
        "SELECT reloptions @> '{fillfactor=45}' FROM pg_class WHERE relname = 'delivery_0'"
    )
    await fan_out.analyze_campaign(connection, campaign)
    assert await connection.fetchval(
        "SELECT reloptions @> '{fillfactor=45}' FROM pg_class WHERE relname = 'delivery_0'"
    )


async def test_the_most_urgent_unplanned_campaign_is_planned_first_and_by_one_planner(
    connection: Connection, entity_id: int, pg: Cluster
) -> None:
    news, urgent, _held = [
        await made.campaign(connection, entity_id, planned=False, priority=p, state=CampaignState(s))
        for p, s in ((3, "planned"), (0, "planned"), (0, "held"))
    ]
    async with admin.connected(pg.app_dsn) as other:
        async with connection.transaction(), other.transaction():
            assert (await fan_out.campaign_to_plan(connection))["id"] == urgent
            assert (await fan_out.campaign_to_plan(other))["id"] == news
            assert await fan_out.slice_done(connection, urgent, before=0, reached=PlanReached(4, 9), planned=True)
            assert not await fan_out.slice_done(connection, urgent, before=0, reached=PlanReached(4, 9), planned=True)
        row = await connection.fetchrow("SELECT state, plan_cursor, next_seq FROM campaign WHERE id = $1", urgent)
        assert tuple(row or ()) == ("sending", 4, 9)
        async with connection.transaction():
            assert (await fan_out.campaign_to_plan(connection))["id"] == news
    await connection.execute("UPDATE campaign SET expires_at = now()")
    assert await fan_out.campaign_to_plan(connection) is None


async def test_of_equals_the_one_with_the_fewest_rows_is_planned_next(connection: Connection, entity_id: int) -> None:
    """A large group is one step of its plan: by steps done it would come first to its end."""
    group, area, new = [
        await made.campaign(connection, entity_id, planned=False, state=CampaignState.PLANNED) for _ in range(3)
    ]
    for campaign, reached in ((group, PlanReached(0, 40_001, 7, 40_000)), (area, PlanReached(12, 2_001))):
        assert await fan_out.slice_done(connection, campaign, before=0, reached=reached, planned=False)
    order = [(await fan_out.campaign_to_plan(connection, left_out))["id"] for left_out in ([], [new], [new, area])]
    assert order == [new, area, group]


async def test_a_filter_says_who_is_in_a_group_when_it_is_counted_and_planned(
    connection: Connection, entity_id: int
) -> None:
    await citizens(connection, citizen("c", HERE, mobile="+32479", language="fr"))
    plp = await persons.put_partnership(connection, entity_id, "plp", "PLP", "none")
    people = [
        ImportedContact(
            row=1,
            key="1",
            mobile="+32471",
            language="fr",
            postcode="8000",
            tags=("a", "b=1"),
            place=Place("home", *HERE),
        ),
        ImportedContact(row=2, key="2", mobile="+32472", language="nl", postcode="8000", municipality="Brugge"),
        ImportedContact(row=3, key="3", email="c@x.example", language="fr", postcode="9000", tags=("a",)),
    ]
    await admin.import_contacts(connection, entity_id, people)
    await connection.execute("UPDATE contact SET partnership_id = $1 WHERE key = '1'", plp)
    lon, lat = HERE
    box = tuple((lon + x, lat + y) for x, y in ((-0.1, -0.1), (0.1, -0.1), (0.1, 0.1), (-0.1, 0.1), (-0.1, -0.1)))
    first, second, third = (SMS, "+32471"), (SMS, "+32472"), (EMAIL, "c@x.example")
    cases = [
        (GroupFilter(languages=("fr",)), {first, third}), (GroupFilter(postcodes=("8000",)), {first, second}),
        (GroupFilter(municipalities=("BRUGGE", "Gent")), {second}), (GroupFilter(tags=("a", "b=1")), {first}),
        (GroupFilter(channels=(EMAIL,)), {third}), (GroupFilter(channels=(VOICE, EMAIL)), {first, second, third}),
        (GroupFilter(rings=(box,)), {first}), (GroupFilter(languages=("fr",), postcodes=("9000",)), {third}),
        (GroupFilter(languages=("de",)), set()),
    ]  # fmt: skip
    for number, (asked, expected) in enumerate(cases):
        group = await contacts.put_group(
            connection, entity_id, None, f"g{number}", "G", exercises=False, partnership=None
        )
        assert group is not None
        assert await contacts.put_filter(connection, entity_id, group, asked)
        assert await reached(connection, entity_id, Target(groups=[group])) == expected, asked
        shown = await contacts.show_group(connection, entity_id, None, f"g{number}")
        assert shown is not None
        assert shown[1]["members"] == len(expected)
    await contacts.put_group(connection, entity_id, [plp], "theirs", "G", exercises=False, partnership=plp)
    theirs = await contacts.group(connection, entity_id, [plp], "theirs")
    assert theirs is not None
    await contacts.put_filter(connection, entity_id, theirs.id, GroupFilter(languages=("fr",)))
    assert await reached(connection, entity_id, Target(groups=[theirs.id])) == {first}, "the partnership's people only"
    await contacts.put_filter(connection, entity_id, theirs.id, None)
    await contacts.change_members(connection, entity_id, [plp], theirs.id, ["1"], [])
    assert not await contacts.put_filter(connection, entity_id, theirs.id, GroupFilter(languages=("fr",)))


async def test_who_left_for_good_after_they_were_found_is_not_written_unless_told_before(
    connection: Connection, entity_id: int
) -> None:
    """Between the two a slice of others may be written."""
    await citizens(connection, citizen("a", mobile="+32470"), citizen("b", mobile="+32471"))
    earlier, campaign, later = [await made.campaign(connection, entity_id) for _ in range(3)]
    await tell(connection, earlier, entity_id, Target(cells=around(HERE)), channels=[SMS])
    await connection.execute("UPDATE delivery SET state = 3")
    for number, whom, left in (
        (campaign, Slice(cells=around(HERE)), [(SMS, "+32471")]),
        (later, Slice(told=Told(earlier, 1, 99)), [(SMS, "+32470"), (SMS, "+32471")]),
    ):
        texts = [("nl", SMS, 0)]
        found = await fan_out.find(
            connection, entity_id=entity_id, transport=1, message_class=MessageClass.URGENT, channels=[SMS],
            texts=texts, whom=whom,
        )  # fmt: skip
        assert found.messages == 2
        await connection.execute(
            "INSERT INTO erasure (entity_id, contact_id, asked_by) SELECT entity_id, id, 'them' FROM contact "
            "WHERE mobile = '+32470'"
        )
        rows = await fan_out.write(
            connection, campaign=number, first_seq=1, entity_id=entity_id, transport=1, texts=texts, found=found
        )
        assert await told(connection, number) == left
        assert rows == [NewRows(SMS, 1, len(left))]


@pytest.mark.both_servers
@pytest.mark.parametrize("seed", range(4))
async def test_rows_are_numbered_without_a_gap_whoever_of_a_slice_is_left_out(
    connection: Connection, entity_id: int, seed: int
) -> None:
    chosen = random.Random(seed)
    names = [f"p{n:02}" for n in range(40)]
    some, gone = set(chosen.sample(names, 3 * seed)), chosen.sample(names, seed)
    places = {name: [HERE, THERE] if name in some else [HERE] for name in names}
    all_of_them = [citizen(name, *places[name], mobile=f"+324{name[1:]}", email=f"{name}@b") for name in names]
    await citizens(connection, *all_of_them)
    people = {row["key"]: row["id"] for row in await connection.fetch("SELECT id, key FROM contact")}
    campaign = await made.campaign(connection, entity_id)
    before = await tell(connection, campaign, entity_id, Target(cells=around(THERE)), channels=[SMS], transport=0)
    found = await fan_out.find(
        connection, entity_id=entity_id, transport=0, message_class=MessageClass.URGENT, channels=[SMS, EMAIL],
        texts=TEXTS, whom=Slice(cells=around(HERE)),
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO erasure (entity_id, contact_id, asked_by) VALUES ($1, $2, 'them')",
        [(entity_id, people[name]) for name in gone],
    )
    first_seq = 1 + sum(rows.hi - rows.lo + 1 for rows in before)
    new = await fan_out.write(
        connection, campaign=campaign, first_seq=first_seq, entity_id=entity_id, transport=0, texts=TEXTS, found=found
    )
    rows = await connection.fetch(
        "SELECT seq, contact_id, channel FROM delivery WHERE campaign_id = $1 ORDER BY seq", campaign
    )
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    by_number = {number: name for name, number in people.items()}
    mail = [name for name in names if name not in gone]
    sms = [name for name in mail if name not in some]
    assert [(row["channel"], by_number[row["contact_id"]]) for row in rows[first_seq - 1 :]] == [
        *((1, name) for name in sms),
        *((3, name) for name in mail),
    ]
    middle = first_seq + len(sms)
    assert new == [NewRows(SMS, first_seq, middle - 1), NewRows(EMAIL, middle, middle + len(mail) - 1)]

"""The work queue as a model: what one campaign's rows may become under any order of the queue's statements.

Two nodes hold leases, and both may be dead without knowing it. What each step returned is compared with what the
model says; the rows and the counts are compared by the ground after every step.
"""

from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from gateway.flows.closing import is_done
from gateway.model import CampaignState, ChannelName, Closure, DeliveryState, OutcomeKind, Transport
from gateway.policy.retry import RetryRules, after_outcome
from gateway.policy.states import FINAL, after
from gateway.store import alerts, deliveries, progress
from gateway.store.columns import AcceptedColumns, OutcomeColumns, Recorded
from gateway.store.pool import Connection
from tests.store import made
from tests.store.queue_ground import BY_OUTCOME, BY_RECEIPT, LANES, D, E, Ground, Holding, MessageId

K = OutcomeKind
ATTEMPTS = 3
LEFT_BEHIND = (K.RETRY, K.UNKNOWN, K.UNSENT, K.ACCEPTED, K.ACCEPTED)
RULES = RetryRules(attempts=ATTEMPTS)


class QueueMachine(Ground):
    """Leases, marks, outcomes, receipts, deaths, retries, pauses and stops in every order."""

    # the holders --------------------------------------------------------------------------------------------------

    @initialize(urgent=st.booleans())
    def begin(self, urgent: bool) -> None:
        self.start(urgent)

    @rule(
        node=st.sampled_from([1, 2]),
        channel=st.sampled_from(list(LANES)),
        limit=st.integers(1, 2),
        and_mark=st.booleans(),
    )
    def lease(self, node: int, channel: ChannelName, limit: int, and_mark: bool) -> None:
        taken = self.run(
            lambda c: deliveries.lease_chunks(
                c,
                campaign=self.campaign,
                channel=channel,
                transport=Transport.LIVE,
                node=node,
                limit=limit,
                lease_s=60,
            )
        )
        for leased in taken:
            assert all(self.rows[s].state in (D.QUEUED, D.RETRY_WAIT, D.UNKNOWN) for s in leased.seqs)
            assert all(self.rows[s].state is not D.UNKNOWN or self.urgent for s in leased.seqs)
            assert leased.lease.attempts == ({s: self.rows[s].attempt for s in leased.seqs} if leased.listed else {})
            self.holdings.append(Holding(node, leased))
        self.settle(set())
        for holding in self.holdings[-len(taken) :] if taken and and_mark else ():
            self.mark_next(holding, len(holding.leased.seqs), twice=node == 1)  # who never hears of its COMMIT

    @precondition(lambda self: self.holdings)
    @rule(data=st.data(), limit=st.integers(1, 4), twice=st.booleans())
    def mark(self, data: st.DataObject, limit: int, twice: bool) -> None:
        self.mark_next(data.draw(st.sampled_from(self.holdings)), limit, twice=twice)

    def mark_next(self, holding: Holding, limit: int, *, twice: bool) -> None:
        seqs = holding.leased.seqs[holding.marked : holding.marked + limit]
        if not seqs or holding.gone:
            return
        allowed = self.mine(holding) and self.chunks[holding.leased.lease.lo]["state"] == 1
        allowed = allowed and self.state is CampaignState.SENDING and not self.expired
        marked = self.run(lambda c: self.mark_rows(c, holding, seqs))
        if twice:
            assert self.run(lambda c: self.mark_rows(c, holding, seqs)) == marked, "the repetition says something else"
        expected = {s for s in seqs if self.rows[s].state in (D.QUEUED, D.RETRY_WAIT, D.UNKNOWN)} if allowed else set()
        assert marked == expected
        self.settle(expected, {E.MARK})
        assert all(self.rows[s].state is D.SUBMITTING for s in marked)
        holding.gone = not marked
        holding.marked += len(seqs) if marked else 0
        for seq in marked:
            self.marks += 1
            holding.in_hand[seq] = self.marks

    @staticmethod
    async def mark_rows(connection: Connection, holding: Holding, seqs: list[int]) -> set[int]:
        lease = holding.leased.lease
        if holding.leased.listed:
            return await deliveries.mark_listed(connection, lease, seqs, lease_s=60)
        done = await deliveries.mark_range(connection, lease, seqs[-1], len(seqs), lease_s=60)
        return set(seqs) if done else set()

    @precondition(lambda self: any(h.in_hand for h in self.holdings))
    @rule(data=st.data(), twice=st.booleans())
    def record(self, data: st.DataObject, twice: bool) -> None:
        holding = data.draw(st.sampled_from([h for h in self.holdings if h.in_hand]))
        seqs = data.draw(st.lists(st.sampled_from(sorted(holding.in_hand)), min_size=1, unique=True))
        kinds = {seq: data.draw(st.sampled_from(OutcomeKind)) for seq in seqs}
        self.record_kinds(holding, kinds, data.draw(st.integers(1, 3)), settled=data.draw(st.booleans()), twice=twice)

    def record_kinds(
        self, holding: Holding, kinds: dict[int, K], parts: int = 1, *, settled: bool = False, twice: bool = False
    ) -> None:
        batch = self.batch_of(holding, kinds, parts=parts, settled=settled)
        fenced = not self.mine(holding)
        flying = {s for s in kinds if self.rows[s].state is D.SUBMITTING and not fenced}
        expected = {s: D(state) for s, state in zip(batch.seq, batch.state, strict=True) if s in flying}
        quick = not holding.leased.listed and parts == 1 and set(kinds.values()) == {K.ACCEPTED}
        recorded = self.run(lambda c: self.write(c, batch, quick, settled))
        assert recorded.total == len(expected)
        if twice:
            again = self.run(lambda c: self.write(c, batch, quick, settled))
            assert again.total == 0
        holding.told.append(batch)
        self.settle(flying, {BY_OUTCOME[state] for state in expected.values()})
        assert {s: self.rows[s].state for s in flying} == expected

    async def write(self, connection: Connection, batch: OutcomeColumns, quick: bool, settled: bool) -> Recorded:
        """As tracking does: the quick way first, and by row what that refuses as a whole."""
        if quick:
            taken = AcceptedColumns(
                campaign=batch.campaign, channel=batch.channel, provider="peer", code=0, detail="", settled=settled,
                chunks=batch.chunks, seq=batch.seq, lo=batch.lo, ids=batch.ids_text,
            )  # fmt: skip
            if (recorded := await deliveries.record_accepted(connection, taken, self.provider)) is not None:
                return recorded
        return await deliveries.record_outcomes(connection, batch, self.numbers)

    def batch_of(self, holding: Holding, kinds: dict[int, K], *, parts: int, settled: bool) -> OutcomeColumns:
        lease = holding.leased.lease
        batch = OutcomeColumns(campaign=self.campaign, channel=lease.channel)
        for seq, kind in kinds.items():
            decision = after_outcome(
                kind,
                attempts=lease.attempts.get(seq, 0),
                resent=seq in lease.resent,
                settled=settled,
                message_class=self.message_class,
                rules=RULES,
                expires_at=made.in_an_hour(),
                now=datetime.now(UTC),
                retry_after_s=0.0,
                grace_s=0.0,
            )
            batch.seq.append(seq)
            batch.lo.append(lease.lo)
            batch.due.append(decision.due)
            batch.state.append(decision.state)
            batch.flag.append(decision.flags)
            batch.code.append(0)
            batch.detail.append(None)
            mark = holding.in_hand.pop(seq)
            if kind is K.ACCEPTED:
                self.name(batch, seq, mark, 1 if lease.channel is ChannelName.VOICE else parts)
        lease.remaining -= len(kinds)
        batch.chunks[lease.lo, lease.epoch] = not holding.in_hand and holding.marked == len(holding.leased.seqs)
        return batch

    def name(self, batch: OutcomeColumns, seq: int, mark: int, parts: int) -> None:
        """The peer's ids for an accepted row."""
        for part in range(parts):
            given = MessageId(f"{self.campaign}-{seq}-{mark}-{part}", seq, part, parts)
            self.known[given.text] = given
            batch.ids_provider.append("peer")
            batch.ids_mask.append(1 << part)
            batch.ids_seq.append(seq)
            batch.ids_parts.append(parts)
            batch.ids_text.append(given.text)

    @precondition(lambda self: any(h.told for h in self.holdings))
    @rule(data=st.data())
    def record_again_much_later(self, data: st.DataObject) -> None:
        holding = data.draw(st.sampled_from([h for h in self.holdings if h.told]))
        again = self.run(
            lambda c: deliveries.record_outcomes(c, data.draw(st.sampled_from(holding.told)), self.numbers)
        )
        assert again.total == 0
        self.settle(set())

    @precondition(lambda self: any(D.UNKNOWN in batch.state for h in self.holdings for batch in h.told))
    @rule(data=st.data(), kind=st.sampled_from([K.ACCEPTED, K.FAILED, K.RETRY]), twice=st.booleans())
    def answered_late(self, data: st.DataObject, kind: K, twice: bool) -> None:
        """What was told to be unknown has its answer after all, whoever has the row by now."""
        told = [
            (h, seq, state) for h in self.holdings for b in h.told for seq, state in zip(b.seq, b.state, strict=True)
        ]
        holding, seq, _ = data.draw(st.sampled_from([one for one in told if one[2] == D.UNKNOWN]))
        lease, row = holding.leased.lease, self.rows[seq]
        self.marks += 1
        holding.in_hand[seq] = self.marks
        late = self.batch_of(holding, {seq: kind}, parts=data.draw(st.integers(1, 3)), settled=False)
        late.belated, late.tries = True, [lease.attempts.get(seq, 0) + 1]
        becomes = D(late.state[0])
        if becomes is D.SUBMITTED:
            fits = row.state in (D.UNKNOWN, D.RETRY_WAIT)
        else:
            fits = row.state is D.UNKNOWN and row.attempt == late.tries[0]
            self.unknowns[seq] = self.unknowns.get(seq, 0) - fits
        if becomes is D.RETRY_WAIT and self.state is CampaignState.CLOSING:
            becomes = D.FAILED
        recorded = self.run(lambda c: deliveries.record_belated(c, late, self.numbers))
        assert recorded.total == fits
        assert not twice or self.run(lambda c: deliveries.record_belated(c, late, self.numbers)).total == 0
        self.settle({seq} if fits else set(), {BY_OUTCOME[becomes]})
        assert self.rows[seq].state is (becomes if fits else row.state)

    @precondition(lambda self: self.holdings)
    @rule(data=st.data())
    def beat_and_give_back(self, data: st.DataObject) -> None:
        leases = [h.leased.lease for h in self.holdings]
        kept = self.run(lambda c: deliveries.keep_leases(c, leases, lease_s=60))
        mine = [h for h in self.holdings if self.mine(h)]
        assert {(k.lo, k.epoch) for k in kept} == {(h.leased.lease.lo, h.leased.lease.epoch) for h in mine}
        holding = data.draw(st.sampled_from(self.holdings))
        self.run(lambda c: deliveries.give_back(c, holding.leased.lease))
        self.settle(set())

    # the network --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.known or any(h.in_hand for h in self.holdings))
    @rule(data=st.data(), twice=st.booleans())
    def receipts(self, data: st.DataObject, twice: bool) -> None:
        coming = [
            MessageId(f"{self.campaign}-{seq}-{mark}-0", seq, 0, 1)
            for h in self.holdings
            for seq, mark in h.in_hand.items()
        ]
        everything = [*self.known.values(), *coming]
        open_rows = [one for one in everything if self.rows[one.seq].state not in FINAL]
        ids = data.draw(st.lists(st.sampled_from(open_rows or everything), min_size=1, max_size=4, unique=True))
        kinds = [data.draw(st.sampled_from(self.kinds_of(one))) for one in ids]
        found = [(one, kind) for one, kind in zip(ids, kinds, strict=True) if one.text in self.known]
        self.early += [(one, kind) for one, kind in zip(ids, kinds, strict=True) if one.text not in self.known]
        expected = self.meaning(found)
        for _ in range(1 + twice):
            self.run(lambda c: self.receive(c, list(zip(ids, kinds, strict=True)), keep_orphans=True, quick=True))
        self.settle(set(expected), set(BY_RECEIPT.values()))
        assert {s: self.rows[s].state for s in expected} == expected

    @staticmethod
    def kinds_of(one: MessageId) -> list[DeliveryState]:
        return list(BY_RECEIPT) if one.seq in LANES[ChannelName.VOICE] else [D.DELIVERED, D.FAILED, D.EXPIRED]

    async def receive(
        self,
        connection: Connection,
        found: list[tuple[MessageId, DeliveryState]],
        *,
        keep_orphans: bool,
        quick: bool = False,
    ) -> None:
        due = datetime.now(UTC)
        if quick:
            found = await self.settled_by_row(connection, found)
        await deliveries.record_receipts(
            connection,
            self.provider,
            [one.text for one, _ in found],
            [kind for _, kind in found],
            [0 for _ in found],
            [due if kind is D.RETRY_WAIT else None for _, kind in found],
            max_attempts=ATTEMPTS,
            keep_orphans=keep_orphans,
        )

    async def settled_by_row(
        self, connection: Connection, found: list[tuple[MessageId, DeliveryState]]
    ) -> list[tuple[MessageId, DeliveryState]]:
        """Receipts of messages of one part whose row is known are settled without their id; returns the others."""
        seqs = [one.seq for one, _ in found]
        for kind in (D.DELIVERED, D.FAILED, D.EXPIRED):
            same = {
                one.seq: (one, kind)
                for one, said in found
                if said is kind and seqs.count(one.seq) == 1 and self.known.get(one.text) == one and one.parts == 1
                and one.seq in LANES[ChannelName.SMS]
            }  # fmt: skip
            if same:
                _, left = await deliveries.record_arrived(connection, self.campaign, kind, 0, list(same))
                found = [one for one in found if one[0].seq not in same or one[0].seq in left]
        return found

    def meaning(self, found: list[tuple[MessageId, DeliveryState]]) -> dict[int, DeliveryState]:
        """What a batch of receipts must make of its rows: all of a row's parts say delivered, else the worst news."""
        ends = {}
        for seq in {one.seq for one, _ in found}:
            news = [(one, kind) for one, kind in found if one.seq == seq]
            news = [n for n in news if not (n[1] is D.RETRY_WAIT and n[0].text in self.calls_ended)]
            self.calls_ended |= {one.text for one, kind in news if kind is D.RETRY_WAIT}
            if news and self.rows[seq].state in (D.SUBMITTING, D.SUBMITTED, D.RETRY_WAIT, D.UNKNOWN):
                ends[seq] = self.end_of(seq, news)
        return ends

    def end_of(self, seq: int, news: list[tuple[MessageId, DeliveryState]]) -> DeliveryState:
        row, got = self.rows[seq], self.arrived.setdefault(seq, set())
        got |= {one.part for one, kind in news if kind is D.DELIVERED}
        if got >= set(range(max(one.parts for one, _ in news))):
            return after(row.state, E.ARRIVED)
        bad = min((kind for _, kind in news if kind is not D.DELIVERED), default=None)
        if bad is None or row.stored == D.SUBMITTING:  # news of an earlier try than the one in flight
            return row.state
        if bad is D.RETRY_WAIT and row.attempt >= ATTEMPTS:
            bad = D.FAILED
        return after(row.state, BY_RECEIPT[bad]) if bad is not D.RETRY_WAIT or row.state is not bad else row.state

    @precondition(lambda self: self.early)
    @rule()
    def match_orphans(self) -> None:
        found = [(one, kind) for one, kind in self.early if one.text in self.known]
        # an early receipt guessed one part; what was recorded counts
        found = [(self.known[one.text], kind) for one, kind in found]
        self.early = [(one, kind) for one, kind in self.early if one.text not in self.known]
        expected = self.meaning(found)

        async def match(connection: Connection) -> list[str]:
            async with connection.transaction():
                taken = await deliveries.take_orphans(connection)
                pairs = [(self.known[row["msg_id"]], D(row["kind"])) for row in taken]
                await self.receive(connection, pairs, keep_orphans=False)
                return [row["msg_id"] for row in taken]

        assert set(self.run(match)) == {one.text for one, _ in found}
        self.settle(set(expected), set(BY_RECEIPT.values()))
        assert {s: self.rows[s].state for s in expected} == expected

    # deaths, retries, ends ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.holdings)
    @rule(data=st.data(), own=st.booleans())
    def take_over(self, data: st.DataObject, own: bool) -> None:
        """A lease runs out, or its node starts again: every chunk that it left is ready, or known to be unknown."""
        holding = data.draw(st.sampled_from(self.holdings))
        lo = holding.leased.lease.lo
        node = self.chunks[lo]["node"] if own else 99

        async def recover(connection: Connection) -> None:
            if not own:
                past = "UPDATE chunk SET lease_until = now() - interval '1 s' WHERE campaign_id = $1 AND lo = $2"
                await connection.execute(past, self.campaign, lo)
            for campaign, chunk, urgent in await deliveries.expired_leases(connection, node or 0, own=own):
                assert (campaign, urgent) == (self.campaign, self.urgent)
                for _ in range(2):
                    await deliveries.recover_chunk(
                        connection, campaign, chunk, node=node or 0, own=own, urgent=urgent, grace_s=0.0
                    )

        self.run(recover)
        self.settle(set(self.rows), {E.NO_ANSWER})

    @rule(limit=st.integers(1, 20), and_lease=st.booleans())
    def due_retries(self, limit: int, and_lease: bool) -> None:
        self.run(lambda c: deliveries.due_retries(c, limit))
        self.settle(set())
        for channel in LANES if and_lease else ():
            self.lease(1, channel, 9, and_mark=True)

    @rule(to=st.sampled_from(["paused", "sending"]), luck=st.integers(0, 3))
    def pause_or_resume(self, to: str, luck: int = 0) -> None:
        if luck and to == "paused":
            return
        was = {"paused": CampaignState.SENDING, "sending": CampaignState.PAUSED}[to]
        if self.run(lambda c: alerts.set_state(c, self.campaign, was, CampaignState(to))):
            self.state = CampaignState(to)
        self.settle(set())

    @precondition(lambda self: self.state in (CampaignState.SENDING, CampaignState.PAUSED))
    @rule(closure=st.sampled_from([Closure.STOPPED, Closure.EXPIRED]), luck=st.integers(0, 5))
    def stop_or_expire(self, closure: Closure, luck: int) -> None:
        if luck:  # most runs go on for a while
            return

        async def stop(connection: Connection) -> None:
            async with connection.transaction():
                assert await alerts.set_state(
                    connection, self.campaign, self.state, CampaignState.CLOSING, closure=closure
                )
                await deliveries.withdraw_chunks(connection, self.campaign, expired=closure is Closure.EXPIRED)

        self.run(stop)
        self.state, self.expired = CampaignState.CLOSING, closure is Closure.EXPIRED
        self.settle(set())

    @precondition(lambda self: self.state is CampaignState.CLOSING)
    @rule(holders_gone=st.booleans())
    def sweep(self, holders_gone: bool) -> None:
        gone = "UPDATE chunk SET lease_until = now() - interval '1 s' WHERE campaign_id = $1"
        if holders_gone:
            self.run(lambda c: c.execute(gone, self.campaign))
        ends = [chunk["lease_until"] for chunk in self.chunks.values() if chunk["state"] in (8, 9)]
        lost = holders_gone or any(end is None or end < datetime.now(UTC) for end in ends)
        self.run(lambda c: deliveries.sweep(c, self.campaign, expired=self.expired))
        self.settle(set(self.rows), {E.EXPIRE if self.expired else E.STOP} | ({E.NO_ANSWER} if lost else set()))

    def teardown(self) -> None:
        """Whatever happened: when every node has died and one comes back, the campaign finds its end."""
        if self.rows:
            self.holdings.clear()
            if self.state is CampaignState.PAUSED:
                self.pause_or_resume("sending")
            (self.finish_closing if self.state is CampaignState.CLOSING else self.finish_sending)()
            counts = self.run(lambda c: progress.counts(c, [self.campaign]))[self.campaign]
            (row,) = self.run(progress.open_campaigns)
            assert is_done(row, counts, -1.0), f"the campaign never ends: {dict(row)} {counts}"
            assert not any(row.state in (D.QUEUED, D.SUBMITTING, D.RETRY_WAIT) for row in self.rows.values())

    def finish_closing(self) -> None:
        for _ in range(4):
            self.sweep(holders_gone=True)

    def finish_sending(self) -> None:
        for _ in range(6):
            self.everybody_dies()
            self.due_retries(20, and_lease=False)
            for channel in LANES:
                self.lease(3, channel, 20, and_mark=False)
            for holding in self.holdings:
                self.send_all(holding)
            self.holdings.clear()

    def everybody_dies(self) -> None:
        async def recover(connection: Connection) -> None:
            await connection.execute("UPDATE chunk SET lease_until = now() - interval '1 s'")
            for campaign, lo, urgent in await deliveries.expired_leases(connection, 99, own=False):
                await deliveries.recover_chunk(connection, campaign, lo, node=99, own=False, urgent=urgent, grace_s=0.0)

        self.run(recover)
        self.settle(set(self.rows), {E.NO_ANSWER})

    def send_all(self, holding: Holding) -> None:
        seqs = holding.leased.seqs
        marked = self.run(lambda c: self.mark_rows(c, holding, seqs)) if seqs else set()
        assert marked == set(seqs)
        self.settle(marked, {E.MARK})
        for seq in marked:
            self.marks += 1
            holding.in_hand[seq] = self.marks
        holding.marked = len(seqs)
        batch = self.batch_of(holding, dict.fromkeys(sorted(marked), K.ACCEPTED), parts=1, settled=True)
        self.run(lambda c: deliveries.record_outcomes(c, batch, self.numbers))
        self.settle(marked, {E.ACCEPTED})


class SecondTries(QueueMachine):
    """The same, starting where a first try of every row has left retries behind: that is where it is hard."""

    @initialize(urgent=st.booleans(), kinds=st.lists(st.sampled_from(LEFT_BEHIND), min_size=10, max_size=10))
    def begin(self, urgent: bool, kinds: list[K]) -> None:
        self.start(urgent)
        for channel in LANES:
            self.lease(1, channel, 9, and_mark=True)
        for holding in self.holdings:
            self.record_kinds(holding, {seq: kinds[seq - 1] for seq in holding.in_hand})
        self.due_retries(20, and_lease=False)

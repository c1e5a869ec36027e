"""The SMS channel against a foreign SMSC, node-smpp: receipts in each form, before and after the answer, ids in hex."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from gateway.channels.sms import SmsChannel
from gateway.model import Earlier, OutcomeKind, ReceiptKind, Transport
from tests.channels.sms_world import EXPIRES, Given, Store, deliveries, provider, running, words
from tests.support import peers
from tests.support.waiting import until

pytestmark = pytest.mark.peer("node-smpp")

FAILED, DELIVERED, EXPIRED = ReceiptKind.FAILED, ReceiptKind.DELIVERED, ReceiptKind.EXPIRED
# what the last digit of a number means to the peer: the receipts that must come
RECEIPTS = {0: [DELIVERED], 1: [DELIVERED], 2: [DELIVERED], 3: [DELIVERED] * 2, 4: [], 5: [DELIVERED]}
RECEIPTS |= {6: [EXPIRED], 7: [FAILED]}


@pytest.fixture(scope="module", autouse=True)
def module_installed() -> None:
    """npm has the package; where the network does not give it, say so."""
    try:
        peers.run("nodesmsc.sh", "install")
    except AssertionError as missing:
        if os.environ.get("GATEWAY_FORBID_SKIP") == "1":
            raise
        pytest.skip(str(missing))


def told(folder: Path) -> list[dict[str, object]]:
    """What the peer wrote down."""
    return [json.loads(line) for line in (folder / "smsc.out").read_text().splitlines()]


@contextlib.asynccontextmanager
async def smsc(folder: Path, port: int, *arguments: str, ids: str = "") -> AsyncIterator[None]:
    with peers.running("nodesmsc.sh", folder, port, *arguments, environment={"IDS": ids}):
        yield


@pytest.mark.parametrize("ids", ["", "hexdec"])
@pytest.mark.parametrize("form", ["text", "tlv", "both", "payload", "data_sm"])
async def test_every_receipt_finds_its_message_in_every_form(tmp_path: Path, port: int, form: str, ids: str) -> None:
    rule = "hex->decimal" if ids else "raw"
    async with smsc(tmp_path, port, form, ids=ids):
        channel = SmsChannel(Transport.SIMULATED, [provider(port, message_id_rule=rule, announce_mode=False)])
        store = Store()
        async with running(channel, Given(*deliveries(words(), 8)), store):
            await until(lambda: len(store.outcomes) == 8 and len(store.receipts) == sum(map(len, RECEIPTS.values())))
            for outcome in store.outcomes:
                assert outcome.kind is OutcomeKind.ACCEPTED
                (message_id,) = outcome.message_ids
                kinds = [receipt.kind for receipt in store.receipts if receipt.message_id == message_id]
                assert kinds == RECEIPTS[int(outcome.delivery.address[-1])]
            await until(lambda: [e["ack"] for e in told(tmp_path) if "receipt" in e] == [0] * len(store.receipts))
            assert channel.findings == {}


async def test_a_receipt_before_its_response_is_kept(tmp_path: Path, port: int) -> None:
    async with smsc(tmp_path, port, "both"):
        channel, store = SmsChannel(Transport.SIMULATED, [provider(port)]), Store()
        async with running(channel, Given(*deliveries(words(), 1, first=5)), store):
            await until(lambda: store.outcomes and store.receipts)
            assert store.batches[0] == store.receipts
            assert store.receipts[0].message_id == store.outcomes[0].message_ids[0]


async def test_refusals_are_understood_and_what_is_throttled_keeps_its_place(tmp_path: Path, port: int) -> None:
    """This peer throttles a number ending in 8 twice, then takes it."""
    async with smsc(tmp_path, port, "none"):
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(port)]), Store(), Given()
        work.add(deliveries(words(), 2, first=8))
        async with running(channel, work, store):
            await until(lambda: len(store.outcomes) == 2)
            assert {(o.delivery.seq, o.kind, o.detail) for o in store.outcomes} == {
                (8, OutcomeKind.ACCEPTED, "ESME_ROK"),
                (9, OutcomeKind.FAILED, "ESME_RINVDSTADR"),
            }


@pytest.mark.parametrize("long_messages", ["header", "sar", "payload"])
async def test_a_long_text_arrives_whole_in_each_form(tmp_path: Path, port: int, long_messages: str) -> None:
    """Receipts come for each message that the peer took: one for each part, or one for all of it."""
    async with smsc(tmp_path, port, "both"):
        settings = provider(port, long_messages=long_messages, announce_mode=False)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        body = "Blijf binnen en sluit ramen en deuren. " * 10
        async with running(channel, Given(*deliveries(words(body), 1)), store):
            parts = 1 if long_messages == "payload" else 3
            await until(lambda: len(store.outcomes) == 1 and len(store.receipts) == parts)
            assert len(store.outcomes[0].message_ids) == parts
            assert sorted(r.message_id for r in store.receipts) == sorted(store.outcomes[0].message_ids)
        taken = [event for event in told(tmp_path) if "submit" in event]
        assert "".join(str(event["text"]) for event in taken) == body


async def test_a_foreign_peer_reads_texts_headers_validity_and_sender_as_meant(tmp_path: Path, port: int) -> None:
    texts = ["prijs 5 € {[~]} §", "Évacuez fenêtres ☢ 😀", "x" * 200]
    given = [d for n, body in enumerate(texts) for d in deliveries(words(body, key=n), 1, first=n)]
    async with smsc(tmp_path, port, "none"):
        channel, store = SmsChannel(Transport.SIMULATED, [provider(port, receipts=False)]), Store()
        async with running(channel, Given(*given), store):
            await until(lambda: len(store.outcomes) == 3)
    submits = [event for event in told(tmp_path) if "submit" in event]
    assert [event["text"] for event in submits[:2]] == texts[:2]
    assert "".join(str(event["text"]) for event in submits[2:]) == texts[2]
    assert [str(event["udh"])[-4:] for event in submits[2:]] == ["0201", "0202"]
    assert {event["from"] for event in submits} == {"BE-Alert"}
    assert {event["priority"] for event in submits} == {1}
    assert all(event["validity"] for event in submits)
    assert {"unbind": True} in told(tmp_path)


async def test_a_wrong_password_is_not_tried_again_at_once(tmp_path: Path, port: int) -> None:
    async with smsc(tmp_path, port):
        channel, store = SmsChannel(Transport.SIMULATED, [provider(port, password="wrong")]), Store()
        async with running(channel, Given(), store):
            await until(lambda: [event for event in told(tmp_path) if "bind" in event])
            await asyncio.sleep(0.1)
            assert [event["ok"] for event in told(tmp_path) if "bind" in event] == [False]
            assert channel.bind_up() == {"sim/1": False}


@pytest.mark.peer("openssl")
async def test_tls_is_spoken_with_a_certificate_that_is_checked(tmp_path: Path, port: int) -> None:
    async with smsc(tmp_path, port, "both", "tls"):
        settings = provider(port, tls=True, tls_ca_file=tmp_path / "tls.crt")
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(channel, Given(*deliveries(words(), 1)), store):
            await until(lambda: store.receipts)
            assert store.receipts[0].kind is DELIVERED


async def test_a_replacement_is_understood_field_by_field(tmp_path: Path, port: int) -> None:
    """A foreign codec reads our replace_sm; what it refuses is sent like any other message."""
    async with smsc(tmp_path, port, "none"):
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(port, replace_sm=True)]), Store(), Given()
        async with running(channel, work, store):
            work.add(deliveries(words("Old words"), 1))
            await until(lambda: store.outcomes)
            (given,) = store.outcomes[0].message_ids
            for campaign, message_id in ((2, given), (3, "nobodys")):
                (later,) = deliveries(words("New words", campaign=campaign), 1)
                later.lease.replaces[later.seq] = Earlier("sim", message_id, "Old words")
                work.add([later])
                await until(lambda: len(store.outcomes) == campaign)  # noqa: B023 - awaited at once
            assert [outcome.kind for outcome in store.outcomes[1:]] == [OutcomeKind.REPLACED, OutcomeKind.ACCEPTED]
            assert store.outcomes[1].message_ids == (given,)
    asked, refused = (event for event in told(tmp_path) if "replace" in event)
    assert (asked["replace"], refused["replace"]) == (given, "nobodys")
    assert (asked["from"], asked["ton"], asked["npi"], asked["receipt"]) == ("BE-Alert", 5, 0, 1)
    assert asked["text"] == "New words"
    assert asked["schedule"] in (None, "")
    assert datetime.fromisoformat(str(asked["validity"])) == EXPIRES.replace(microsecond=0)
    sent = [event["text"] for event in told(tmp_path) if "submit" in event]
    assert sent == ["Old words", "New words"]

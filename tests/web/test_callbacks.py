"""Provider callbacks: the signature of the documentation, forgeries, disorder, repetition, and a store that is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.channels.base import Said
from gateway.errors import StoreUnavailable
from gateway.model import Receipt, ReceiptKind
from gateway.web.callbacks import CALLS_REMEMBERED, CallbackSource, VoiceCallbacks, callback_source, signature
from tests.channels.voice_line import Tracking, listening, trunk, voice

PUBLIC = "https://alerts.example/gw"
TOKEN = "12345"
STATUS = "/callbacks/voice/sim/status?need=10.0"
PLAYED = "/callbacks/voice/sim/played?lang=fr"


def source(public_url: str = PUBLIC) -> CallbackSource:
    return CallbackSource(
        public_url=public_url, auth_token=TOKEN, thanks={"fr": "Merci & <bien>."}, voices={"fr": "fr-FR"}
    )


class Site:
    """The callbacks behind a real server; posts what a provider would."""

    def __init__(self, url: str, http: aiohttp.ClientSession, tracking: Tracking, settled: list[tuple[str, str]]):
        self.url, self.http, self.tracking, self.settled = url, http, tracking, settled
        self.machines: list[str] = []

    async def post(
        self, path: str, form: Mapping[str, str] | bytes, signed: str | None = None, public: str = PUBLIC
    ) -> tuple[int, str]:
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        pairs = list(form.items()) if not isinstance(form, bytes) else []
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(TOKEN, public + path, pairs) if signed is None else signed,
        }
        async with self.http.post(self.url + path, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def status(self, word: str, sequence: int, sid: str = "CA1", **more: str) -> int:
        form = {"CallSid": sid, "CallStatus": word, "SequenceNumber": str(sequence), **more}
        return (await self.post(STATUS, form))[0]

    async def played(self, digits: str = "", sid: str = "CA1") -> tuple[int, str]:
        return await self.post(PLAYED, {"CallSid": sid, "CallStatus": "in-progress", "Digits": digits})


@asynccontextmanager
async def site(tracking: Tracking | None = None) -> AsyncIterator[Site]:
    tracking = tracking or Tracking()
    settled: list[tuple[str, str]] = []
    machines: list[str] = []

    async def machine(call_id: str) -> None:
        machines.append(call_id)

    callbacks = VoiceCallbacks(
        {"sim": source(), "polled": source("")}, tracking.emit, lambda *what: settled.append(what[:2]), machine
    )
    app = web.Application()
    app.add_routes(callbacks.routes())
    async with listening(app) as url, aiohttp.ClientSession() as http:
        on = Site(url, http, tracking, settled)
        on.machines = machines
        yield on


def test_the_signature_is_that_of_the_provider_s_published_example() -> None:
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, params.items()) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    assert signature("12345", url, reversed(params.items())) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


async def test_a_final_status_becomes_a_receipt_and_is_answered_204() -> None:
    async with site() as line:
        assert await line.status("busy", 2, SipResponseCode="486") == 204
        assert line.tracking.receipts == [Receipt("sim", "CA1", ReceiptKind.RETRY, 486, "busy")]
        assert line.settled == [("sim", "CA1")]


@pytest.mark.parametrize(("word", "machines"), [
    ("machine_end_beep", ["CA1"]), ("machine_end_silence", ["CA1"]), ("machine_end_other", ["CA1"]),
    ("machine_start", []), ("human", []), ("fax", []), ("unknown", []), ("", []),
])  # fmt: skip
async def test_a_machine_that_has_stopped_talking_is_spoken_to(word: str, machines: list[str]) -> None:
    async with site() as line:
        code, _ = await line.post("/callbacks/voice/sim/heard", {"CallSid": "CA1", "AnsweredBy": word})
        assert (code, line.machines, line.tracking.receipts) == (204, machines, [])
        forged, _ = await line.post("/callbacks/voice/sim/heard", {"CallSid": "CA2", "AnsweredBy": word}, "x")
        assert (forged, line.machines) == (403, machines)


async def test_a_machine_is_named_when_all_was_said_to_it_and_called_again_when_it_hung_up_before() -> None:
    async with site() as line:
        await line.post(f"{PLAYED}&by=machine", {"CallSid": "CA1", "CallStatus": "in-progress"})
        await line.status("completed", 3, CallDuration="60", AnsweredBy="machine_end_beep")
        await line.status("completed", 3, "CA2", CallDuration="60", AnsweredBy="machine_end_beep")
        assert [(r.message_id, r.detail, r.seconds) for r in line.tracking.receipts] == [
            ("CA1", "machine", 0), ("CA1", "machine", 60), ("CA2", "hung up early", 60),
        ]  # fmt: skip


@pytest.mark.parametrize("word", ["initiated", "ringing", "in-progress", "queued", "unheard-of", ""])
async def test_a_status_that_is_not_final_is_answered_and_gives_no_receipt(word: str) -> None:
    async with site() as line:
        assert await line.status(word, 0) == 204
        assert (line.tracking.receipts, line.settled) == ([], [])


@pytest.mark.parametrize(("duration", "kind"), [("9", ReceiptKind.RETRY), ("10", ReceiptKind.DELIVERED)])
async def test_completed_is_judged_by_the_length_of_one_reading_in_the_signed_url(
    duration: str, kind: ReceiptKind
) -> None:
    async with site() as line:
        assert await line.status("completed", 3, CallDuration=duration, SipResponseCode="200") == 204
        assert [receipt.kind for receipt in line.tracking.receipts] == [kind]


async def test_the_key_1_confirms_and_is_thanked_for_in_the_language_of_the_text() -> None:
    async with site() as line:
        status, body = await line.played("1")
        assert status == 200
        assert body == ('<Response><Say language="fr-FR">Merci &amp; &lt;bien&gt;.</Say><Hangup/></Response>')
        assert line.tracking.receipts == [Receipt("sim", "CA1", ReceiptKind.DELIVERED, 0, "confirmed")]
        assert line.settled == []  # the line is busy until the call is completed


@pytest.mark.parametrize("digits", ["", "9", "#"])
async def test_a_playout_without_the_key_is_delivered_and_ends(digits: str) -> None:
    async with site() as line:
        assert await line.played(digits) == (200, "<Response><Hangup/></Response>")
        assert line.tracking.receipts[0].detail == "played"


async def test_a_completed_call_after_its_playout_says_how_long_it_lasted_and_nothing_else() -> None:
    async with site() as line:
        await line.played()
        for sequence in (3, 4):
            assert await line.status("completed", sequence, CallDuration="2") == 204
        assert [(r.detail, r.seconds) for r in line.tracking.receipts] == [("played", 0), ("played", 2)]
        assert set(line.settled) == {("sim", "CA1")}


async def test_how_long_it_rang_costs_nothing() -> None:
    async with site() as line:
        await line.status("no-answer", 3, CallDuration="40")
        assert [receipt.seconds for receipt in line.tracking.receipts] == [0]


async def test_a_playout_that_is_reported_late_wins_over_a_call_that_seemed_short() -> None:
    async with site() as line:
        await line.status("completed", 3, CallDuration="2")
        await line.played("1")
        assert [receipt.detail for receipt in line.tracking.receipts] == ["hung up early", "confirmed"]


async def test_repeated_and_late_callbacks_are_answered_and_change_nothing() -> None:
    async with site() as line:
        for word, sequence in (("busy", 5), ("busy", 5), ("ringing", 1), ("failed", 4), ("busy", 6)):
            assert await line.status(word, sequence) == 204
        assert [receipt.detail for receipt in line.tracking.receipts] == ["busy"]


async def test_a_later_final_status_of_another_kind_is_news() -> None:
    async with site() as line:
        await line.status("busy", 5)
        await line.status("completed", 6, CallDuration="60")
        assert [receipt.kind for receipt in line.tracking.receipts] == [ReceiptKind.RETRY, ReceiptKind.DELIVERED]


EVENTS = st.lists(
    st.sampled_from(
        [
            ("status", "initiated", 0),
            ("status", "ringing", 1),
            ("status", "in-progress", 2),
            ("played", "1", 0),
            ("status", "completed", 3),
        ]
    ),
    min_size=1,
    max_size=12,
)


@given(EVENTS)
@settings(max_examples=25, deadline=None)
def test_in_any_order_and_however_often_a_played_call_ends_delivered(events: list[tuple[str, str, int]]) -> None:
    async def run() -> list[Receipt]:
        async with site() as line:
            for path, word, sequence in events:
                if path == "played":
                    assert (await line.played(word))[0] == 200
                else:
                    assert await line.status(word, sequence, CallDuration="3") == 204
            return line.tracking.receipts

    receipts = asyncio.run(run())
    kinds = [receipt.kind for receipt in receipts]
    told = [kind for kind, _ in groupby(kinds)]
    assert len(told) == len(set(told)) <= 2
    completed = any(word == "completed" for _, word, _ in events)
    assert [receipt.seconds for receipt in receipts if receipt.seconds] == ([3.0] if completed else [])
    played = any(path == "played" for path, _, _ in events)
    assert (kinds[-1:] == [ReceiptKind.DELIVERED]) is played


@pytest.mark.parametrize(
    ("signed", "public"),
    [
        ("", PUBLIC),
        ("Zm9yZ2Vk", PUBLIC),
        ("ü", PUBLIC),
        (None, "https://attacker.example/gw"),
        (None, "http://alerts.example/gw"),
    ],
    ids=["absent", "forged", "not ascii", "signed for another host", "signed for another scheme"],
)
async def test_a_wrong_signature_is_refused_with_a_clear_text_and_changes_nothing(
    signed: str | None, public: str
) -> None:
    async with site() as line:
        status, text = await line.post(STATUS, {"CallSid": "CA1", "CallStatus": "busy"}, signed, public)
        assert (status, line.tracking.receipts, line.settled) == (403, [], [])
        assert "X-Twilio-Signature" in text


async def test_the_signature_covers_the_query_and_every_parameter() -> None:
    async with site() as line:
        form = {"CallSid": "CA1", "CallStatus": "completed", "CallDuration": "5"}
        good = signature(TOKEN, PUBLIC + STATUS, form.items())
        shorter = STATUS.replace("10.0", "1.0")
        assert (await line.post(shorter, form, good))[0] == 403
        assert (await line.post(STATUS, {**form, "CallDuration": "50"}, good))[0] == 403
        assert (await line.post(STATUS, {**form, "Extra": ""}, good))[0] == 403
        assert (await line.post(STATUS, form, good))[0] == 204


async def test_the_host_that_the_request_names_does_not_matter() -> None:
    async with site() as line:
        form = {"CallSid": "CA1", "CallStatus": "busy"}
        headers = {
            "Host": "attacker.example",
            "X-Forwarded-Host": "attacker.example",
            "X-Twilio-Signature": signature(TOKEN, PUBLIC + STATUS, form.items()),
        }
        async with line.http.post(line.url + STATUS, data=form, headers=headers) as response:
            assert response.status == 204


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (STATUS, b"a" * 20_000, 413),
        (STATUS, b"\xff=\xfe", 400),
        (STATUS, b"no form", 400),
        (STATUS, b"&".join(b"a=%d" % n for n in range(200)), 400),
        ("/callbacks/voice/nobody/status", b"", 404),
        ("/callbacks/voice/polled/status", b"", 404),
        ("/callbacks/voice/sim/other", b"", 404),
        ("/callbacks/voice/sim/../../v1/alerts", b"", 404),
    ],
)
async def test_what_is_no_callback_is_refused(path: str, body: bytes, status: int) -> None:
    async with site() as line:
        assert (await line.post(path, body, "x"))[0] == status


@pytest.mark.parametrize("sid", ["", "C" * 65])
async def test_a_signed_callback_without_a_usable_call_id_is_refused(sid: str) -> None:
    async with site() as line:
        assert (await line.post(STATUS, {"CallSid": sid, "CallStatus": "busy"}))[0] == 400


async def test_other_methods_are_not_allowed() -> None:
    async with site() as line, line.http.get(line.url + STATUS) as response:
        assert response.status == 405


@pytest.mark.parametrize("value", ["abc", "-5", "1e9", "9" * 30, "٣", "nan", "inf", ""])
async def test_numbers_that_are_none_count_as_zero(value: str) -> None:
    async with site() as line:
        form = {"CallDuration": value, "SipResponseCode": value}
        assert await line.status("completed", 3, **form) == 204
        assert line.tracking.receipts == [Receipt("sim", "CA1", ReceiptKind.RETRY, 0, "hung up early")]


async def test_a_callback_that_can_not_be_recorded_is_answered_503_and_counts_when_it_comes_again() -> None:
    class Away(Tracking):
        away = True

        async def emit(self, batch: Sequence[Said]) -> None:
            if self.away:
                raise StoreUnavailable
            await super().emit(batch)

    tracking = Away()
    async with site(tracking) as line:
        assert await line.status("busy", 2) == 503
        assert line.settled == []
        tracking.away = False
        assert await line.status("busy", 2) == 204
        assert len(tracking.receipts) == 1


async def test_the_answer_waits_until_the_receipt_is_durable() -> None:
    durable = asyncio.Event()

    class Slow(Tracking):
        async def emit(self, batch: Sequence[Said]) -> None:
            await durable.wait()
            await super().emit(batch)

    async with site(Slow()) as line:
        posting = asyncio.create_task(line.status("busy", 2))
        done, _ = await asyncio.wait({posting}, timeout=0.2)
        assert not done
        durable.set()
        assert await posting == 204


async def test_the_memory_of_calls_is_bounded() -> None:
    async def emit(_: Sequence[Said]) -> None:
        return

    callbacks = VoiceCallbacks({"sim": source()}, emit)
    for number in range(CALLS_REMEMBERED + 50):
        callbacks._remember(("sim", str(number)), None)  # type: ignore[arg-type]
    assert len(callbacks._heard) == CALLS_REMEMBERED


def test_a_trunk_s_settings_say_how_its_callbacks_are_checked() -> None:
    made = callback_source(trunk("http://127.0.0.1:1", PUBLIC), voice())
    assert (made.public_url, made.auth_token, made.thanks["nl"]) == (PUBLIC, "simulated", voice().thanks["nl"])
    assert "simulated" not in repr(made)

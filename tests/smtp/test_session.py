"""The session against a strict server: right order of commands, right fate for every message, whatever happens."""

from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smtp.envelope import Envelope
from gateway.smtp.events import Done, Down, Fate, Ready, StartTls
from gateway.smtp.session import Session, SessionSettings
from tests.smtp.strict_server import StrictServer

USUAL = {"MAIL": 250, "RCPT": 250, "DATA": 354, "DOT": 250, "RSET": 250}
Event = Ready | StartTls | Done[int] | Down


def usual(command: str) -> int:
    """A server that takes everything."""
    return USUAL[command]


def told(**lists: list[int]) -> Callable[[str], int]:
    """A server that answers each command from its list, then as usual."""
    answers: dict[str, Iterator[int]] = {command: iter(codes) for command, codes in lists.items()}
    return lambda command: next(answers.get(command, iter(())), USUAL[command])


def envelope(ticket: int, recipients: int = 1, *, utf8: bool = False) -> Envelope[int]:
    """A small mail, different for each ticket."""
    return Envelope(
        ticket,
        b"bounce+%d@alerts.example" % ticket,
        tuple(b"user%d.%d@example.net" % (ticket, index) for index in range(recipients)),
        (b"To: <someone@example.net>\r\n", b"\r\n..mail %d\r\n.\r\n" % ticket),
        utf8,
        b"%d.1" % ticket,
    )


class Talk:
    """A session and a server, and what the session said of its envelopes."""

    def __init__(self, server: StrictServer, given_settings: SessionSettings | None = None) -> None:
        self.server = server
        self.now = 100.0
        self.session: Session[int] = Session(given_settings or SessionSettings(), self.now)
        self.heard: list[Event] = []
        self.written: list[bytes] = []
        self.feed(server.greeting())

    def feed(self, data: bytes) -> None:
        """Bytes from the server; the session's events are kept."""
        self.session.receive_data(data, self.now)
        self.heard += self.session.events()

    def write(self) -> bytes:
        """What the session writes now."""
        data = self.session.data_to_send()
        if data:
            self.written.append(data)
        return data

    def run(self, envelopes: list[Envelope[int]] | None = None) -> "Talk":
        """Until both have nothing more to say."""
        waiting = list(envelopes or [])
        while True:
            while waiting and self.session.wants:
                self.session.send(waiting.pop(0), self.now)
                self.heard += self.session.events()
            data = self.write()
            if not data:
                return self
            self.feed(self.server.receive(data))

    @property
    def fates(self) -> dict[int, list[Fate]]:
        """Ticket -> one fate per recipient."""
        return {
            event.ticket: [result.fate for result in event.results] for event in self.heard if isinstance(event, Done)
        }

    @property
    def down(self) -> Down | None:
        """How it ended."""
        return next((event for event in self.heard if isinstance(event, Down)), None)


def test_a_mail_takes_one_round_trip_when_another_follows() -> None:
    talk = Talk(StrictServer(usual)).run([envelope(n) for n in range(4)])
    assert talk.fates == {n: [Fate.ACCEPTED] for n in range(4)}
    assert len(talk.written) == 1 + 1 + 4  # EHLO, the first envelope, then body and next envelope together
    assert talk.written[2].startswith(b"To: <someone@example.net>\r\n")
    assert talk.written[2].endswith(
        b"\r\n.\r\nMAIL FROM:<bounce+1@alerts.example>\r\nRCPT TO:<user1.0@example.net>\r\nDATA\r\n"
    )
    assert not talk.server.violations


def test_without_pipelining_every_command_waits_for_its_reply() -> None:
    talk = Talk(StrictServer(usual, pipelining=False)).run([envelope(n) for n in range(3)])
    assert talk.fates == {n: [Fate.ACCEPTED] for n in range(3)}
    assert len(talk.written) == 1 + 3 * 4
    assert not talk.server.violations


def test_pipelining_can_be_switched_off() -> None:
    talk = Talk(StrictServer(usual), SessionSettings(pipelining=False)).run([envelope(n) for n in range(2)])
    assert len(talk.written) == 1 + 2 * 4


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refused_recipient_fails_alone_and_the_next_mail_goes_on(pipelining: bool) -> None:
    server = StrictServer(told(RCPT=[550, 451], DATA=[554] * 2 if pipelining else []), pipelining=pipelining)
    talk = Talk(server).run([envelope(n) for n in range(3)])
    assert talk.fates == {0: [Fate.FAILED], 1: [Fate.RETRY], 2: [Fate.ACCEPTED]}
    assert server.commands.count(b"RSET") == 2  # the refused transactions are still open at the server
    assert not server.violations


def test_354_for_nobody_is_answered_by_a_lone_dot() -> None:
    server = StrictServer(told(RCPT=[550]))
    talk = Talk(server).run([envelope(0), envelope(1)])
    assert talk.fates == {0: [Fate.FAILED], 1: [Fate.ACCEPTED]}
    assert talk.written[2].startswith(b".\r\nMAIL FROM:<bounce+1@")
    assert [delivered.sender for delivered in server.delivered] == [b"bounce+1@alerts.example"]
    assert not server.violations


@pytest.mark.parametrize("pipelining", [True, False])
def test_part_of_the_recipients_may_be_refused(pipelining: bool) -> None:
    server = StrictServer(told(RCPT=[250, 550, 451, 250]), pipelining=pipelining)
    talk = Talk(server).run([envelope(0, 4)])
    assert talk.fates == {0: [Fate.ACCEPTED, Fate.FAILED, Fate.RETRY, Fate.ACCEPTED]}
    assert server.delivered[0].recipients == (b"user0.0@example.net", b"user0.3@example.net")


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("code", "fate"), [(451, Fate.RETRY), (550, Fate.RETRY), (552, Fate.FAILED)])
def test_a_refused_sender_settles_all_recipients(pipelining: bool, code: int, fate: Fate) -> None:
    server = StrictServer(told(MAIL=[code], DATA=[503] if pipelining else []), pipelining=pipelining)
    talk = Talk(server).run([envelope(0, 2), envelope(1)])
    assert talk.fates == {0: [fate, fate], 1: [Fate.ACCEPTED]}
    assert not server.violations


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refused_message_leaves_the_connection_in_use(pipelining: bool) -> None:
    server = StrictServer(told(DOT=[554, 452], DATA=[354, 354, 451]), pipelining=pipelining)
    talk = Talk(server).run([envelope(n) for n in range(4)])
    assert talk.fates == {0: [Fate.FAILED], 1: [Fate.RETRY], 2: [Fate.RETRY], 3: [Fate.ACCEPTED]}
    assert not server.violations


@pytest.mark.parametrize("code", [503, 530, 554])
def test_a_relay_that_does_not_serve_us_says_nothing_of_the_recipient(code: int) -> None:
    talk = Talk(StrictServer(told(MAIL=[code]))).run([envelope(0)])
    assert talk.fates == {0: [Fate.UNSENT]}
    assert talk.down == Down(f"MAIL answered by {code}", code)


def test_only_the_mail_whose_dot_was_not_answered_is_unknown() -> None:
    server = StrictServer(usual)
    talk = Talk(server).run()
    talk.session.send(envelope(0), talk.now)
    talk.feed(server.receive(talk.write()))
    talk.session.send(envelope(1), talk.now)
    assert b"mail 0" in talk.write()  # body 0 and envelope 1 have left, nothing came back
    talk.session.lost(talk.now)
    talk.heard += talk.session.events()
    assert talk.fates == {0: [Fate.UNKNOWN], 1: [Fate.UNSENT]}
    assert talk.down is not None and not talk.down.orderly


def test_421_in_place_of_the_answer_to_the_dot_leaves_it_unknown() -> None:
    talk = Talk(StrictServer(told(DOT=[421]))).run([envelope(0), envelope(1)])
    assert talk.fates == {0: [Fate.UNKNOWN], 1: [Fate.UNSENT]}
    assert talk.down == Down("DOT answered by 421", 421)


def test_421_for_the_next_envelope_keeps_what_was_answered() -> None:
    talk = Talk(StrictServer(told(MAIL=[250, 421]))).run([envelope(0), envelope(1)])
    assert talk.fates == {0: [Fate.ACCEPTED], 1: [Fate.UNSENT]}


def test_421_while_idle_is_an_orderly_end() -> None:
    talk = Talk(StrictServer(usual)).run()
    talk.feed(b"421 idle too long\r\n")
    assert talk.down == Down("closed by the server", 421, orderly=True)


def test_replies_before_garbage_still_count() -> None:
    server = StrictServer(usual)
    talk = Talk(server).run()
    talk.session.send(envelope(0), talk.now)
    talk.feed(server.receive(talk.write()))
    talk.write()
    talk.feed(b"250 taken\r\n\x16\x03\x01 garbage\r\n")
    assert talk.fates == {0: [Fate.ACCEPTED]}
    assert talk.down is not None and talk.down.reason == "not a reply"


def test_a_silent_server_is_given_up_in_time() -> None:
    server = StrictServer(usual)
    talk = Talk(server, SessionSettings(command_s=30, dot_s=60, idle_s=300)).run()
    talk.session.send(envelope(0), talk.now)
    due = talk.session.next_timer()
    assert due == talk.now + 30
    talk.feed(server.receive(talk.write()))
    talk.write()
    due = talk.session.next_timer()
    assert due == talk.now + 60  # the final dot may take longer
    talk.session.handle_timer(talk.now + 59.9)
    assert not talk.session.events()
    talk.session.handle_timer(due)
    talk.heard += talk.session.events()
    assert talk.fates == {0: [Fate.UNKNOWN]}
    assert talk.session.next_timer() is None


def test_a_server_that_never_greets_is_given_up() -> None:
    session: Session[int] = Session(SessionSettings(command_s=30), 5.0)
    session.handle_timer(35.0)
    assert session.events() == [Down("no answer in time")]


@pytest.mark.parametrize(("keep_alive", "line"), [(True, b"NOOP\r\n"), (False, b"QUIT\r\n")])
def test_an_idle_connection_is_kept_or_ended(keep_alive: bool, line: bytes) -> None:
    talk = Talk(StrictServer(usual), SessionSettings(keep_alive=keep_alive, idle_s=20)).run([envelope(0)])
    talk.now += 20
    talk.session.handle_timer(talk.now)
    assert not talk.session.wants
    data = talk.write()
    assert data == line
    talk.feed(talk.server.receive(data))
    assert talk.session.wants is keep_alive
    assert (talk.down is None) is keep_alive


def test_no_more_than_the_agreed_messages_go_over_one_connection() -> None:
    talk = Talk(StrictServer(usual), SessionSettings(messages=2)).run([envelope(n) for n in range(5)])
    assert talk.fates == {0: [Fate.ACCEPTED], 1: [Fate.ACCEPTED]}
    assert talk.server.commands[-1] == b"QUIT"
    assert talk.down == Down("quit", 221, orderly=True)


def test_close_ends_after_what_was_begun() -> None:
    server = StrictServer(usual)
    talk = Talk(server).run()
    talk.session.send(envelope(0), talk.now)
    talk.session.close(talk.now)
    assert not talk.session.wants
    talk.run()
    assert talk.fates == {0: [Fate.ACCEPTED]}
    assert talk.down == Down("quit", 221, orderly=True)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_withdrawn_mail_is_never_finished(pipelining: bool) -> None:
    server = StrictServer(usual, pipelining=pipelining)
    talk = Talk(server).run()
    talk.session.send(envelope(7), talk.now)
    talk.session.withdraw(lambda ticket: ticket == 7)
    talk.run()
    assert talk.fates == {7: [Fate.UNSENT]}
    assert not server.delivered
    assert server.finished == 0


def test_withdraw_after_354_cuts_before_the_body() -> None:
    server = StrictServer(usual)
    talk = Talk(server).run()
    talk.session.send(envelope(7), talk.now)
    talk.feed(server.receive(talk.write()))
    talk.session.withdraw(lambda ticket: ticket == 7)
    talk.heard += talk.session.events()
    assert talk.write() == b""
    assert talk.fates == {7: [Fate.UNSENT]}
    assert talk.down == Down("withdrawn", 0, orderly=True)


def test_withdraw_leaves_what_is_written_and_what_is_others() -> None:
    server = StrictServer(usual)
    talk = Talk(server).run()
    talk.session.send(envelope(1), talk.now)
    talk.feed(server.receive(talk.write()))
    talk.write()
    talk.session.withdraw(lambda ticket: True)
    talk.feed(b"250 taken\r\n")
    assert talk.fates == {1: [Fate.ACCEPTED]}


def test_an_envelope_that_is_not_wanted_is_an_error() -> None:
    session: Session[int] = Session(SessionSettings(), 0.0)
    with pytest.raises(ValueError, match="does not want"):
        session.send(envelope(0), 0.0)
    talk = Talk(StrictServer(usual)).run()
    with pytest.raises(ValueError, match="does not want"):
        talk.session.send(envelope(0, 101), talk.now)


# ---- what EHLO offers


def test_delivery_status_is_asked_for_where_it_is_offered() -> None:
    talk = Talk(StrictServer(usual, extensions=b"DSN")).run([envelope(3)])
    assert b"MAIL FROM:<bounce+3@alerts.example> RET=HDRS ENVID=3.1" in talk.server.commands
    assert b"RCPT TO:<user3.0@example.net> NOTIFY=FAILURE ORCPT=rfc822;user3.0@example.net" in talk.server.commands
    plain = Talk(StrictServer(usual, extensions=b"DSN"), SessionSettings(dsn=False)).run([envelope(3)])
    assert b"MAIL FROM:<bounce+3@alerts.example>" in plain.server.commands


def test_an_international_mailbox_needs_a_server_that_knows_them() -> None:
    able = Talk(StrictServer(usual, extensions=b"SMTPUTF8|8BITMIME")).run([envelope(0, utf8=True)])
    assert able.fates == {0: [Fate.ACCEPTED]}
    assert b"MAIL FROM:<bounce+0@alerts.example> BODY=8BITMIME SMTPUTF8" in able.server.commands
    unable = Talk(StrictServer(usual)).run([envelope(0, utf8=True), envelope(1)])
    assert unable.fates == {0: [Fate.FAILED], 1: [Fate.ACCEPTED]}


def test_a_mail_beyond_the_announced_size_is_not_begun() -> None:
    talk = Talk(StrictServer(usual, extensions=b"SIZE 20")).run([envelope(0)])
    assert talk.fates == {0: [Fate.FAILED]}
    (done,) = [event for event in talk.heard if isinstance(event, Done)]
    assert done.results[0].reply.meaning == "5.3.4 message too big for system"


def test_a_server_without_ehlo_gets_helo() -> None:
    session: Session[int] = Session(SessionSettings(client_name="gw.example"), 0.0)
    session.receive_data(b"220 old\r\n", 0.0)
    assert session.data_to_send() == b"EHLO gw.example\r\n"
    session.receive_data(b"502 what\r\n", 0.0)
    assert session.data_to_send() == b"HELO gw.example\r\n"
    session.receive_data(b"250 hello\r\n", 0.0)
    assert session.events() == [Ready({})]


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"554 no service\r\n", "GREETING answered by 554"),
        (b"421 busy\r\n", "GREETING answered by 421"),
        (b"451 later\r\n", "GREETING refused"),
    ],
)
def test_a_greeting_may_be_a_refusal(greeting: bytes, reason: str) -> None:
    session: Session[int] = Session(SessionSettings(), 0.0)
    session.receive_data(greeting, 0.0)
    assert session.events() == [Down(reason, int(greeting[:3]))]


# ---- TLS and authentication


def hello(given_settings: SessionSettings, *replies: bytes) -> Session[int]:
    """A session after these replies; what it writes in between is dropped."""
    session: Session[int] = Session(given_settings, 0.0)
    for reply in replies:
        session.receive_data(reply, 0.0)
        session.data_to_send()
    return session


def test_starttls_is_demanded_and_forgets_what_was_said_before() -> None:
    session = hello(SessionSettings(starttls=True), b"220 hi\r\n", b"250-x\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
    session.receive_data(b"220 go\r\n", 0.0)
    assert session.events() == [StartTls()]
    assert not session.wants
    session.tls_started(1.0)
    assert session.data_to_send() == b"EHLO localhost\r\n"
    session.receive_data(b"250-x\r\n250 DSN\r\n", 1.0)
    assert session.events() == [Ready({"DSN": ""})]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([b"250 x\r\n"], "STARTTLS not offered"),
        ([b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n"], "STARTTLS refused"),
        ([b"502 no\r\n"], "EHLO refused"),
        ([b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"], "reply to nothing"),
    ],
)
def test_a_stripped_or_broken_starttls_sends_nothing(replies: list[bytes], reason: str) -> None:
    session = hello(SessionSettings(starttls=True), b"220 hi\r\n", *replies)
    down = session.events()[-1]
    assert isinstance(down, Down)
    assert down.reason == reason


def test_half_a_reply_smuggled_in_before_tls_is_noticed() -> None:
    session = hello(SessionSettings(starttls=True), b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250-AU")
    session.events()
    session.tls_started(1.0)
    assert session.events() == [Down("bytes between STARTTLS and TLS")]


def test_plain_authentication_takes_one_round_trip() -> None:
    session: Session[int] = Session(SessionSettings(username="gw", password="sécret"), 0.0)
    session.receive_data(b"220 hi\r\n", 0.0)
    session.data_to_send()
    session.receive_data(b"250-x\r\n250 AUTH LOGIN PLAIN\r\n", 0.0)
    command, mechanism, secret = session.data_to_send().split()
    assert (command, mechanism, b64decode(secret)) == (b"AUTH", b"PLAIN", "\0gw\0sécret".encode())
    session.receive_data(b"235 2.7.0 welcome\r\n", 0.0)
    assert isinstance(session.events()[-1], Ready)


def test_login_authentication_answers_both_questions() -> None:
    session: Session[int] = Session(SessionSettings(username="gw", password="pw"), 0.0)
    session.receive_data(b"220 hi\r\n", 0.0)
    session.data_to_send()
    session.receive_data(b"250-x\r\n250 AUTH LOGIN\r\n", 0.0)
    assert session.data_to_send() == b"AUTH LOGIN\r\n"
    session.receive_data(b"334 VXNlcm5hbWU6\r\n", 0.0)
    assert b64decode(session.data_to_send()) == b"gw"
    session.receive_data(b"334 UGFzc3dvcmQ6\r\n", 0.0)
    assert b64decode(session.data_to_send()) == b"pw"
    session.receive_data(b"235 ok\r\n", 0.0)
    assert isinstance(session.events()[-1], Ready)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([b"250 x\r\n"], "no common authentication mechanism"),
        ([b"250-x\r\n250 AUTH CRAM-MD5\r\n"], "no common authentication mechanism"),
        ([b"250-x\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 no\r\n"], "AUTH refused"),
        ([b"250-x\r\n250 AUTH PLAIN\r\n", b"334 more?\r\n"], "authentication asks for more than it was offered"),
    ],
)
def test_without_authentication_nothing_is_sent(replies: list[bytes], reason: str) -> None:
    session = hello(SessionSettings(username="gw", password="pw"), b"220 hi\r\n", *replies)
    down = session.events()[-1]
    assert isinstance(down, Down)
    assert down.reason == reason


def test_a_password_never_shows_in_a_representation() -> None:
    assert "hunter2" not in repr(SessionSettings(username="gw", password="hunter2"))


# ---- whatever happens

CODE = {
    "MAIL": st.sampled_from([250] * 6 + [451, 550, 552, 553]),
    "RCPT": st.sampled_from([250] * 6 + [450, 550, 552, 553]),
    "DATA": st.sampled_from([354] * 6 + [451, 554]),
    "DOT": st.sampled_from([250] * 6 + [452, 554]),
    "RSET": st.just(250),
}


@settings(max_examples=300)
@given(st.data())
def test_any_mix_of_refusals_keeps_order_and_gives_every_recipient_one_fate(data: st.DataObject) -> None:
    """The strict server notes every breach; what it delivered is exactly what was reported as accepted."""
    server = StrictServer(lambda command: data.draw(CODE[command]), pipelining=data.draw(st.booleans()))
    envelopes = [envelope(ticket, data.draw(st.integers(1, 4))) for ticket in range(data.draw(st.integers(1, 8)))]
    talk = Talk(server).run(envelopes)
    assert not server.violations
    assert talk.down is None
    assert sorted(talk.fates) == list(range(len(envelopes)))
    assert [len(talk.fates[one.ticket]) for one in envelopes] == [len(one.recipients) for one in envelopes]
    accepted = {
        one.sender: tuple(
            recipient
            for recipient, fate in zip(one.recipients, talk.fates[one.ticket], strict=True)
            if fate is Fate.ACCEPTED
        )
        for one in envelopes
        if Fate.ACCEPTED in talk.fates[one.ticket]
    }
    assert {mail.sender: mail.recipients for mail in server.delivered} == accepted
    by_sender = {one.sender: one for one in envelopes}
    assert all(mail.content + b".\r\n" == b"".join(by_sender[mail.sender].content) for mail in server.delivered)


@settings(max_examples=300)
@given(st.data())
def test_a_cut_anywhere_leaves_at_most_one_unknown_and_no_lie(data: st.DataObject) -> None:
    """The connection ends after some number of bytes in either direction."""
    server = StrictServer(lambda command: data.draw(CODE[command]), pipelining=data.draw(st.booleans()))
    talk = Talk(server)
    waiting = [envelope(ticket) for ticket in range(6)]
    tickets = {one.sender: one.ticket for one in waiting}
    begun: set[int] = set()
    left = data.draw(st.integers(0, 900))
    for _ in count():
        while waiting and talk.session.wants:
            begun.add(waiting[0].ticket)
            talk.session.send(waiting.pop(0), talk.now)
        written = talk.write()
        if not written:
            break
        replies = server.receive(written[:left]) if left < len(written) else server.receive(written)
        left -= len(written)
        shown = max(0, min(len(replies), left))
        talk.feed(replies[:shown])
        left -= len(replies)
        if left <= 0:
            break
    talk.session.lost(talk.now)
    talk.heard += talk.session.events()
    assert not server.violations
    assert set(talk.fates) == begun
    fates = {ticket: results[0] for ticket, results in talk.fates.items()}
    assert sum(fate is Fate.UNKNOWN for fate in fates.values()) <= 1
    delivered = {tickets[mail.sender] for mail in server.delivered}
    assert all(fates[ticket] in (Fate.ACCEPTED, Fate.UNKNOWN) for ticket in delivered)
    assert all(ticket in delivered for ticket, fate in fates.items() if fate is Fate.ACCEPTED)


@given(st.lists(st.binary(max_size=80) | st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"421 x\r\n", b"550-a\r\n"])))
def test_no_bytes_from_a_server_make_the_session_raise(pieces: list[bytes]) -> None:
    talk = Talk(StrictServer(usual)).run()
    for number, piece in enumerate(pieces):
        if talk.session.wants:
            talk.session.send(envelope(number), talk.now)
        talk.write()
        talk.feed(piece)
    talk.session.lost(talk.now)
    talk.heard += talk.session.events()
    assert talk.session.in_flight == 0
    assert isinstance(talk.heard[-1], Down)

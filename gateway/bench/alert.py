"""The alerts that benches post: short, in one language, with texts of a known size.

Knows: CAP 1.2's elements as far as they are needed. Never knows: HTTP, who reads them.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from gateway.bench.places import Area
from gateway.cap import dates

SENDER = "bench@alerts.example"
SMS_CHARACTERS = 140
SPOKEN_PER_S = 15.0  # of the simulated people
LASTS = timedelta(hours=3)
SENTENCE = "Fire in the harbour: stay indoors, close windows and doors, switch off ventilation, listen to the radio. "


def text_of(characters: int) -> str:
    """Sensible words of exactly this length."""
    return (SENTENCE * (characters // len(SENTENCE) + 1))[: characters - 1].rstrip(" ,.").ljust(
        characters - 1, "."
    ) + "."


def capacity_alert(area: Area, channels: Sequence[str], *, call_s: float = 40.0, now: datetime | None = None) -> bytes:
    """An urgent, actual, public alert for an area; one SMS is one part, one reading of a call lasts `call_s`.

    It holds texts of its own for the channels that have some.
    """
    sent = (now or datetime.now(UTC)).replace(microsecond=0)
    texts = {"sms": text_of(SMS_CHARACTERS), "voice": text_of(max(30, int(call_s * SPOKEN_PER_S)))}
    parameters = {
        "gateway:channels": " ".join(channels),
        "gateway:class": "urgent",
        **{f"gateway:{channel}": text for channel, text in texts.items() if channel in channels},
    }
    ring = " ".join(f"{lat:.6f},{lon:.6f}" for lon, lat in area.ring)
    said = "".join(
        f"<parameter><valueName>{name}</valueName><value>{escape(value)}</value></parameter>"
        for name, value in parameters.items()
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
<identifier>BENCH-{secrets.token_hex(8)}</identifier><sender>{SENDER}</sender><sent>{dates.write(sent)}</sent>
<status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
<info><language>en</language><category>Fire</category><event>Fire</event><responseType>Shelter</responseType>
<urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>
<effective>{dates.write(sent)}</effective><expires>{dates.write(sent + LASTS)}</expires>
<senderName>Bench</senderName><headline>Fire in the harbour: stay indoors</headline>
<description>{text_of(400)}</description><instruction>{text_of(200)}</instruction>{said}
<area><areaDesc>{area.name}</areaDesc><polygon>{ring}</polygon></area></info>
</alert>
""".encode()

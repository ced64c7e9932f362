from __future__ import annotations

import pytest

from tests.support.live_messages import BEGAN, HOSTILE, meetstream, recall, separate, tone
from worker.cli import heard as module
from worker.cli.heard import Heard, HeardSpeaker, PlacedSound, SpeakerKey
from worker.contracts.live_endpoints import GAP
from worker.contracts.live_received import ACK, Happened

ADA = SpeakerKey("bot-1", "100", 16_000)


class Listening:
    """A Heard whose messages come ``late`` seconds after what they bring was spoken."""

    def __init__(self, late: float = 0.05) -> None:
        self.sounds: list[PlacedSound] = []
        self.events: list[Happened] = []
        self.heard = Heard(self.sounds.append, self.events.append)
        self.connection = self.heard.connect()
        self.late = late

    def say(
        self, person: int, name: str | None, at: float, seconds: float = 0.02, bot: str = "bot-1"
    ) -> None:
        self.take(separate(person, name, at, tone(seconds), bot=bot), at + self.late)

    def take(self, message: str | bytes, at: float) -> str | None:
        return self.heard.take(self.connection, message, BEGAN + at)

    @property
    def ada(self) -> HeardSpeaker:
        return self.heard.speakers[ADA]


def test_sound_is_counted_and_placed_by_its_timestamp() -> None:
    listening = Listening()
    listening.say(100, "Ada", 1.0)
    listening.say(100, "Ada", 1.02)
    listening.say(200, "Ben", 1.01)
    assert [(sound.speaker.name, sound.position) for sound in listening.sounds] == [
        ("Ada", 16_000),
        ("Ada", 16_320),
        ("Ben", 16_160),
    ]
    ada = listening.ada
    assert ada.messages == 2
    assert ada.seconds == pytest.approx(0.04)
    assert ada.lag == pytest.approx(0.05, abs=1e-3)
    assert ada.level == pytest.approx(0.5, abs=0.01)
    assert ada.speaks(BEGAN + 1.5)
    assert not ada.speaks(BEGAN + 2.0)
    listening.heard.levels_shown()
    assert ada.level == 0.0


def test_the_worst_lag_stays() -> None:
    listening = Listening(late=0.3)
    listening.say(100, "Ada", 1.0)
    listening.late = 0.1
    listening.say(100, "Ada", 2.0)
    assert listening.ada.lag == pytest.approx(0.1, abs=1e-3)
    assert listening.ada.worst_lag == pytest.approx(0.3, abs=1e-3)


def test_a_name_that_comes_late_or_changes_is_taken() -> None:
    listening = Listening()
    listening.say(100, None, 1.0)
    assert listening.ada.title == "participant 100"
    listening.take(recall("participant_events.update", 100, "Ada", 1.1), 1.1)
    assert listening.ada.title == "Ada"
    listening.say(100, None, 1.2)
    assert listening.ada.title == "Ada"
    listening.say(100, "Ada Ray", 1.3)
    assert listening.ada.title == "Ada Ray"


def test_a_gap_is_the_speakers_or_everybodys() -> None:
    listening = Listening()
    listening.say(100, "Ada", 1.0)
    listening.take(recall(GAP, 100, "Ada", 1.1, seconds=1.5), 1.1)
    listening.take(recall(GAP, 100, "Ada", 1.1, seconds=0.5, bot="bot-2"), 1.1)
    listening.take(recall(GAP, None, None, 1.1, seconds=0.25), 1.1)
    assert (listening.ada.gaps, listening.ada.left_out, listening.heard.totals.left_out) == (1, 1.5, 0.25)


def test_meetstreams_sound_is_placed_when_it_comes_and_pieces_that_follow_are_joined() -> None:
    listening = Listening()
    assert listening.take('{"type": "ready", "bot_id": "m"}', 0.0) == ACK
    frame = meetstream("a", "Ada", tone(0.1, 48_000))
    for at in (0.1, 0.25, 0.28, 0.6, 2.1):
        assert listening.take(frame, at) is None
    assert [sound.position for sound in listening.sounds] == [0, 4800, 9600, 14_400, 91_200]
    assert {sound.speaker.key for sound in listening.sounds} == {SpeakerKey("m", "a", 48_000)}
    assert listening.sounds[0].speaker.lag is None


def test_bots_are_told_apart() -> None:
    listening = Listening()
    listening.say(100, "Ada", 1.0)
    listening.say(100, "Ada", 1.0, bot="bot-2")
    assert len(listening.heard.speakers) == 2


def test_a_timestamp_that_cannot_be_moves_nothing() -> None:
    listening = Listening()
    listening.say(100, "Ada", 3_000.0)
    listening.take(separate(100, "Ada", 3_100.0, tone(0.02)), 3_001.0)
    listening.take(separate(100, "Ada", 500_000.0, tone(0.02)), 3_002.0)
    listening.take(separate(100, "Ada", -3.0, tone(0.02)), 3_002.0)
    assert [sound.position for sound in listening.sounds] == [48_000_000, 0]
    assert listening.ada.misplaced == 2


def test_events_are_kept_and_handed_on() -> None:
    listening = Listening()
    for at in range(20):
        listening.take(recall("participant_events.join", at, HOSTILE, at), at)
    assert len(listening.events) == 20
    assert [event.relative for event in listening.heard.events] == list(range(14, 20))


def test_garbage_is_counted() -> None:
    listening = Listening()
    for message in ("{", b"\0", b"", '{"type": 7}'):
        assert listening.take(message, 1.0) is None
    listening.take('{"event": "transcript.data"}', 1.0)
    totals = listening.heard.totals
    assert (totals.messages, totals.odd, totals.unknown) == (5, 4, 1)


def test_speakers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SPEAKERS", 3)
    listening = Listening()
    for number in range(5):
        listening.say(number, "x", 1.0, bot=f"bot-{number}")
    listening.say(0, "x", 2.0, bot="bot-0")
    assert (len(listening.sounds), len(listening.heard.speakers), listening.heard.totals.crowded) == (4, 3, 2)

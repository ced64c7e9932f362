from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.live_messages import BEGAN, meetstream, recall, separate, tone
from worker.contracts.live_endpoints import GAP
from worker.contracts.live_received import (
    Happened,
    LeftOut,
    MessageError,
    OpusPacket,
    Ready,
    Sound,
    Unknown,
    Who,
    read_binary,
    read_text,
)


def test_separate_sound_is_read_with_its_place() -> None:
    pcm = tone(0.02)
    assert read_text(separate(200, "Ada", 1.5, pcm)) == Sound(
        bot_id="bot-1", who=Who("200", "Ada"), rate=16_000, pcm=pcm, relative=1.5, absolute=BEGAN + 1.5
    )


def test_mixed_sound_is_nobodys() -> None:
    sound = read_text(recall("audio_mixed_raw.data", None, None, 0.5, buffer="AAA="))
    assert isinstance(sound, Sound)
    assert sound.mixed
    assert (sound.who, sound.pcm, sound.seconds) == (Who("", None), b"\0\0", 1 / 16_000)


def test_opus_events_gaps_and_unknown_messages_are_read() -> None:
    packet = read_text(recall("audio_separate_opus.data", 100, None, 2.0, buffer="+A=="))
    assert isinstance(packet, OpusPacket)
    assert (packet.who, packet.payload) == (Who("100", None), b"\xf8")
    written = read_text(recall("participant_events.chat_message", 100, "Ada", 2.0, data={"text": "hi"}))
    assert written == Happened(
        bot_id="bot-1",
        who=Who("100", "Ada"),
        action="chat_message",
        relative=2.0,
        absolute=BEGAN + 2.0,
        text="hi",
    )
    joined = read_text(recall("participant_events.join", 100, "Ada", 2.0, data=None))
    assert isinstance(joined, Happened)
    assert joined.text is None
    assert read_text(recall(GAP, 100, "Ada", 2.0, seconds=1.5)) == LeftOut(
        bot_id="bot-1", who=Who("100", "Ada"), seconds=1.5
    )
    assert read_text(recall(GAP, None, None, 2.0, seconds=1.5)) == LeftOut(
        bot_id="bot-1", who=None, seconds=1.5
    )
    assert read_text(recall("transcript.data", 100, "Ada", 2.0)) == Unknown("transcript.data")


def test_meetstreams_messages_are_read() -> None:
    assert read_text('{"type": "ready", "bot_id": "b", "message": "Ready"}') == Ready(bot_id="b")
    assert read_text('{"type": "gap", "seconds": 0.5}') == LeftOut(bot_id="", who=None, seconds=0.5)
    assert read_text('{"type": "novelty"}') == Unknown("novelty")
    pcm = tone(0.01, 48_000)
    assert read_binary(meetstream("s1", "Zoë", pcm)) == Sound(
        bot_id="", who=Who("s1", "Zoë"), rate=48_000, pcm=pcm
    )
    assert read_binary(meetstream("NoSpeaker", "", b"")).who == Who("NoSpeaker", None)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "1",
        '"event"',
        '{"event": 1}',
        '{"event": "audio_separate_raw.data"}',
        "[" * 100_000,
        recall("audio_separate_raw.data", 1, "A", 0.0, buffer="no base64!"),
        recall("audio_separate_raw.data", 1, "A", 0.0, buffer="AAAA"),
        recall("audio_separate_raw.data", 1, "A", 0.0, buffer=7),
        recall("audio_separate_raw.data", 1, "A", 1e7, buffer="AAA="),
        recall("audio_separate_raw.data", 1, "A", 0.0, buffer="AAA=", timestamp=None),
        recall(
            "audio_separate_raw.data",
            1,
            "A",
            0.0,
            buffer="AAA=",
            timestamp={"relative": 0, "absolute": "today"},
        ),
        recall("participant_events.join", 1, "A", 0.0, participant=[]),
        recall(GAP, 1, "A", 0.0, seconds=-1),
        recall(GAP, 1, "A", 0.0, seconds=None),
        '{"event": "audio_separate_raw.data", "data": {"data": {"participant": {"name": "\\ud800"}}}}',
    ],
)
def test_what_is_no_message_raises(message: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_text(message)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "message",
    [b"", b"\x02", b"\x01", b"\x01\x05\x00ab", meetstream("a", "b", b"")[:-1], meetstream("a", "b", b"x")],
)
def test_what_is_no_frame_raises(message: bytes) -> None:
    with pytest.raises(MessageError):
        read_binary(message)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(
    st.sampled_from(["event", "type", "data", "participant", "timestamp", "relative", "absolute", "buffer", "seconds", "id"]),
    inner | st.sampled_from(["audio_separate_raw.data", "gap", "ready", "participant_events.join"]),
)))  # fmt: skip
def test_any_document_is_read_or_refused(document: Any) -> None:
    with suppress(MessageError):
        read_text(json.dumps(document))


@given(st.binary())
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    with suppress(MessageError):
        read_binary(b"\x01" + message)

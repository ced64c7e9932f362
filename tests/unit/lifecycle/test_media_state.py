from __future__ import annotations

import msgspec
import pytest

from fixtures.replica.opus_encoder import OpusEncoder
from fixtures.replica.teams.mix_audio import NOISE_BIT_RATE, comfort_noise
from fixtures.replica.voices import load_voice
from tests.support.tape_samples import video_batch
from worker.lifecycle.deafness import MOST_RECEIVERS
from worker.lifecycle.media_state import MOST_CONNECTIONS, MOST_SOURCES, MediaMonitor, MediaState
from worker.tape.events import (
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionStateChanged,
    DocumentClosed,
    Frame,
    FrameBatch,
    ReceiverReport,
    ReceiverTapped,
    SocketMessage,
    TapDeaf,
    TapeEvent,
    VideoBatch,
)

SPEECH = bytes([31 << 3]) + bytes(40)


def frame(
    arrival: float,
    *csrcs: int,
    payload: bytes = SPEECH,
    level: float | None = 0.1,
    ssrc: int = 1,
    mime: str = "audio/opus",
    timestamp: int = 0,
) -> Frame:
    return Frame(0, ssrc, csrcs, 0, timestamp, 111, mime, level, arrival, None, payload)


def frames(*each: Frame) -> FrameBatch:
    return FrameBatch(1, 0, 0, list(each))


def media(*events: TapeEvent) -> MediaState:
    """The state after the events, each observed at its own time, and each frame in a batch of its own."""
    media = MediaMonitor()
    for event in events:
        if isinstance(event, FrameBatch):
            for each in event.frames:
                media.observe(frames(each), each.arrival)
        elif not isinstance(event, VideoBatch):
            media.observe(event, event.at)
    return media.now


def test_the_state_is_empty_before_the_first_frame() -> None:
    assert media() == MediaState()
    assert media(frames()) == MediaState()


def test_the_first_frame_is_an_arrival_and_the_last_one_an_observation() -> None:
    monitor = MediaMonitor()
    monitor.observe(frames(frame(12.0), frame(11.0)), 5000.0)
    monitor.observe(frames(frame(10.5), frame(10.6, payload=b"x")), 5001.0)
    now = monitor.now
    assert (now.first_frame, now.last_frame, now.last_speech) == (10.5, 5001.0, 5001.0)


def test_times_that_the_lifecycle_compares_are_observations() -> None:
    """A page's clock differs from the worker's after a step of the system's clock."""
    monitor = MediaMonitor()
    monitor.observe(ConnectionOpened(at=9000, document=1, connection=0), 1.0)
    monitor.observe(TapDeaf(at=9001, document=1, receiver=0, packets_received=100, frames_tapped=0), 2.0)
    monitor.observe(ConnectionClosed(at=9002, document=1, connection=0), 3.0)
    assert (monitor.now.deaf_since, monitor.now.disconnected_since) == (2.0, 3.0)


@pytest.mark.parametrize("silent", [frame(9.0, payload=b"\xf8"), frame(9.0, level=0.0)])
def test_a_packet_of_silence_is_no_speech(silent: Frame) -> None:
    now = media(frames(silent))
    assert (now.last_frame, now.last_speech, now.sources) == (9.0, None, {})


@pytest.mark.parametrize(
    ("dbov", "speaks"), [(-20, True), (-40, True), (-59, True), (-61, False), (-127, False)]
)
def test_a_quiet_voice_is_speech_down_to_60_dbov(dbov: int, speaks: bool) -> None:
    """A sender far from its microphone is some 40 dB below full scale."""
    now = media(frames(frame(9.0, 7, level=10 ** (dbov / 20))))
    assert dict(now.sources) == ({7: 9.0} if speaks else {})


def test_sources_without_the_loudest_marker() -> None:
    assert media(frames(frame(1.0, 42, 7), frame(2.0, 8))).sources == {7: 1.0, 8: 2.0}


def test_each_source_has_the_time_of_its_last_word() -> None:
    now = media(frames(frame(1.0, 7), frame(2.0, 7, 8)), frames(frame(3.0, 7), frame(4.0, 0)))
    assert (now.sources, now.unlisted_speech, now.last_speech) == ({7: 3.0, 8: 2.0}, 4.0, 4.0)


NOISE = next(OpusEncoder(NOISE_BIT_RATE).encode(block) for block in comfort_noise(1))
VOICE = load_voice("elif").speech[20].payload
RED_NOISE = bytes([0x80 | 111, 0, 0, len(NOISE), 111]) + NOISE + NOISE
RED_DTX = bytes([0x80 | 111, 0, 0, len(VOICE), 111]) + VOICE + b"\xf8"
RED_VOICE = bytes([0x80 | 111, 0, 0, 1, 111]) + b"\xf8" + VOICE


@pytest.mark.parametrize(
    ("packet", "speaks"),
    [
        (frame(9.0, payload=NOISE, level=None), False),
        (frame(9.0, 0, payload=NOISE, level=None), False),
        (frame(9.0, 42, payload=NOISE, level=None), False),
        (frame(9.0, payload=RED_NOISE, level=None, mime="audio/red"), False),
        (frame(9.0, 7, payload=RED_DTX, level=None, mime="audio/red"), False),
        (frame(9.0, payload=bytes(13), level=None, mime="audio/CN"), False),
        (frame(9.0, payload=bytes(13), level=0.5, mime="audio/telephone-event"), False),
        (frame(9.0, 7, payload=NOISE, level=None), True),
        (frame(9.0, payload=NOISE, level=0.1), True),
        (frame(9.0, payload=VOICE, level=None), True),
        (frame(9.0, payload=SPEECH, level=None), True),
        (frame(9.0, payload=RED_VOICE, level=None, mime="audio/red"), True),
        (frame(9.0, 7, payload=b"\x80garbled", level=None, mime="audio/red"), True),
    ],
)
def test_comfort_noise_without_sources_is_no_speech(packet: Frame, speaks: bool) -> None:
    later = [msgspec.structs.replace(packet, timestamp=960 * number) for number in range(2)]
    assert (media(frames(*later)).last_speech is not None) == speaks


def test_an_hour_of_comfort_noise_is_silent_and_one_word_in_it_is_not() -> None:
    noise = comfort_noise(3)
    encoder = OpusEncoder(NOISE_BIT_RATE)
    packets = [encoder.encode(next(noise)) for _ in range(1000)]
    hour = [
        frame(10 + n / 50, payload=packets[n % 1000], level=None, timestamp=n * 960) for n in range(180_000)
    ]
    assert media(frames(*hour)).last_speech is None
    hour[9_000] = frame(190.0, payload=VOICE, level=None, timestamp=9_000 * 960)
    assert media(frames(*hour)).last_speech == 190.0


@pytest.mark.parametrize(("apart", "speaks"), [(0.02, True), (0.12, True), (0.4, False)])
@pytest.mark.parametrize("payload", [NOISE, b"\x78short", VOICE])
def test_packets_that_may_be_comfort_noise_speak_only_in_a_run(
    payload: bytes, apart: float, speaks: bool
) -> None:
    start = 2**32 - 1_000
    run = [
        frame(at, 7, payload=payload, timestamp=(start + round(at * 48_000)) % 2**32)
        for at in (apart * number for number in range(1, 6))
    ]
    assert (media(frames(*run)).last_speech is not None) == (speaks or payload is VOICE)


def test_each_stream_has_its_own_comfort_noise() -> None:
    refreshes = [frame(10.0, 7, payload=NOISE, ssrc=ssrc, timestamp=960 * ssrc) for ssrc in range(1, 9)]
    assert media(frames(*refreshes)).last_speech is None


def test_sources_are_bounded() -> None:
    many = [frame(1.0, csrc) for csrc in range(100, 100 + 2 * MOST_SOURCES)]
    now = media(frames(*many))
    assert (len(now.sources), now.unlisted_speech) == (MOST_SOURCES, 1.0)


OPENED = ConnectionOpened(at=1, document=1, connection=0)


def test_the_last_connection_counts() -> None:
    first, second = (
        ConnectionOpened(at=1, document=1, connection=0),
        ConnectionOpened(at=2, document=1, connection=1),
    )
    closed = ConnectionClosed(at=3, document=1, connection=0)
    assert media(first, second, closed).alive
    gone = media(first, second, closed, ConnectionClosed(at=4, document=1, connection=1))
    assert (gone.disconnected_since, gone.alive) == (4, False)
    assert media(first, closed, second).disconnected_since == 3


def changed(at: float, state: str, connection: int = 0, document: int = 1) -> ConnectionStateChanged:
    return ConnectionStateChanged(
        at=at, document=document, connection=connection, state=state, ice="checking"
    )


SECOND = ConnectionOpened(at=2, document=1, connection=1)
CLOSED = ConnectionClosed(at=6, document=1, connection=0)


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([], None),
        ([changed(5, "connecting"), changed(6, "connected")], None),
        ([changed(5, "disconnected")], None),
        ([changed(5, "failed")], 5),
        ([changed(5, "failed"), changed(6, "closed")], 5),
        ([changed(5, "failed"), CLOSED], 5),
        ([changed(5, "failed"), changed(7, "connecting")], 5),
        ([changed(5, "failed"), changed(7, "connected")], None),
        ([changed(5, "failed"), frames(frame(4.9))], 5),
        ([changed(5, "failed"), frames(frame(5.1))], None),
        ([changed(5, "failed"), frames(frame(5.1)), changed(6, "connected"), changed(8, "failed")], 8),
        ([SECOND, changed(5, "failed")], None),
        ([SECOND, changed(5, "failed"), changed(6, "failed", 1)], 6),
        ([SECOND, changed(5, "failed"), changed(6, "failed", 1), changed(7, "connected")], None),
        ([SECOND, changed(5, "failed"), changed(6, "connected"), changed(7, "failed", 1)], None),
        ([CLOSED, SECOND], 6),
        ([CLOSED, SECOND, changed(7, "connected", 1)], None),
        ([changed(5, "failed"), DocumentClosed(at=40, document=1)], 40),
        ([changed(5, "failed", document=2), changed(5, "failed", 9)], None),
    ],
)
def test_the_call_is_disconnected_while_all_connections_are_lost(
    events: list[TapeEvent], since: float | None
) -> None:
    now = media(OPENED, *events)
    assert (now.disconnected_since, now.alive) == (since, since is None)


def test_connections_are_bounded() -> None:
    monitor = MediaMonitor()
    for connection in range(2 * MOST_CONNECTIONS):
        monitor.observe(ConnectionOpened(at=1, document=1, connection=connection), 1.0)
    for connection in range(MOST_CONNECTIONS):
        monitor.observe(ConnectionClosed(at=1, document=1, connection=connection), 2.0)
    assert monitor.now.disconnected_since == 2.0


def test_a_frame_cures_deafness() -> None:
    deaf = TapDeaf(at=5, document=1, receiver=0, packets_received=100, frames_tapped=0)
    assert media(
        deaf, TapDeaf(at=9, document=1, receiver=0, packets_received=200, frames_tapped=0)
    ) == MediaState(deaf_since=5, missed_since=5)
    assert media(deaf, frames(frame(6.0))).alive


def test_a_frame_of_video_is_no_sign_that_audio_arrives() -> None:
    deaf = TapDeaf(at=5, document=7, receiver=3, packets_received=100, frames_tapped=0)
    for before in ((), (deaf,)):
        monitor = MediaMonitor()
        for event in before:
            monitor.observe(event, event.at)
        seen = monitor.now
        monitor.observe(video_batch(0, 6.0), 6.0)
        assert monitor.now == seen


ONE_DEAF = (
    ReceiverTapped(at=1, document=1, connection=0, receiver=0, kind="audio", via="track"),
    ReceiverTapped(at=1, document=1, connection=1, receiver=1, kind="audio", via="track"),
    TapDeaf(at=5, document=1, receiver=0, packets_received=300, frames_tapped=100),
)
SPOKEN = FrameBatch(1, 0, 0, [msgspec.structs.replace(frame(6.0), receiver=1)])
SILENCE = FrameBatch(1, 0, 0, [msgspec.structs.replace(frame(6.0, payload=b"\xf8"), receiver=1)])
TAPPED_AGAIN = FrameBatch(1, 0, 0, [frame(7.0, payload=b"\xf8")])


def reported(at: float, packets: int, *, receiver: int = 0, tapped: int = 100) -> ReceiverReport:
    return ReceiverReport(
        at=at,
        document=1,
        receiver=receiver,
        packets_received=packets,
        packets_lost=0,
        frames_tapped=tapped,
    )


@pytest.mark.parametrize(
    ("events", "missed_since", "last_speech"),
    [
        ([], 5, None),
        ([SILENCE], 5, None),
        ([video_batch(0, 6.0)], 5, None),
        ([SPOKEN], None, 6),
        ([SPOKEN, reported(8, 349)], None, 6),
        ([SPOKEN, reported(8, 350)], 8, 8),
        ([SPOKEN, reported(8, 340), reported(10, 380)], None, 6),
        ([SPOKEN, reported(8, 350), reported(10, 450)], 8, 10),
        ([SPOKEN, reported(8, 350), SPOKEN], None, 6),
        ([SPOKEN, reported(8, 900, receiver=1)], None, 6),
        ([TAPPED_AGAIN], None, None),
        ([TAPPED_AGAIN, reported(8, 900)], None, None),
        ([ConnectionClosed(at=8, document=1, connection=0)], None, None),
        ([ConnectionClosed(at=8, document=1, connection=1)], 5, None),
        ([ConnectionClosed(at=8, document=2, connection=0)], 5, None),
        ([DocumentClosed(at=8, document=1)], None, None),
    ],
)
def test_speech_is_missed_at_a_deaf_receiver_until_speech_is_tapped_elsewhere(
    events: list[TapeEvent], missed_since: float | None, last_speech: float | None
) -> None:
    monitor = MediaMonitor()
    for event in (*ONE_DEAF, *events):
        monitor.observe(
            event, event.frames[0].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at
        )
    assert (monitor.now.missed_since, monitor.now.last_speech) == (missed_since, last_speech)


def test_deaf_receivers_are_bounded() -> None:
    monitor = MediaMonitor()
    for receiver in range(2 * MOST_RECEIVERS):
        monitor.observe(
            ReceiverTapped(at=1, document=1, connection=0, receiver=receiver, kind="audio", via="x"), 1
        )
        monitor.observe(msgspec.structs.replace(DEAF, receiver=receiver), 1)
    assert len(monitor._deaf) == len(monitor._tapped) == MOST_RECEIVERS


def test_received_messages_count_and_sent_ones_do_not() -> None:
    received = ChannelMessage(at=1, document=1, connection=0, label="collections", payload=b"")
    sent = ChannelMessage(at=1, document=1, connection=0, label="main-channel", payload=b"", sent=True)
    assert media(received).messages
    assert media(SocketMessage(at=1, document=1, url="wss://x", payload=b"3:::")).messages
    assert not media(sent).messages
    tapped = ReceiverTapped(at=1, document=1, connection=0, receiver=0, kind="audio", via="track")
    assert media(tapped).receivers


TAPPED = ReceiverTapped(at=1, document=1, connection=0, receiver=0, kind="audio", via="track")
MESSAGE = SocketMessage(at=1, document=1, url="wss://x", payload=b"3:::")
DEAF = TapDeaf(at=2, document=1, receiver=0, packets_received=100, frames_tapped=0)


def test_a_closed_document_takes_its_connections_receivers_messages_and_deafness_with_it() -> None:
    before = (OPENED, TAPPED, MESSAGE, DEAF)
    assert media(*before) == MediaState(deaf_since=2, missed_since=2, receivers=True, messages=True)
    assert media(*before, DocumentClosed(at=7, document=1)) == MediaState(disconnected_since=7)


def test_what_another_document_has_stays() -> None:
    other = (
        ConnectionOpened(at=3, document=2, connection=0),
        ReceiverTapped(at=3, document=2, connection=0, receiver=0, kind="audio", via="track"),
        SocketMessage(at=3, document=2, url="wss://x", payload=b"3:::"),
        TapDeaf(at=3, document=2, receiver=0, packets_received=100, frames_tapped=0),
    )
    now = media(OPENED, TAPPED, MESSAGE, DEAF, *other, DocumentClosed(at=7, document=1))
    assert now == MediaState(deaf_since=2, missed_since=2, receivers=True, messages=True)


def test_a_document_without_connections_closes_none() -> None:
    assert media(OPENED, DocumentClosed(at=7, document=2)).alive
    assert media(DocumentClosed(at=7, document=2)) == MediaState()


def test_a_new_documents_connection_ends_the_disconnection() -> None:
    again = ConnectionOpened(at=9, document=2, connection=0)
    assert not media(OPENED, DocumentClosed(at=7, document=1), again).alive
    assert media(OPENED, DocumentClosed(at=7, document=1), again, changed(9, "connected", document=2)).alive

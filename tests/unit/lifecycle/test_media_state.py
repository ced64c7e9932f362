from __future__ import annotations

import pytest

from worker.lifecycle.media_state import MOST_SOURCES, MediaMonitor, MediaState
from worker.tape.events import (
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    Frame,
    FrameBatch,
    ReceiverTapped,
    SocketMessage,
    TapDeaf,
    TapeEvent,
)


def frame(
    arrival: float, *csrcs: int, payload: bytes = b"speech", level: float | None = 0.1, ssrc: int = 1
) -> Frame:
    return Frame(0, ssrc, csrcs, 0, 0, 111, "audio/opus", level, arrival, None, payload)


def frames(*each: Frame) -> FrameBatch:
    return FrameBatch(1, 0, 0, list(each))


def media(*events: TapeEvent) -> MediaState:
    media = MediaMonitor()
    for event in events:
        media.observe(event)
    return media.now


def test_the_state_is_empty_before_the_first_frame() -> None:
    assert media() == MediaState()
    assert media(frames()) == MediaState()


def test_first_and_last_whatever_the_order() -> None:
    now = media(frames(frame(12.0), frame(11.0)), frames(frame(10.5)))
    assert (now.first_frame, now.last_frame, now.last_speech) == (10.5, 12.0, 12.0)


@pytest.mark.parametrize("silent", [frame(9.0, payload=b"\xf8"), frame(9.0, level=0.0)])
def test_a_packet_of_silence_is_no_speech(silent: Frame) -> None:
    now = media(frames(silent))
    assert (now.last_frame, now.last_speech, now.sources) == (9.0, None, frozenset())


def test_sources_without_the_loudest_marker() -> None:
    assert media(frames(frame(1.0, 42, 7), frame(2.0, 8))).sources == {7, 8}


def test_sources_are_bounded() -> None:
    many = [frame(1.0, csrc) for csrc in range(100, 100 + 2 * MOST_SOURCES)]
    assert len(media(frames(*many)).sources) == MOST_SOURCES


def test_the_last_connection_counts() -> None:
    first, second = (
        ConnectionOpened(at=1, document=1, connection=0),
        ConnectionOpened(at=2, document=1, connection=1),
    )
    closed = ConnectionClosed(at=3, document=1, connection=0)
    assert media(first, second, closed).alive
    gone = media(first, second, closed, ConnectionClosed(at=4, document=1, connection=1))
    assert (gone.disconnected_since, gone.alive) == (4, False)
    assert media(first, closed, second).alive


def test_a_frame_cures_deafness() -> None:
    deaf = TapDeaf(at=5, document=1, receiver=0, packets_received=100, frames_tapped=0)
    assert media(
        deaf, TapDeaf(at=9, document=1, receiver=0, packets_received=200, frames_tapped=0)
    ) == MediaState(deaf_since=5)
    assert media(deaf, frames(frame(6.0))).alive


def test_received_messages_count_and_sent_ones_do_not() -> None:
    received = ChannelMessage(at=1, document=1, connection=0, label="collections", payload=b"")
    sent = ChannelMessage(at=1, document=1, connection=0, label="main-channel", payload=b"", sent=True)
    assert media(received).messages
    assert media(SocketMessage(at=1, document=1, url="wss://x", payload=b"3:::")).messages
    assert not media(sent).messages
    tapped = ReceiverTapped(at=1, document=1, connection=0, receiver=0, kind="audio", via="track")
    assert media(tapped).receivers

"""Sample events of a tape."""

from __future__ import annotations

from worker.tape.events import (
    OPUS_MIME_TYPE,
    TAPE_VERSION,
    ChannelMessage,
    Frame,
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
    Tile,
    TilesSeen,
)

EPOCH = 1_790_000_000.0


def frame(sequence: int, arrival: float, csrcs: tuple[int, ...] = (1001, 42)) -> Frame:
    return Frame(
        receiver=0,
        ssrc=0xFFFFFFFF,
        csrcs=csrcs,
        sequence=sequence % 65536,
        timestamp=(sequence * 960) % 2**32,
        payload_type=111,
        mime_type=OPUS_MIME_TYPE,
        audio_level=0.25,
        arrival=arrival,
        captured=None,
        payload=bytes([0xF8, sequence % 256]) * 20,
    )


def batch(number: int, at: float, frames: int = 15) -> FrameBatch:
    return FrameBatch(
        document=7,
        sequence=number,
        dropped=0,
        frames=[frame(number * frames + index, at + 0.02 * index) for index in range(frames)],
    )


def a_meeting(seconds: float = 12.0) -> list[tuple[float, TapeEvent]]:
    """The events of a small recording, with the times at which they were logged."""
    events: list[tuple[float, TapeEvent]] = [
        (
            EPOCH,
            TapeStarted(
                at=EPOCH,
                version=TAPE_VERSION,
                platform="google_meet",
                meeting_url="https://meet.google.com/abc-defg-hij?hl=en",
                bot_name="Notes",
            ),
        ),
        (EPOCH + 0.1, StateChanged(at=EPOCH + 0.1, state="joining")),
        (EPOCH + 0.2, RecordingStarted(at=EPOCH + 0.2)),
    ]
    for number in range(int(seconds * 2)):
        at = EPOCH + 0.5 * number + 0.5
        events.append((at, batch(number, at - 0.1, frames=3)))
        if number % 4 == 0:
            events.append(
                (
                    at,
                    ChannelMessage(
                        at=at, document=7, connection=0, label="collections", payload=b"\x1f\x8b\x00\xff"
                    ),
                )
            )
    end = EPOCH + seconds + 0.6
    tile = Tile(participant_id="spaces/x/devices/1", name="Zo\u00eb \U0001f600 \u202eevil", sources=["1001"])
    events.append((end, TilesSeen(at=end, document=7, tiles=[tile])))
    events.append((end, RecordingEnded(at=end, reason="meeting_ended")))
    return events

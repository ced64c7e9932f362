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
    VideoBatch,
    VideoFrame,
    VideoTrackSeen,
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


def video_frame(number: int, arrival: float, receiver: int = 3, payload: bytes = b"picture") -> VideoFrame:
    """The frame of this number, of 15 a second; every 30th is a key frame."""
    return VideoFrame(
        receiver=receiver,
        ssrc=0xFFFF_FFF0 + receiver,
        csrcs=(),
        timestamp=(number * 6_000) % 2**32,
        frame_id=number % 65_536,
        spatial=0,
        temporal=number % 2,
        key=number % 30 == 0,
        width=640,
        height=360,
        payload_type=98,
        mime_type="video/VP9",
        arrival=arrival,
        payload=payload,
    )


def video_batch(number: int, at: float, frames: int = 7, dropped: int = 0) -> VideoBatch:
    """A batch whose frames arrived from ``at`` on."""
    each = [video_frame(number * frames + index, at + index / 15) for index in range(frames)]
    return VideoBatch(document=7, sequence=number, dropped=dropped, frames=each)


def a_meeting_with_video(seconds: float = 12.0) -> list[tuple[float, TapeEvent]]:
    """The events of a_meeting with a camera's between them, as many batches as there are of audio."""
    events: list[tuple[float, TapeEvent]] = []
    for at, event in a_meeting(seconds):
        events.append((at, event))
        if isinstance(event, FrameBatch):
            events.append((at, video_batch(event.sequence, at - 0.5)))
        if isinstance(event, RecordingStarted):
            track = VideoTrackSeen(at=at, document=7, connection=0, receiver=3, streams=["s"], mid="2")
            events.append((at, track))
    return events


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

"""Video frames and events, with what a test does not care about filled in."""

from __future__ import annotations

import json

from worker.platforms.teams.main_channel import LABEL
from worker.tape.events import ChannelMessage, VideoFrame, VideoTrackSeen

PREFIX = bytes([0, 1, 0, 1, 0, 0, 0, 0])
"""Bytes in front of the JSON of a message of Teams' main channel."""


def video_frame(
    receiver: int, arrival: float, *, key: bool = False, csrcs: tuple[int, ...] = (), ssrc: int = 1
) -> VideoFrame:
    """An empty frame of a receiver."""
    return VideoFrame(
        receiver=receiver,
        ssrc=ssrc,
        csrcs=csrcs,
        timestamp=int(arrival * 90_000) % 2**32,
        frame_id=None,
        spatial=0,
        temporal=0,
        key=key,
        width=0,
        height=0,
        payload_type=107,
        mime_type="video/H264",
        arrival=arrival,
        payload=b"",
    )


def video_track(
    receiver: int, *streams: str, slot: str = "", at: float = 0.0, connection: int = 0, document: int = 1
) -> VideoTrackSeen:
    """A receiver's track, of these media streams."""
    return VideoTrackSeen(
        at=at, document=document, connection=connection, receiver=receiver, streams=list(streams), slot=slot
    )


def main_channel(
    *entries: object, at: float, sent: bool, connection: int = 0, document: int = 1
) -> ChannelMessage:
    """A message of Teams' main channel."""
    return ChannelMessage(
        at=at,
        document=document,
        connection=connection,
        label=LABEL,
        payload=PREFIX + json.dumps(list(entries)).encode(),
        sent=sent,
    )


def video_request(
    slot: int | str, source: int, sequence: int, *, at: float, connection: int = 0, document: int = 1
) -> ChannelMessage:
    """The page's request (``sr``) for a source in a slot."""
    info: dict[str, object] = {"sourceId": source, "streamMsid": slot, "fmtParams": []}
    control = {"sequenceNumber": sequence, "controlInfo": info}
    entry = {"type": "sr", "controlVideoStreaming": control}
    return main_channel(entry, at=at, sent=True, connection=connection, document=document)


def video_answer(
    sequence: int | None, *, at: float, connection: int = 0, document: int = 1
) -> ChannelMessage:
    """The service's answer (``sr_res``)."""
    entry: dict[str, object] = {"type": "sr_res"}
    if sequence is not None:
        entry["controlVideoStreamingResponse"] = {"sequenceNumber": sequence}
    return main_channel(entry, at=at, sent=False, connection=connection, document=document)

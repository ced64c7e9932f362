"""The protocol that tells which video source a receiver shows, and whose it is (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

from worker.tape.events import TapeEvent, VideoFrame


class VideoKind(StrEnum):
    """What a video source shows; the value is written to manifests and documents."""

    WEBCAM = "webcam"
    SCREENSHARE = "screenshare"


class VideoEvidence(StrEnum):
    """How the owner of a video source was learned; the value is written to manifests."""

    STREAM_ID = "stream_id"
    """The id of the track's media stream is that of a device's output."""
    CSRC = "csrc"
    """The frames list a contributing source."""
    REQUEST = "request"
    """The page requested this person's source for the slot."""
    NONE = "none"


class VideoOwner(NamedTuple):
    """Whose a video source is: ``device_id`` is in the roster; None: not known. A screen share's is its presenter's."""

    device_id: str | None
    kind: VideoKind
    evidence: VideoEvidence


class VideoSources(Protocol):
    """Follows which source each video receiver shows, event by event. Nothing raises."""

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event; ignores those that say nothing of video."""

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        """The key of the source that ``frame``, the next of its receiver, shows; None while it cannot be told, where the frame
        must be given to nobody. A source that is known, and whose owner is not yet, has a key. A new key for a receiver begins
        with a key frame.
        """

    def owner_of(self, key: str) -> VideoOwner:
        """Whose the source of that key is, as known by now."""

"""The protocol that tells which video source a receiver shows, and whose it is (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

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


NOBODYS: Final = VideoOwner(None, VideoKind.WEBCAM, VideoEvidence.NONE)
"""Of a source of which nothing is known."""


class VideoSources(Protocol):
    """Follows which source each video receiver shows, event by event. Nothing raises.

    A frame is judged by its arrival, so the events until then must have been observed before it is asked about; that later ones
    were, too, changes nothing. Where it is not known when it was sent, it may be asked about as if it had arrived at the first
    possible time, and then at the last.
    """

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event; ignores those that say nothing of video."""

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        """The key of the source that ``frame``, the next of its receiver, shows; None while it cannot be told, where the frame
        must be given to nobody. A source that is known, and whose owner is not yet, has a key. A new key for a receiver begins
        with a key frame, and takes the key from another receiver that showed it.
        """

    def owner_of(self, key: str) -> VideoOwner:
        """Whose the source of that key is, as known by now."""

    def warnings(self) -> list[str]:
        """What was not as is known of the platform, each once; it is logged as well."""


class NoVideoSources:
    """Of a platform whose video is not known: no frame has a source. See VideoSources."""

    def observe(self, event: TapeEvent) -> None:
        """See VideoSources."""

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        """See VideoSources."""
        return None

    def owner_of(self, key: str) -> VideoOwner:
        """See VideoSources."""
        return NOBODYS

    def warnings(self) -> list[str]:
        """See VideoSources."""
        return []

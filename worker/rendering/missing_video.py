"""Finds that a recording with separate video lacks videos that people showed (pure).

What people showed is what the roster said; what came of it are the page's receivers, their frames, and the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from worker.manifest.recording_facts import MOST_DOCUMENTS
from worker.manifest.schema import VideoStreams
from worker.platforms.layout_keeper import LAYOUT_FAILED
from worker.roster.changes import CAMERA_OFF, CAMERA_ON, SHARES, STOPS_SHARING
from worker.roster.video_sources import VideoKind
from worker.tape.events import (
    PageEvent,
    PageSeen,
    ReceiverTapped,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RosterChanged,
    VideoBatch,
    VideoRequested,
    VideoTrackSeen,
    WorkerEvent,
)

SHOWN_FOR: Final = 10.0
"""Recorded seconds for which a camera or screen must be on to be missed: the page takes some to show it."""

MOST_SHOWN: Final = 10_000
"""Cameras and screens that are followed, since the page is untrusted."""

MOST_NAMED: Final = 5
"""People that a sentence names; of more it gives the number."""

FEWER: Final = (
    "The page did not take the layout that shows the most videos: videos of some people may be missing."
)

_CHANGES: Final = {
    CAMERA_ON: (VideoKind.WEBCAM, True),
    CAMERA_OFF: (VideoKind.WEBCAM, False),
    SHARES: (VideoKind.SCREENSHARE, True),
    STOPS_SHARING: (VideoKind.SCREENSHARE, False),
}
_THINGS: Final = {VideoKind.WEBCAM: "camera", VideoKind.SCREENSHARE: "screen"}


class MissingVideo:
    """Follows a tape, and says what is missing: nothing where the job did not ask for video, or nobody is known to have shown
    any.
    """

    def __init__(self) -> None:
        self._asked = False
        self._has_receiver = False
        self._layout_failed = False
        self._received: dict[tuple[int, int], bool] = {}
        """By document and receiver with frames, whether one of them was a key frame."""
        self._frames = 0
        self._recorded = 0.0
        """Recorded seconds until the last start, pause or end."""
        self._records_since: float | None = None
        """Unix seconds; None: it does not record."""
        self._latest = 0.0
        self._begun = self._paused = self._ended = False
        self._on: dict[tuple[str, VideoKind], float] = {}
        """By participant and kind, after how many recorded seconds what is on was turned on."""
        self._shown: dict[tuple[str, VideoKind], float] = {}
        """By participant and kind, for how many recorded seconds it was on before."""
        self._names: dict[str, str] = {}

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is no batch of frames."""
        self._latest = max(event.at, self._latest)
        match event:
            case VideoRequested():
                self._asked = True
            case VideoTrackSeen() | ReceiverTapped(kind="video"):
                self._has_receiver = True
            case RosterChanged():
                self._follow(event)
            case PageSeen():
                self._layout_failed |= LAYOUT_FAILED in event.evidence
            case RecordingStarted() | RecordingPaused() | RecordingResumed() | RecordingEnded():
                self._follow_recording(event)
            case _:
                pass

    def take(self, batch: VideoBatch) -> None:
        """Takes the tape's next batch of video frames."""
        if self._ended:
            return
        self._frames += len(batch.frames)
        for frame in batch.frames:
            receiver = (batch.document, frame.receiver)
            if receiver in self._received or len(self._received) < MOST_DOCUMENTS:
                self._received[receiver] = frame.key or self._received.get(receiver, False)

    def warnings(self, streams: Sequence[VideoStreams]) -> list[str]:
        """Sentences for the manifest, whose streams of video are ``streams``."""
        return list(self._sentences(streams)) if self._asked else []

    def _sentences(self, streams: Sequence[VideoStreams]) -> Iterator[str]:
        shown = self._shown_long()
        on = "though somebody's camera or screen was on"
        if not streams and self._frames:
            if any(self._received.values()):
                yield f"There is no video: {self._frames} frames came, and none of them could be written."
            else:
                yield f"There is no video: {self._frames} frames came, but no key frame, without which none can be decoded."
        elif not streams and shown:
            if self._has_receiver:
                yield f"There is no video: the page received no frame of any, {on}."
            else:
                yield f"There is no video: the page never had a receiver of video, {on}."
        for kind in VideoKind:
            recorded = {each.participant_id for each in streams if each.kind == kind}
            missed = [person for person, what in shown if what is kind and person not in recorded]
            if missed:
                yield f"{self._people(missed)} had the {_THINGS[kind]} on, and there is no video that is known to be it."
        if self._layout_failed and shown:
            yield FEWER

    def _follow(self, event: RosterChanged) -> None:
        if event.change not in _CHANGES:
            return
        kind, is_on = _CHANGES[event.change]
        key = (event.participant_id, kind)
        now = self._recorded_until(event.at)
        if event.name and (event.participant_id in self._names or len(self._names) < MOST_SHOWN):
            self._names[event.participant_id] = event.name
        if is_on and (key in self._shown or len(self._shown) < MOST_SHOWN):
            self._shown.setdefault(key, 0.0)
            self._on.setdefault(key, now)
        elif not is_on and key in self._on:
            self._shown[key] += now - self._on.pop(key)

    def _follow_recording(
        self, event: RecordingStarted | RecordingPaused | RecordingResumed | RecordingEnded
    ) -> None:
        self._recorded = self._recorded_until(event.at)
        match event:
            case RecordingStarted():
                self._begun = True
            case RecordingPaused():
                self._paused = True
            case RecordingResumed():
                self._paused = False
            case RecordingEnded():
                self._ended = True
        self._records_since = event.at if self._begun and not self._paused and not self._ended else None

    def _recorded_until(self, at: float) -> float:
        since = self._records_since
        return self._recorded if since is None else self._recorded + max(0.0, at - since)

    def _shown_long(self) -> list[tuple[str, VideoKind]]:
        """What was on for SHOWN_FOR recorded seconds, in the order in which it was first turned on."""
        now = self._recorded_until(self._latest)
        return [
            key
            for key, seconds in self._shown.items()
            if seconds + (now - self._on[key] if key in self._on else 0.0) >= SHOWN_FOR
        ]

    def _people(self, ids: Sequence[str]) -> str:
        """'Ada, Bob and 3 others'; nobody is named twice."""
        named = list(dict.fromkeys(self._names[each] for each in ids if each in self._names))[:MOST_NAMED]
        others = len(ids) - len(named)
        if not named:
            return f"{others} participant{'s' if others > 1 else ''}"
        if others:
            return f"{', '.join(named)} and {others} other{'s' if others > 1 else ''}"
        return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))

"""Metrics of the capture: packets from the page to the files."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from worker.lifecycle.deafness import ReceiverId
from worker.manifest.schema import Manifest
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.families import OTHER, BoundedLabels, Totals, counter, gauge
from worker.monitoring.in_call_time import InCallTime
from worker.rendering.progress import Progress
from worker.states import read_state
from worker.tape.events import (
    AudioPathSeen,
    ChannelMessage,
    FrameBatch,
    PageDropped,
    PageFault,
    ReceiverReport,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)

FATES: Final = ("received", "recovered", "lost", "late", "duplicate", "trimmed")
"""See worker.manifest.schema.Packets."""

MOST_SLOTS: Final = 16
"""Meet uses three receivers for audio; others share one value."""

CHANNELS: Final = frozenset(
    {"captions", "collections", "dcrpc", "main-channel", "media-director", "meet_messages"}
)
"""Labels of data channels that Meet and Teams are known to use; the page chooses them, so others share one value."""

VIDEO_CODECS: Final = {"video/av1": "av1", "video/h264": "h264", "video/vp8": "vp8", "video/vp9": "vp9"}
"""Labels of the formats of video, by MIME type in lower case; the page says them, so others share one value."""

_DOCUMENT: Final = "document"
"""The first part of the keys of totals that a page's document counts."""


class CaptureMetrics:
    """Fed with the tape's events, the renderer's progress and the manifest."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.health = CaptureHealth()
        """The capture's state by the tape's events; /readyz reads it too."""
        self._labels = BoundedLabels()
        self._totals = Totals()
        self._deaf_before: frozenset[ReceiverId] = frozenset()
        self._recorded = counter(registry, "recorded_seconds", "Meeting time recorded.")
        self._speakers = gauge(registry, "speakers", "Speakers heard so far.")
        self._packets = counter(registry, "packets", "Audio packets by what became of them.", "fate")
        for fate in FATES:
            self._packets.labels(fate)
        self._frames = counter(registry, "frames_tapped", "Encoded frames that came from the page.")
        self._video_frames = counter(
            registry, "video_frames_tapped", "Encoded video frames that came from the page.", "codec"
        )
        self._video_bytes = counter(registry, "video_tapped_bytes", "Encoded video that came from the page.")
        self._unattributed = counter(registry, "unattributed_packets", "Packets of unknown speakers.")
        self._slots = counter(
            registry, "slot_packets", "Packets of a receiver: expected, received, tapped.", "slot", "stage"
        )
        self._deaf = gauge(registry, "deaf_slots", "Receivers at which packets arrive and none is tapped.")
        self._deaf_total = counter(registry, "deaf_taps", "How often a receiver became deaf.")
        self._page_lost = gauge(
            registry, "page_lost", "1 while the page of a bot in a call shows no call and sends no packets."
        )
        self._page_losses = counter(
            registry, "page_losses", "How often the page of a bot in a call was lost."
        )
        self._lost_before = False
        self._in_call = InCallTime(registry)
        self._last_frame = gauge(
            registry, "last_frame_timestamp_seconds", "Arrival of the newest tapped frame, Unix time."
        )
        self._page_dropped = counter(
            registry, "page_dropped", "Items that the page dropped: a buffer was full.", "what"
        )
        for what in ("frames", "video_frames", "events"):
            self._page_dropped.labels(what)
        self._channel_messages = counter(
            registry, "channel_messages", "Messages received on the page's data channels.", "channel"
        )
        self._channel_messages.labels("collections")
        self._page_faults = counter(registry, "page_faults", "Errors that the page's scripts reported.")
        self._encoded_path = gauge(
            registry, "encoded_audio_path", "1 where the page took the encoded audio itself."
        )

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        self.health.observe(event)
        match event:
            case StateChanged():
                self._in_call.enter(read_state(event.state))
            case FrameBatch():
                self._take_frames(event)
            case VideoBatch():
                self._take_video(event)
            case TapeStarted():
                # Documents have random numbers, so no total of an earlier tape comes again.
                self._encoded_path.set(0)
                self._totals.restart(lambda key: True)
            case RecordingStarted():
                # A renderer begins to count at 0, also when it is the second of this process.
                self._totals.restart(lambda key: key[0] != _DOCUMENT)
            case PageDropped():
                what = self._labels.bound("what", event.what)
                self._page_dropped.labels(what).inc(max(0, event.count))
            case PageFault():
                self._page_faults.inc()
            case ChannelMessage(sent=False):
                channel = event.label if event.label in CHANNELS else OTHER
                self._channel_messages.labels(channel).inc()
            case ReceiverReport():
                self._take_report(event)
            case AudioPathSeen():
                self._encoded_path.set(event.path == "encoded")
            case _:
                pass
        self._take_deafness()
        self._take_loss()

    def set_progress(self, progress: Progress) -> None:
        """The recording's progress so far."""
        speakers = progress.speakers
        self._speakers.set(len(speakers))
        self._totals.read(self._recorded, progress.elapsed_seconds, "recorded")
        self._totals.read(self._unattributed, progress.unattributed, "unattributed")
        for fate, count in (
            ("received", progress.packets_received),
            ("recovered", progress.recovered),
            ("lost", progress.lost),
        ):
            self._totals.read(self._packets.labels(fate), count, "packets", fate)

    def set_manifest(self, manifest: Manifest) -> None:
        """The recording's final totals."""
        self._totals.read(self._recorded, manifest.recording.duration_seconds, "recorded")
        self._totals.read(self._unattributed, manifest.recording.unattributed_packets, "unattributed")
        packets = manifest.packets()
        for fate in FATES:
            self._totals.read(self._packets.labels(fate), getattr(packets, fate), "packets", fate)

    def _take_frames(self, batch: FrameBatch) -> None:
        self._frames.inc(len(batch.frames))
        self._totals.read(self._page_dropped.labels("frames"), batch.dropped, _DOCUMENT, str(batch.document))
        if self.health.last_frame is not None:
            self._last_frame.set(self.health.last_frame)

    def _take_video(self, batch: VideoBatch) -> None:
        for frame in batch.frames:
            self._video_frames.labels(VIDEO_CODECS.get(frame.mime_type.lower(), OTHER)).inc()
        self._video_bytes.inc(sum(len(frame.payload) for frame in batch.frames))
        key = (_DOCUMENT, str(batch.document), "video")
        self._totals.read(self._page_dropped.labels("video_frames"), batch.dropped, *key)

    def _take_report(self, report: ReceiverReport) -> None:
        counts = self.health.counts.get(ReceiverId(report.document, report.receiver))
        label = str(report.receiver) if report.receiver < MOST_SLOTS else OTHER
        for stage, count in counts._asdict().items() if counts else ():
            key = (_DOCUMENT, str(report.document), str(report.receiver), stage)
            self._totals.read(self._slots.labels(label, stage), count, *key)

    def _take_loss(self) -> None:
        lost = self.health.page_lost is not None
        self._page_lost.set(lost)
        self._page_losses.inc(lost and not self._lost_before)
        self._lost_before = lost

    def _take_deafness(self) -> None:
        deaf = self.health.deaf
        self._deaf.set(len(deaf))
        self._deaf_total.inc(len(deaf - self._deaf_before))
        self._deaf_before = deaf

"""What Prometheus sees of one worker: every metric, its name, its labels and where its numbers come from.

Names and units follow https://prometheus.io/docs/practices/naming/: one namespace, base units, ``_total`` for counters. No
label holds a bot, a person or a URL; the values of each are few, and what is not known to be so is bounded here. A worker
usually does one job and ends, so a counter's total over a time is ``sum(max_over_time(x[…]))``: ``increase()`` misses what had
happened before the first scrape.
"""

from __future__ import annotations

import re
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from worker.lifecycle.deafness import ReceiverId
from worker.manifest.schema import Manifest
from worker.monitoring.capture_health import CaptureHealth
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.rendering.progress import Progress
from worker.states import State
from worker.tape.events import (
    AudioPathSeen,
    FrameBatch,
    PageDropped,
    PageFault,
    ReceiverReport,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
)

NAMESPACE: Final = "meetstems"

STATES: Final = tuple(state.value for state in State if state is not State.STOPPED)
"""``stopped`` is told to users alone: the worker goes on uploading."""

FATES: Final = ("received", "recovered", "lost", "late", "duplicate", "trimmed")
"""See worker.manifest.schema.Packets."""

QUEUE_OPERATIONS: Final = ("receive", "extend", "delete", "give_back", "send")
LEASE_OPERATIONS: Final = ("acquire", "renew", "release")
RESULTS: Final = ("ok", "refused", "error")
"""``refused``: another worker has the lease. ``error``: the service did not do it."""

OTHER: Final = "other"
"""Stands for a label value that is one too many, or none that we would have chosen."""

MOST_VALUES: Final = 100
"""Of one label whose values come from elsewhere."""
MOST_SLOTS: Final = 16
"""Meet uses three receivers for audio; others share one value."""

JOIN_BUCKETS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
WAIT_BUCKETS: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
MOMENT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)

_WORD: Final = re.compile("[a-z][a-z0-9_]{0,63}")


class Metrics:
    """All metrics of a worker, in ``registry``. Fed from the event loop's thread; read from any.

    ``observe`` takes the tape's events, ``set_progress`` and ``set_manifest`` what became of the packets; the other methods are
    for what the tape does not tell. Nothing here raises for odd input.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.capture = CaptureHealth()
        """What the tape's events said about the capture; /readyz asks it too."""
        self._make_lifecycle_metrics(registry)
        self._make_capture_metrics(registry)
        self._make_delivery_metrics(registry)
        self._joining_since: float | None = None
        self._platform = ""
        self._deaf_before: frozenset[ReceiverId] = frozenset()
        self._counted: dict[tuple[str, ...], float] = {}
        self._values: dict[str, set[str]] = {}

    def _make_lifecycle_metrics(self, registry: CollectorRegistry) -> None:
        self._state = Enum(
            "state", "What the worker is doing.", namespace=NAMESPACE, registry=registry, states=STATES
        )
        self._attempt = _gauge(registry, "attempt", "Number of the bot's attempt, from 1; 0 without a job.")
        self._join = Histogram(
            "join_seconds",
            "From joining to being in the call.",
            ["platform"],
            namespace=NAMESPACE,
            registry=registry,
            buckets=JOIN_BUCKETS,
        )
        self._first_packet = _moments(
            registry, "first_packet_seconds", "From the lobby's end to the first packet."
        )
        self._finish = _moments(registry, "finish_seconds", "From the call's end to the closed files.")
        self._outcomes = _counter(
            registry, "outcomes", "Ended jobs, in the vendors' words.", "platform", "code", "sub_code"
        )
        self._restarts = _counter(registry, "restarts", "Captures begun anew within an attempt.", "reason")

    def _make_capture_metrics(self, registry: CollectorRegistry) -> None:
        self._recorded = _counter(registry, "recorded_seconds", "Meeting time recorded.")
        self._speakers = _gauge(registry, "speakers", "Speakers heard so far.")
        self._packets = _counter(registry, "packets", "Audio packets by what became of them.", "fate")
        for fate in FATES:
            self._packets.labels(fate)
        self._frames = _counter(registry, "frames_tapped", "Encoded frames that came from the page.")
        self._unattributed = _counter(registry, "unattributed_packets", "Packets of unknown speakers.")
        self._slots = _counter(
            registry, "slot_packets", "Packets of a slot: expected, received, tapped.", "slot", "stage"
        )
        self._deaf = _gauge(registry, "deaf_slots", "Slots where packets arrive and none is tapped, now.")
        self._deaf_total = _counter(registry, "deaf_taps", "How often a slot went deaf.")
        self._last_frame = _gauge(
            registry, "last_frame_timestamp_seconds", "Arrival of the newest tapped frame, Unix time."
        )
        self._page_dropped = _counter(
            registry, "page_dropped", "Items that the page's full buffers lost.", "what"
        )
        for what in ("frames", "events"):
            self._page_dropped.labels(what)
        self._page_faults = _counter(registry, "page_faults", "Odd things that the page's scripts met.")
        self._encoded_path = _gauge(
            registry, "encoded_audio_path", "1 where the page took the encoded audio itself."
        )

    def _make_delivery_metrics(self, registry: CollectorRegistry) -> None:
        self._tape_messages = _counter(registry, "tape_messages", "Messages put on the tape.")
        self._tape_parts = _counter(registry, "tape_parts", "Closed parts of the tape.")
        self._tape_bytes = _counter(registry, "tape_bytes", "Bytes of closed parts of the tape.")
        self._upload_bytes = _counter(registry, "upload_bytes", "Bytes that the object store has taken.")
        self._upload_failures = _counter(
            registry, "upload_failures", "Uploads given up for now, after retries."
        )
        self._upload_backlog = _gauge(registry, "upload_backlog_parts", "Closed parts not uploaded yet.")
        self._upload_lag = _gauge(
            registry, "upload_lag_seconds", "Age of the oldest part not uploaded yet; 0: none."
        )
        self._queue = _counter(
            registry, "queue_operations", "Calls of the jobs queue.", "operation", "result"
        )
        self._lease = _counter(
            registry, "lease_operations", "Conditional writes of the lease.", "operation", "result"
        )
        for operation in QUEUE_OPERATIONS:
            for result in ("ok", "error"):
                self._queue.labels(operation, result)
        for operation in LEASE_OPERATIONS:
            for result in RESULTS:
                self._lease.labels(operation, result)
        self._job_wait = Histogram(
            "job_wait_seconds",
            "How long a job was in the queue when it was received.",
            namespace=NAMESPACE,
            registry=registry,
            buckets=WAIT_BUCKETS,
        )
        self._job_receives = _gauge(registry, "job_receives", "How often the present job has been received.")
        self._events_backlog = _gauge(registry, "events_backlog", "Events not taken by their queue yet.")

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event, live or replayed."""
        self._tape_messages.inc()
        self.capture.observe(event)
        match event:
            case FrameBatch():
                self._take_frames(event)
            case TapeStarted():
                self._begin_tape(event)
            case RecordingStarted():
                # A renderer begins to count at 0, also when it is the second of this process.
                self._counted = {key: count for key, count in self._counted.items() if key[0] == "document"}
            case StateChanged(state=state) if state in STATES:
                self.set_state(State(state), event.at)
            case PageDropped():
                self._page_dropped.labels(self._bounded("what", event.what)).inc(max(0, event.count))
            case PageFault():
                self._page_faults.inc()
            case ReceiverReport():
                self._take_report(event)
            case AudioPathSeen():
                self._encoded_path.set(event.path == "encoded")
            case _:
                pass
        self._take_deafness()

    def set_state(self, state: State, at: float) -> None:
        """The worker entered ``state`` at ``at`` (seconds on any one clock)."""
        if state.value in STATES:
            self._state.state(state.value)
        if state is State.JOINING:
            self._joining_since = at
        elif state is State.IN_CALL_RECORDING and self._joining_since is not None:
            platform = self._bounded("platform", self._platform)
            self._join.labels(platform).observe(max(0.0, at - self._joining_since))
            self._joining_since = None

    def set_attempt(self, number: int) -> None:
        """The bot's attempt, from 1."""
        self._attempt.set(number)

    def set_progress(self, progress: Progress) -> None:
        """How the recording stands."""
        speakers = progress.speakers
        self._speakers.set(len(speakers))
        self._raise(self._recorded, progress.elapsed_seconds, "recorded")
        self._raise(self._unattributed, progress.unattributed, "unattributed")
        for fate, count in (
            ("received", sum(speaker.packets_received for speaker in speakers)),
            ("recovered", sum(speaker.recovered for speaker in speakers)),
            ("lost", sum(speaker.lost for speaker in speakers)),
        ):
            self._raise(self._packets.labels(fate), count, "packets", fate)

    def set_manifest(self, manifest: Manifest) -> None:
        """The recording's final totals."""
        self._raise(self._recorded, manifest.recording.duration_seconds, "recorded")
        self._raise(self._unattributed, manifest.recording.unattributed_packets, "unattributed")
        packets = manifest.packets()
        for fate in FATES:
            self._raise(self._packets.labels(fate), getattr(packets, fate), "packets", fate)

    def observe_first_packet(self, seconds: float) -> None:
        """So long after the lobby's end the first packet stood on the tape."""
        self._first_packet.observe(seconds)

    def observe_finish(self, seconds: float) -> None:
        """So long after the call's end all files were closed."""
        self._finish.observe(seconds)

    def outcome(self, platform: Platform, code: str, sub_code: str | None) -> None:
        """A job ended. ``code`` and ``sub_code`` are Recall's words (worker.contracts.vendor_words)."""
        labels = (
            self._bounded("platform", platform),
            self._bounded("code", code),
            self._bounded("sub_code", sub_code or "none"),
        )
        self._outcomes.labels(*labels).inc()

    def restarted(self, reason: Reason) -> None:
        """The capture was begun anew within the attempt, because of ``reason``."""
        self._restarts.labels(self._bounded("reason", reason)).inc()

    def part_closed(self, size: int) -> None:
        """A part of the tape was closed; ``size`` in bytes."""
        self._tape_parts.inc()
        self._tape_bytes.inc(size)

    def set_upload(self, *, backlog_parts: int, lag_seconds: float) -> None:
        """What is still to be uploaded, and for how long the oldest of it has been waiting."""
        self._upload_backlog.set(backlog_parts)
        self._upload_lag.set(lag_seconds)

    def uploaded(self, size: int) -> None:
        """The object store has taken ``size`` more bytes."""
        self._upload_bytes.inc(size)

    def upload_failed(self) -> None:
        """An upload was given up for now."""
        self._upload_failures.inc()

    def job_received(self, waited_seconds: float, receives: int) -> None:
        """A job came out of the queue, where it had been for so long, for the so-manieth time."""
        self._job_wait.observe(max(0.0, waited_seconds))
        self._job_receives.set(receives)

    def queue_operation(self, operation: str, result: str) -> None:
        """The jobs queue was called: one of QUEUE_OPERATIONS, with one of RESULTS."""
        self._queue.labels(_among(QUEUE_OPERATIONS, operation), _among(RESULTS, result)).inc()

    def lease_operation(self, operation: str, result: str) -> None:
        """The lease was written: one of LEASE_OPERATIONS, with one of RESULTS."""
        self._lease.labels(_among(LEASE_OPERATIONS, operation), _among(RESULTS, result)).inc()

    def set_events_backlog(self, count: int) -> None:
        """So many events were not taken by their queue yet."""
        self._events_backlog.set(count)

    def _begin_tape(self, event: TapeStarted) -> None:
        """Documents are numbered at random: nothing that was counted of an earlier tape's comes again."""
        self._platform = event.platform
        self._encoded_path.set(0)
        self._counted.clear()

    def _take_frames(self, batch: FrameBatch) -> None:
        self._frames.inc(len(batch.frames))
        self._raise(self._page_dropped.labels("frames"), batch.dropped, "document", str(batch.document))
        if self.capture.last_frame is not None:
            self._last_frame.set(self.capture.last_frame)

    def _take_report(self, report: ReceiverReport) -> None:
        counts = self.capture.counts.get(ReceiverId(report.document, report.receiver))
        label = str(report.receiver) if report.receiver < MOST_SLOTS else OTHER
        for stage, count in counts._asdict().items() if counts else ():
            key = ("document", str(report.document), str(report.receiver), stage)
            self._raise(self._slots.labels(label, stage), count, *key)

    def _take_deafness(self) -> None:
        deaf = self.capture.deaf
        self._deaf.set(len(deaf))
        self._deaf_total.inc(len(deaf - self._deaf_before))
        self._deaf_before = deaf

    def _raise(self, counter: Counter, total: float, *key: str) -> None:
        """Counts what ``total`` has grown by since it was last told under ``key``."""
        before = self._counted.get(key, 0.0)
        if total > before:
            counter.inc(total - before)
            self._counted[key] = total

    def _bounded(self, label: str, value: str) -> str:
        values = self._values.setdefault(label, set())
        if value not in values:
            if not _WORD.fullmatch(value) or len(values) >= MOST_VALUES:
                return OTHER
            values.add(value)
        return value


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, namespace=NAMESPACE, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(name, text, namespace=NAMESPACE, registry=registry)


def _moments(registry: CollectorRegistry, name: str, text: str) -> Histogram:
    return Histogram(name, text, namespace=NAMESPACE, registry=registry, buckets=MOMENT_BUCKETS)


def _among(known: tuple[str, ...], value: str) -> str:
    return value if value in known else OTHER

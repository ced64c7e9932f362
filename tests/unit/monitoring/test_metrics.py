"""What events become in the registry."""

from __future__ import annotations

import time

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.support.deafness import report
from tests.support.tape_samples import video_batch, video_frame
from worker.cli.display import STATES as SHOWN_STATES
from worker.manifest.schema import (
    Manifest,
    Packets,
    ParticipantStreams,
    Recording,
    Segment,
    Stream,
    Summary,
)
from worker.monitoring.families import MOST_VALUES, OTHER
from worker.monitoring.job_metrics import STATES
from worker.monitoring.metrics import Metrics
from worker.monitoring.process_metrics import ProcessId, ProcessMetrics, Usage
from worker.platforms.registry import Platform
from worker.rendering.progress import Progress, SpeakerProgress
from worker.states import State
from worker.tape.events import (
    TAPE_VERSION,
    AudioPathSeen,
    ChannelMessage,
    Frame,
    FrameBatch,
    PageDropped,
    PageFault,
    PageLost,
    RecordingStarted,
    StateChanged,
    TapDeaf,
    TapeStarted,
)


class Reading:
    """A Metrics with its registry, and what it holds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"meetstems_{name}", labels)


@pytest.fixture
def reading() -> Reading:
    return Reading()


def frame(*csrcs: int, payload: bytes = b"opus") -> Frame:
    return Frame(0, 6666, csrcs, 1, 960, 111, "audio/opus", None, 12.5, None, payload)


def progress(seconds: float, received: int, recovered: int = 0, lost: int = 0) -> Progress:
    speaker = SpeakerProgress(
        name="Ada",
        speaking=True,
        speech_seconds=seconds,
        packets_received=received,
        recovered=recovered,
        lost=lost,
    )
    return Progress(elapsed_seconds=seconds, speakers=[speaker])


def manifest(packets: Packets) -> Manifest:
    segment = Segment(
        segment_index=0,
        url="a.webm",
        filename="a.webm",
        duration_seconds=9.0,
        speech_seconds=1.0,
        intervals=[],
        packets=packets,
        sources=[],
    )
    person = ParticipantStreams(
        participant_name="Ada",
        participant_id=None,
        name_source="none",
        is_host=False,
        streams=[Stream(stream_id="Ada", segments=[segment])],
    )
    return Manifest(
        bot_id="b",
        audio_streams_available=True,
        participants=[person],
        summary=Summary(total_participants=1, total_segments=1),
        recording=Recording(
            platform="google_meet",
            meeting_url="",
            bot_name="",
            started_at="",
            duration_seconds=9.0,
            complete=True,
            ended_reason="",
            ended_detail="",
            audio_path="",
            mixed_audio=None,
            unattributed_packets=0,
            warnings=[],
        ),
    )


def test_one_state_at_a_time(reading: Reading) -> None:
    reading.metrics.observe(StateChanged(at=1, state="joining"))
    reading.metrics.observe(StateChanged(at=2, state="waiting_room"))
    states = {state: reading.value("state", meetstems_state=state) for state in STATES}
    assert states == {state: float(state is State.WAITING_ROOM) for state in STATES}


def test_every_state_that_a_person_sees_is_one_of_the_metrics() -> None:
    assert set(SHOWN_STATES) <= set(STATES)


def test_an_unknown_state_changes_nothing(reading: Reading) -> None:
    reading.metrics.job.set_state(State.JOINING, 1)
    reading.metrics.job.set_state(State.STOPPED, 2)
    reading.metrics.observe(StateChanged(at=3, state="dancing"))
    assert reading.value("state", meetstems_state="joining") == 1


def test_joining_is_timed_by_the_tapes_own_clock(reading: Reading) -> None:
    start = TapeStarted(at=0, version=TAPE_VERSION, platform="google_meet", meeting_url="", bot_name="")
    for event in (
        start,
        StateChanged(at=100, state="joining"),
        StateChanged(at=107, state="in_call_recording"),
    ):
        reading.metrics.observe(event)
    assert reading.value("join_seconds_sum", platform="google_meet") == 7
    assert reading.value("join_seconds_bucket", platform="google_meet", le="5.0") == 0
    assert reading.value("join_seconds_bucket", platform="google_meet", le="10.0") == 1


def test_frames_are_counted(reading: Reading) -> None:
    frames = [frame(7), frame(), frame(payload=b"")]
    reading.metrics.observe(FrameBatch(7, 0, 0, frames))
    assert reading.value("frames_tapped_total") == 3
    assert reading.value("last_frame_timestamp_seconds") == 12.5


def test_the_pages_running_total_of_dropped_frames_is_counted_once(reading: Reading) -> None:
    for sequence, dropped in enumerate([0, 3, 3, 5]):
        reading.metrics.observe(FrameBatch(7, sequence, dropped, []))
    reading.metrics.observe(FrameBatch(8, 0, 2, []))
    reading.metrics.observe(PageDropped(at=1, document=7, what="channel_message", count=4))
    assert reading.value("page_dropped_total", what="frames") == 7
    assert reading.value("page_dropped_total", what="channel_message") == 4


def test_video_is_counted_apart_from_audio(reading: Reading) -> None:
    odd = msgspec.structs.replace(video_frame(1, 20.0), mime_type="video/h265")
    batch = video_batch(0, 20.0, frames=3, dropped=4)
    reading.metrics.observe(msgspec.structs.replace(batch, frames=[*batch.frames, odd]))
    reading.metrics.observe(video_batch(1, 20.0, frames=0, dropped=6))
    reading.metrics.observe(FrameBatch(7, 0, 1, []))
    assert reading.value("video_frames_tapped_total", codec="vp9") == 3
    assert reading.value("video_frames_tapped_total", codec="other") == 1
    assert reading.value("video_tapped_bytes_total") == 4 * len(odd.payload)
    assert reading.value("page_dropped_total", what="video_frames") == 6
    assert reading.value("page_dropped_total", what="frames") == 1
    assert reading.value("frames_tapped_total") == 0
    assert reading.value("last_frame_timestamp_seconds") == 0


def test_progress_is_turned_into_counters(reading: Reading) -> None:
    reading.metrics.capture.set_progress(progress(1.0, 50, recovered=2, lost=1))
    reading.metrics.capture.set_progress(
        msgspec.structs.replace(progress(2.0, 100, recovered=2, lost=1), unattributed=7)
    )
    assert reading.value("packets_total", fate="received") == 100
    assert reading.value("packets_total", fate="recovered") == 2
    assert reading.value("packets_total", fate="lost") == 1
    assert reading.value("packets_total", fate="late") == 0
    assert reading.value("recorded_seconds_total") == 2
    assert reading.value("speakers") == 1
    assert reading.value("unattributed_packets_total") == 7


def test_counters_continue_in_a_second_recording(reading: Reading) -> None:
    reading.metrics.observe(report(1, 300, 300))
    reading.metrics.capture.set_progress(progress(2.0, 100))
    reading.metrics.observe(RecordingStarted(at=10))
    reading.metrics.capture.set_progress(progress(1.0, 50))
    reading.metrics.observe(report(12, 310, 310))
    assert reading.value("packets_total", fate="received") == 150
    assert reading.value("recorded_seconds_total") == 3
    assert reading.value("slot_packets_total", slot="0", stage="tapped") == 310


def test_the_manifest_completes_the_counts_of_the_progress(reading: Reading) -> None:
    reading.metrics.capture.set_progress(progress(8.0, 100))
    totals = Packets(received=110, recovered=1, lost=2, late=3, duplicate=4, trimmed=5)
    reading.metrics.capture.set_manifest(manifest(totals))
    counted = {fate: reading.value("packets_total", fate=fate) for fate in msgspec.structs.asdict(totals)}
    assert counted == msgspec.structs.asdict(totals)
    assert reading.value("recorded_seconds_total") == 9


def test_delivered_and_expected_are_kept_for_each_slot(reading: Reading) -> None:
    reading.metrics.observe(report(1, 90, 80, lost=10))
    reading.metrics.observe(report(3, 180, 170, lost=20))
    reading.metrics.observe(report(3, 5, 5, receiver=999))
    stages = {s: reading.value("slot_packets_total", slot="0", stage=s) for s in ("expected", "tapped")}
    assert stages == {"expected": 200, "tapped": 170}
    assert reading.value("slot_packets_total", slot=OTHER, stage="received") == 5


def test_deaf_taps_are_counted_and_shown_while_they_last(reading: Reading) -> None:
    reading.metrics.observe(report(1, 60, 0))
    reading.metrics.observe(TapDeaf(at=5, document=7, receiver=0, packets_received=60, frames_tapped=0))
    assert (reading.value("deaf_slots"), reading.value("deaf_taps_total")) == (1, 1)
    reading.metrics.observe(report(7, 70, 10))
    assert (reading.value("deaf_slots"), reading.value("deaf_taps_total")) == (0, 1)


def test_faults_and_audio_path_of_the_page_are_reported(reading: Reading) -> None:
    reading.metrics.observe(PageFault(at=1, document=7, where="Tap.x", message="secret"))
    reading.metrics.observe(AudioPathSeen(at=1, document=7, path="encoded"))
    assert reading.value("page_faults_total") == 1
    assert reading.value("encoded_audio_path") == 1
    assert reading.value("tape_messages_total") == 2
    assert b"secret" not in generate_latest(reading.registry)


def test_messages_of_data_channels_are_counted_by_known_labels(reading: Reading) -> None:
    def message(label: str, *, sent: bool = False) -> ChannelMessage:
        return ChannelMessage(at=1, document=7, connection=0, label=label, payload=b"x", sent=sent)

    assert reading.value("channel_messages_total", channel="collections") == 0
    for event in (
        *[message("collections")] * 3,
        message("collections", sent=True),
        message("of somebody"),
        message("secret"),
    ):
        reading.metrics.observe(event)
    assert reading.value("channel_messages_total", channel="collections") == 3
    assert reading.value("channel_messages_total", channel="other") == 2
    assert b"secret" not in generate_latest(reading.registry)


def test_gauges_of_the_capture_restart_with_the_next_tape(reading: Reading) -> None:
    """A worker with --forever does not keep the state of the previous call."""
    reading.metrics.observe(AudioPathSeen(at=1, document=7, path="encoded"))
    reading.metrics.observe(TapDeaf(at=5, document=7, receiver=0, packets_received=60, frames_tapped=0))
    reading.metrics.observe(
        TapeStarted(at=9, version=TAPE_VERSION, platform="google_meet", meeting_url="", bot_name="")
    )
    assert (reading.value("encoded_audio_path"), reading.value("deaf_slots")) == (0, 0)
    assert reading.value("deaf_taps_total") == 1


def test_outcomes_carry_the_vendors_words(reading: Reading) -> None:
    reading.metrics.job.outcome(Platform.GOOGLE_MEET, "done", None)
    reading.metrics.job.outcome(Platform.GOOGLE_MEET, "fatal", "meeting_not_found")
    reading.metrics.job.outcome(Platform.GOOGLE_MEET, "fatal", "https://example.com/?token=1")
    value = reading.value
    assert value("outcomes_total", platform="google_meet", code="done", sub_code="none") == 1
    assert value("outcomes_total", platform="google_meet", code="fatal", sub_code="meeting_not_found") == 1
    assert value("outcomes_total", platform="google_meet", code="fatal", sub_code=OTHER) == 1


def test_no_label_grows_without_end(reading: Reading) -> None:
    for number in range(MOST_VALUES + 50):
        reading.metrics.job.outcome(Platform.GOOGLE_MEET, "fatal", f"sub_code_{number}")
        reading.metrics.observe(PageDropped(at=1, document=7, what=f"thing_{number}", count=1))
    assert reading.value("outcomes_total", platform="google_meet", code="fatal", sub_code=OTHER) == 50
    assert len(generate_latest(reading.registry).splitlines()) < 1000


def test_delivery_and_jobs_are_counted(reading: Reading) -> None:
    metrics = reading.metrics
    metrics.delivery.part_closed(4000)
    metrics.delivery.uploaded(3000)
    metrics.delivery.upload_failed()
    metrics.delivery.set_upload(backlog_parts=2, lag_seconds=6.5)
    metrics.job.job_received(12.0, 2)
    metrics.delivery.queue_operation("extend", "error")
    metrics.delivery.queue_operation("dance", "ok")
    metrics.delivery.lease_operation("renew", "refused")
    metrics.delivery.set_events_backlog(3)
    metrics.job.set_attempt(2)
    metrics.job.observe_first_packet(0.3)
    metrics.job.observe_finish(0.2)
    assert reading.value("tape_bytes_total") == 4000
    assert reading.value("tape_parts_total") == 1
    assert reading.value("upload_bytes_total") == 3000
    assert reading.value("upload_failures_total") == 1
    assert reading.value("upload_backlog_parts") == 2
    assert reading.value("upload_lag_seconds") == 6.5
    assert reading.value("job_wait_seconds_sum") == 12
    assert reading.value("job_receives") == 2
    assert reading.value("queue_operations_total", operation="extend", result="error") == 1
    assert reading.value("queue_operations_total", operation=OTHER, result="ok") == 1
    assert reading.value("lease_operations_total", operation="renew", result="refused") == 1
    assert reading.value("events_backlog") == 3
    assert reading.value("attempt") == 2
    assert reading.value("first_packet_seconds_count") == 1
    assert reading.value("finish_seconds_count") == 1


def test_processes_are_read_when_asked_and_the_ended_ones_stay_counted() -> None:
    usage: dict[str, dict[ProcessId, Usage]] = {"chromium": {(10, 1.0): Usage(2.0, 100)}}
    registry = CollectorRegistry()
    ProcessMetrics(registry, lambda: usage)

    def chromium() -> tuple[float | None, float | None]:
        labels = {"role": "chromium"}
        return (
            registry.get_sample_value("meetstems_process_cpu_seconds_total", labels),
            registry.get_sample_value("meetstems_process_resident_memory_bytes", labels),
        )

    assert chromium() == (2.0, 100.0)
    usage["chromium"] = {(10, 2.0): Usage(0.5, 70)}
    assert chromium() == (2.5, 70.0)


def test_this_process_is_read_for_real() -> None:
    registry = CollectorRegistry()
    ProcessMetrics(registry)
    worker = {"role": "worker"}
    assert (registry.get_sample_value("meetstems_process_cpu_seconds_total", worker) or 0) > 0
    assert (registry.get_sample_value("meetstems_process_resident_memory_bytes", worker) or 0) > 10_000_000


def test_an_unproven_lease_and_a_stuck_upload_are_gauges(reading: Reading) -> None:
    delivery = reading.metrics.delivery
    for name, setter in (
        ("lease_unproven", delivery.set_lease_unproven),
        ("upload_stuck", delivery.set_upload_stuck),
    ):
        assert reading.value(name) == 0
        setter(True)
        assert reading.value(name) == 1
        setter(False)
        assert reading.value(name) == 0


def test_delayed_jobs_are_counted_by_reason(reading: Reading) -> None:
    reading.metrics.job.job_delayed("store_unavailable")
    reading.metrics.job.job_delayed("store_unavailable")
    reading.metrics.job.job_delayed("Access denied by bucket policy of alice")
    assert reading.value("jobs_delayed_total", reason="store_unavailable") == 2
    assert reading.value("jobs_delayed_total", reason=OTHER) == 1


def test_each_loss_of_a_page_is_counted_and_its_duration_is_a_gauge(reading: Reading) -> None:
    assert (reading.value("page_lost"), reading.value("page_losses_total")) == (0.0, 0.0)
    lost, back = PageLost(at=1, lost=True, detail="gone"), PageLost(at=2, lost=False)
    reading.metrics.observe(lost)
    reading.metrics.observe(lost)
    assert (reading.value("page_lost"), reading.value("page_losses_total")) == (1.0, 1.0)
    reading.metrics.observe(back)
    assert (reading.value("page_lost"), reading.value("page_losses_total")) == (0.0, 1.0)
    reading.metrics.observe(lost)
    reading.metrics.observe(StateChanged(at=3, state="leaving"))
    assert (reading.value("page_lost"), reading.value("page_losses_total")) == (0.0, 2.0)


def test_seconds_in_the_call_follow_the_states(reading: Reading) -> None:
    reading.metrics.observe(StateChanged(at=1, state="in_call_recording"))
    began = time.monotonic()
    while time.monotonic() == began:
        pass
    seconds = reading.value("in_call_seconds_total", state="in_call_recording")
    assert seconds is not None
    assert seconds > 0

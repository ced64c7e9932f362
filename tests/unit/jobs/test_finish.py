from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, cast

import msgspec
import pytest

from tests.support.event_sinks import ListSink
from tests.support.job_parts import context_with, job
from tests.support.memory_store import Failing, MemoryStore
from tests.support.page_files import files_of_page
from tests.support.sample_manifests import recorded, someone, video, video_segment, with_videos
from tests.support.transcoding_processes import suspended_encoder
from tests.support.video_streams import encoded, write_stream
from worker.contracts.job import Job
from worker.contracts.status import BotStatus, Result
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.fenced_store import FencedStore
from worker.delivery.lease import Lease, LeaseLostError, LeaseRecord
from worker.delivery.tape_upload import TapeUpload
from worker.errors import MeetstemsError
from worker.jobs import finish, publish_attempts, publish_page
from worker.jobs.attempt import Attempt
from worker.jobs.finish import Finish
from worker.jobs.publish import MEETING_PATIENCE
from worker.jobs.publish_attempts import AttemptsPublisher
from worker.jobs.recovery import files_of
from worker.jobs.recovery_process import RecoveryError
from worker.jobs.reporter import Reporter
from worker.jobs.transcode_videos import Transcode
from worker.lifecycle.ending import Ending
from worker.manifest.meeting_schema import MeetingLog
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Manifest
from worker.monitoring.logs import LogTail
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.settings import WorkerSettings
from worker.states import State
from worker.video.codecs import Container, VideoCodec
from worker.video.transcoding import transcode

KEYS = bot_keys("", "bot-1")
JOB = job(audio_separate_streams=True)
TTL = 30.0
ENDED = Ending(Reason.MEETING_ENDED, "", 5.0)
GRACE = recorded(2, 12.0, 10.0, someone(2, "Grace Hopper", (1.0, 2.0))).manifest
LOG: Final = KEYS.attempt(2).file("meeting.json")
MEETING_LOG = MeetingLog(started_at=GRACE.recording.started_at)
EARLIER = recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0)), reason="drained")


class Setup:
    """Finishing a job whose attempts' tapes are in the store. ``recovered``: what the recovery returns or raises."""

    def __init__(
        self,
        store: MemoryStore,
        folder: Path,
        *attempts: Attempt,
        recovered: list[RecordedAttempt] | Exception | None = None,
        keep_tape: bool = True,
        job: Job = JOB,
        ends: Sequence[int] = (),
        before: BotStatus | None = None,
        transcode: Transcode | None = None,
    ) -> None:
        self.store = store
        self.ends = ends
        """Endpoints of live streams that are done."""
        self.sink = ListSink()
        self.steady = 0.0
        self.names_at_recovery: list[str] = []
        self._recovered = [] if recovered is None else recovered
        self.recovered_videos: list[RecordedAttempt] | Exception = []
        self.lease = Lease.acquire(store, KEYS.lease, "worker-1", time.time(), TTL, lambda: self.steady)
        settings = WorkerSettings(bucket="bucket", keep_tape=keep_tape)
        context = replace(
            context_with(self.sink), store=cast(Any, store), worker_settings=settings, work=folder
        )
        number = max((each.number for each in attempts), default=1)
        self.out_of_time = threading.Event()
        fenced = FencedStore(store, lambda: self.lease.may_speak(time.time()))
        reporter = Reporter(fenced, KEYS, self.sink, self.lease, job, number, time.time, before=before)
        self.reporter = reporter
        self.finish = Finish(
            job,
            KEYS,
            context,
            fenced,
            self.lease,
            reporter,
            self._recover,
            self._recover_videos,
            attempts,
            self.out_of_time,
            self._live_ended,
            transcode,
        )

    async def _live_ended(self) -> None:
        self.names_at_live_end = list(self.sink.names)
        for number in self.ends:
            self.reporter.endpoint(number, "done")

    async def _recover(self) -> list[RecordedAttempt]:
        self.names_at_recovery = list(self.sink.names)
        if isinstance(self._recovered, Exception):
            raise self._recovered
        return self._recovered

    async def _recover_videos(self) -> list[RecordedAttempt]:
        self.names_at_videos = list(self.sink.names)
        if isinstance(self.recovered_videos, Exception):
            raise self.recovered_videos
        return self.recovered_videos

    def take_over(self) -> None:
        self.steady += TTL + 1
        record = LeaseRecord(owner="worker-2", attempt=9, expires_at=time.time() + 600, ttl=TTL)
        self.store.overwrite(KEYS.lease, msgspec.json.encode(record))

    def result(self) -> Result:
        return msgspec.json.decode(self.store.objects[f"{KEYS.folder}result.json"], type=Result)

    def tapes(self) -> set[int | None]:
        return {KEYS.attempt_of(key) for key in self.store.objects if "/tape/" in key}


def put_tape(store: MemoryStore, *numbers: int) -> None:
    for number in numbers:
        store.overwrite(KEYS.attempt(number).tape_part("part-000000.mcap"), b"the only copy")


def made(
    number: int,
    folder: Path,
    manifest: Manifest | None,
    *,
    error: Exception | None = None,
    reason: Reason = Reason.MEETING_ENDED,
) -> Attempt:
    """An attempt whose files are in ``folder``, and whose tape is uploaded."""
    files = folder / f"files-{number}"
    (files / "streams").mkdir(parents=True)
    if manifest is not None:
        for name in files_of(manifest, separate_audio=True):
            (files / name).parent.mkdir(exist_ok=True)
            (files / name).write_bytes(b"sound of " + name.encode())
        (files / "audio_streams.json").write_bytes(msgspec.json.encode(manifest))
        (files / "timeline.html").write_bytes(b"the page")
    ending = Ending(reason, "", 5.0)
    outcome = RecordingOutcome(ending, True, manifest, error, None, None, None)
    keys = KEYS.attempt(number)
    with closing(TapeUpload(MemoryStore(), keys)) as upload:
        return Attempt(number, keys, LogTail(), upload, outcome, manifest, files, folder / "failure")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_everything_is_published_and_reported_in_order(store: MemoryStore, tmp_path: Path) -> None:
    put_tape(store, 2)
    own = made(2, tmp_path, recorded(2, 12.0, 10.0, someone(2, "Grace Hopper", (1.0, 2.0))).manifest)
    setup = Setup(store, tmp_path, own, recovered=[EARLIER])
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert (result.outcome, result.reason, result.attempt) == ("recorded", "meeting_ended", 2)
    assert setup.sink.names == ["bot.stopped", "audio.processed", "bot.done", "bot.result"]
    manifest = msgspec.json.decode(store.objects[KEYS.audio_streams], type=Manifest)
    assert {person.participant_name for person in manifest.participants} == {"Ada Lovelace", "Grace Hopper"}
    assert {file.key for file in result.files} == {key for key in store.objects if "/files/" in key}
    assert result == setup.result()
    assert (result.counters["tape_parts"], setup.tapes()) == (1, {2})


async def test_files_are_published_although_the_recovery_fails(store: MemoryStore, tmp_path: Path) -> None:
    own = made(2, tmp_path, recorded(2, 12.0, 10.0, someone(2, "Grace Hopper", (1.0, 2.0))).manifest)
    setup = Setup(store, tmp_path, own, recovered=RecoveryError("exit code 1"))
    with pytest.raises(RecoveryError):
        await setup.finish.run(ENDED)
    published = [key for key in store.objects if "/files/" in key]
    assert KEYS.attempt(2).file("audio.wav") in published
    assert len(published) == 4
    assert setup.sink.names == []
    assert f"{KEYS.folder}result.json" not in store.objects


@pytest.mark.parametrize(
    "problem",
    [RecoveryError("exit code 1"), RefusedError("no"), OSError("disk"), ValueError("no"), None],
    ids=repr,
)
async def test_a_job_that_is_given_up_is_reported_before_its_recovery(
    store: MemoryStore, tmp_path: Path, problem: Exception | None
) -> None:
    put_tape(store, 1)
    setup = Setup(store, tmp_path, recovered=problem or [EARLIER])
    result = await setup.finish.give_up()
    assert result is not None
    assert (result.outcome, result.reason) == ("failed", "too_many_attempts")
    assert setup.names_at_recovery == ["bot.failed", "bot.result"]
    assert (KEYS.audio_streams in store.objects) == (problem is None)
    # Nobody goes on waiting for audio.
    status = msgspec.json.decode(store.objects[KEYS.status], type=BotStatus)
    assert (status.audio_status, status.reported) == ("Success", True)
    # Nobody made sure that its files are there.
    assert setup.tapes() == {1}


async def test_a_given_up_job_that_cannot_be_reported_is_recovered_all_the_same(
    store: MemoryStore, tmp_path: Path
) -> None:
    setup = Setup(store, tmp_path, recovered=[EARLIER])
    setup.sink.reachable = False
    assert await setup.finish.give_up() is None
    assert KEYS.audio_streams in store.objects


WEBHOOKS: Final = [
    {"type": "webhook", "url": f"https://live.example/{path}", "events": ["participant_events.join"]}
    for path in "ab"
]
LIVE: Final = job(recording_config={"realtime_endpoints": WEBHOOKS})


async def test_live_streams_end_before_the_result_which_warns_of_those_that_failed(
    store: MemoryStore, tmp_path: Path
) -> None:
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE), job=LIVE, ends=[0])
    setup.reporter.enter(State.IN_CALL_RECORDING)
    setup.reporter.recording_began(time.time())
    setup.reporter.endpoint(1, "failed", "refused by https://user:passw0rd@live.example/b")
    result = await setup.finish.run(ENDED)
    assert result is not None
    # The files are there before anything waits for a receiver.
    assert setup.names_at_live_end[-2:] == ["bot.stopped", "audio.processed"]
    assert setup.sink.names[-3:] == ["realtime_endpoint.done", "bot.done", "bot.result"]
    field = "recording_config.realtime_endpoints.1.url"
    warning = f"The live stream to {field} failed (refused by https://***@live.example/b)."
    assert [each for each in result.warnings if "live" in each] == [warning]
    status = msgspec.json.decode(store.objects[KEYS.status], type=BotStatus)
    changes = [(change.number, change.code) for change in status.realtime_endpoints]
    assert changes == [(1, "failed"), (0, "done")]


@pytest.mark.parametrize("gives_up", [False, True])
async def test_what_a_lost_worker_streamed_to_has_failed(
    store: MemoryStore, tmp_path: Path, gives_up: bool
) -> None:
    """Endpoint 0 had failed before the worker was lost, 1 was reached."""
    before = Setup(store, tmp_path, job=LIVE)
    before.reporter.enter(State.IN_CALL_RECORDING)
    before.reporter.recording_began(time.time())
    before.reporter.endpoint(0, "failed", "refused")
    before.reporter.endpoint(1, "running")
    lost = before.reporter._status
    setup = Setup(MemoryStore(), tmp_path, recovered=[EARLIER], job=LIVE, before=lost)
    result = await (setup.finish.give_up() if gives_up else setup.finish.run(None))
    assert result is not None
    assert setup.sink.names.count("realtime_endpoint.failed") == 1
    failed = [each.partition(" failed")[0][-5:] for each in result.warnings if "live stream" in each]
    assert failed == ["0.url", "1.url"]


WRITE: Final = "meeting.json could not be written ("
READ: Final = "The participants and messages of attempt 2 are missing ("


@pytest.mark.parametrize(
    ("request_", "warning"),
    [(f"put {KEYS.meeting}", WRITE), (f"get {KEYS.meeting}", WRITE), (f"get {LOG}", READ)],
)
@pytest.mark.parametrize(
    "problem", [RefusedError("no"), UnavailableError("no"), OSError("disk"), ValueError("no")], ids=repr
)
async def test_a_failing_document_of_the_meeting_costs_nothing_else(
    store: MemoryStore, tmp_path: Path, request_: str, warning: str, problem: Exception
) -> None:
    def before(method: str, key: str) -> None:
        if f"{method} {key}" == request_:
            raise problem

    store.overwrite(LOG, msgspec.json.encode(MEETING_LOG))
    store.before = before
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE))
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert setup.sink.names == ["bot.stopped", "audio.processed", "bot.done", "bot.result"]
    assert KEYS.attempt(2).file("audio.wav") in store.objects
    assert [each for each in result.warnings if each.startswith(warning)] == result.warnings
    assert len(setup.result().warnings) == 1
    assert (KEYS.meeting in store.objects) == (warning is READ)
    # What only meeting.json waits for is not tried for ever.
    assert MEETING_PATIENCE in store.budgets


async def test_a_meeting_that_cannot_be_merged_costs_nothing_else(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(finish, "merge_meetings", fail)
    store.overwrite(LOG, msgspec.json.encode(MEETING_LOG))
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE))
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert result.warnings == [f"{WRITE}ZeroDivisionError)."]
    assert setup.sink.names == ["bot.stopped", "audio.processed", "bot.done", "bot.result"]


async def test_a_meeting_log_that_cannot_be_uploaded_costs_no_audio(
    store: MemoryStore, tmp_path: Path
) -> None:
    own = made(2, tmp_path, GRACE)
    (own.files / "meeting.json").write_bytes(msgspec.json.encode(MEETING_LOG))
    store.before = Failing(RefusedError("no"), wanted=(f"put {LOG}",))
    setup = Setup(store, tmp_path, own)
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert [each.startswith(READ) for each in result.warnings] == [True]
    assert KEYS.attempt(2).file("audio_streams.json") in store.objects


@pytest.mark.parametrize("problem", [RefusedError("no"), UnavailableError("no")], ids=repr)
async def test_a_worker_without_time_leaves_the_document_of_the_meeting_to_the_next(
    store: MemoryStore, tmp_path: Path, problem: Exception
) -> None:
    store.before = Failing(problem, wanted=(f"put {KEYS.meeting}",))
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE))
    setup.out_of_time.set()
    with pytest.raises(type(problem)):
        await setup.finish.run(ENDED)
    assert f"{KEYS.folder}result.json" not in store.objects


@pytest.mark.parametrize("step", ["files", "stopped", "meeting", "result"])
async def test_a_worker_that_was_taken_over_ends_nothing(
    store: MemoryStore, tmp_path: Path, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it was paused."""
    own = made(2, tmp_path, recorded(2, 12.0, 10.0, someone(2, "Grace Hopper", (1.0, 2.0))).manifest)
    setup = Setup(store, tmp_path, own)
    marks = {
        "files": ("put", "/files/audio_streams.json"),
        "stopped": ("put", "bot-1/audio_streams.json"),
        "meeting": ("get", "/files/meeting.json"),
        "result": ("list", "/tape/"),
    }
    wanted_method, wanted_key = marks[step]

    def before(method: str, key: str) -> None:
        if method == wanted_method and key.endswith(wanted_key):
            store.before = lambda _method, _key: None
            setup.take_over()

    store.before = before
    with pytest.raises(LeaseLostError):
        await setup.finish.run(ENDED)
    assert "meeting.json could not be written" not in caplog.text
    assert "bot.result" not in setup.sink.names
    assert f"{KEYS.folder}result.json" not in store.objects


async def test_a_taken_over_worker_gives_nothing_up(store: MemoryStore, tmp_path: Path) -> None:
    setup = Setup(store, tmp_path, recovered=[EARLIER])
    setup.take_over()
    with pytest.raises(LeaseLostError):
        await setup.finish.give_up()
    assert setup.sink.names == []
    assert f"{KEYS.folder}result.json" not in store.objects


async def test_the_first_result_counts(store: MemoryStore, tmp_path: Path) -> None:
    first = Setup(store, tmp_path, recovered=[EARLIER])
    kept = await first.finish.run(None)
    first.lease.release(time.time())
    second = Setup(store, tmp_path, recovered=[EARLIER])
    assert await second.finish.give_up() == kept
    (sent,) = (event for event in second.sink.sent if event["event"] == "bot.result")
    assert kept is not None
    assert (sent["outcome"], sent["reason"]) == (kept.outcome, kept.reason)


async def test_a_result_that_cannot_be_sent_is_kept(store: MemoryStore, tmp_path: Path) -> None:
    setup = Setup(store, tmp_path, recovered=[EARLIER], keep_tape=False)
    put_tape(store, 1)
    setup.sink.reachable = False
    assert await setup.finish.run(None) is None
    assert setup.result().bot_id == "bot-1"
    assert setup.tapes() == {1}


INCOMPLETE = msgspec.structs.replace(
    GRACE, recording=msgspec.structs.replace(GRACE.recording, incomplete_files=["audio.wav"])
)


@pytest.mark.parametrize(
    ("manifest", "error", "uploaded", "left"),
    [
        # All files are there.
        (GRACE, None, True, set()),
        # The files could not be made: the tape is the only copy.
        (None, MeetstemsError("the files cannot be written"), True, {2}),
        # Nothing was recorded, such as in the waiting room.
        (None, None, True, set()),
        # The files of the earlier attempt are not in the bucket.
        (GRACE, None, False, {1}),
        # A file ends early: the tape has the rest.
        (INCOMPLETE, OSError("disk full"), True, {2}),
    ],
    ids=["complete", "no files", "empty", "earlier files missing", "incomplete"],
)
async def test_tapes_are_removed_only_where_files_are_complete(
    store: MemoryStore,
    tmp_path: Path,
    manifest: Manifest | None,
    error: Exception | None,
    uploaded: bool,
    left: set[int],
) -> None:
    put_tape(store, 1, 2)
    if uploaded:
        for name in files_of(EARLIER.manifest, separate_audio=True):
            store.overwrite(KEYS.attempt(1).file(name), b"sound")
    own = made(2, tmp_path, manifest, error=error)
    setup = Setup(store, tmp_path, own, recovered=[EARLIER], keep_tape=False)
    assert await setup.finish.run(ENDED) is not None
    assert setup.tapes() == left


async def test_the_tape_of_an_attempt_that_nobody_recovered_stays(store: MemoryStore, tmp_path: Path) -> None:
    """Recovery found nothing in it, which may be this version's mistake."""
    put_tape(store, 1, 2)
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE), recovered=[], keep_tape=False)
    assert await setup.finish.run(ENDED) is not None
    assert setup.tapes() == {1}


async def test_tapes_stay_by_default(store: MemoryStore, tmp_path: Path) -> None:
    put_tape(store, 2)
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE))
    assert await setup.finish.run(ENDED) is not None
    assert setup.tapes() == {2}


async def test_a_tape_that_cannot_be_removed_is_no_failure(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "REMOVAL_PATIENCE", 0.0)
    put_tape(store, 2)
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE), keep_tape=False)
    store.before = Failing(RefusedError("no"), wanted=("delete ",))
    assert await setup.finish.run(ENDED) is not None
    assert setup.tapes() == {2}


VIDEO_JOB: Final = job(audio_separate_streams=True, video_separate_streams=True)
ADA: Final = video(1, "Ada Lovelace", video_segment("Ada", 1.0))
SHOWN: Final = with_videos(
    recorded(2, 12.0, 10.0, someone(2, "Grace Hopper", (1.0, 2.0))),
    video(2, "Grace Hopper", video_segment("Grace", ending="webm", codec="vp8")),
    video(2, "Grace Hopper", video_segment("Grace", 4.0, 2.0, kind="screenshare"), kind="screenshare"),
).manifest
SHOWN_FILES: Final = [segment.url for _, segment in SHOWN.video_segments()]
SHARE: Final = video_segment("Grace", kind="screenshare")
FILM: Final = KEYS.attempt(2).file(video_segment("Grace", ending="webm").url)


def document(store: MemoryStore) -> Manifest:
    return msgspec.json.decode(store.objects[KEYS.audio_streams], type=Manifest)


def status_of(store: MemoryStore) -> BotStatus:
    return msgspec.json.decode(store.objects[KEYS.status], type=BotStatus)


async def test_videos_come_after_all_else_and_the_document_names_only_what_is_there(
    store: MemoryStore, tmp_path: Path
) -> None:
    earlier = with_videos(EARLIER, ADA)
    store.overwrite(KEYS.attempt(1).file(ADA.segments[0].url), b"film")
    setup = Setup(store, tmp_path, made(2, tmp_path, SHOWN), recovered=[earlier], job=VIDEO_JOB)
    seen: list[tuple[str, bool, str | None]] = []

    def before(method: str, key: str) -> None:
        if method == "put" and "/video/" in key:
            urls = [segment.url for _, segment in document(store).video_segments()]
            seen.append((key.rpartition("/")[2], bool(urls), status_of(store).video_status))
            assert KEYS.attempt(2).file("audio.wav") in store.objects

    store.before = before
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert set(seen) == {
        (SHARE.filename, False, "in_progress"),
        (FILM.rpartition("/")[2], False, "in_progress"),
    }
    assert setup.sink.names == ["bot.stopped", "audio.processed", "video.processed", "bot.done", "bot.result"]
    merged = document(store)
    assert [(stream.participant_name, stream.kind) for stream, _ in merged.video_segments()] == [
        ("Ada Lovelace", "webcam"),
        ("Grace Hopper", "webcam"),
        ("Grace Hopper", "screenshare"),
    ]
    assert [segment.start_seconds for _, segment in merged.video_segments()] == [1.0, 12.0, 16.0]
    assert all(f"{KEYS.folder}{segment.url}" in store.objects for _, segment in merged.video_segments())
    assert status_of(store).video_status == "Success"
    assert not any("could not be kept" in each for each in result.warnings)
    assert FILM in {file.key for file in result.files}
    counters = {name: count for name, count in result.counters.items() if name.startswith("video")}
    assert counters == {
        "video_files": 3.0,
        "video_bytes": 30_000.0,
        "video_frames": 180.0,
        "video_frames_lost": 0.0,
    }


async def test_a_job_without_video_says_nothing_of_it(store: MemoryStore, tmp_path: Path) -> None:
    setup = Setup(store, tmp_path, made(2, tmp_path, GRACE))
    assert await setup.finish.run(ENDED) is not None
    assert document(store).video_streams is msgspec.UNSET
    assert status_of(store).video_status is None
    assert not any(name.startswith("video") for name in setup.result().counters)


@pytest.mark.parametrize("manifest", [GRACE, with_videos(EARLIER).manifest], ids=["old tape", "nobody"])
async def test_where_nobody_showed_a_video_the_list_is_empty(
    store: MemoryStore, tmp_path: Path, manifest: Manifest
) -> None:
    setup = Setup(store, tmp_path, made(2, tmp_path, manifest), job=VIDEO_JOB)
    assert await setup.finish.run(ENDED) is not None
    assert document(store).video_streams == []
    assert "video.processed" in setup.sink.names
    assert status_of(store).video_status == "Success"


async def test_where_nothing_was_recorded_nobody_waits_for_video(store: MemoryStore, tmp_path: Path) -> None:
    setup = Setup(store, tmp_path, made(2, tmp_path, None), job=VIDEO_JOB)
    assert await setup.finish.run(ENDED) is not None
    assert "video.processed" not in setup.sink.names
    assert status_of(store).video_status == "Success"


@pytest.mark.parametrize(
    ("lost", "status", "left"),
    [((FILM,), "Success", ["screenshare"]), (("/video/",), "Failed", [])],
    ids=["one", "all"],
)
@pytest.mark.parametrize(
    "problem", [RefusedError("no"), UnavailableError("no"), OSError("no file")], ids=repr
)
async def test_a_video_that_cannot_be_kept_costs_nothing_else(
    store: MemoryStore,
    tmp_path: Path,
    problem: Exception,
    lost: tuple[str, ...],
    status: str,
    left: list[str],
) -> None:
    def before(method: str, key: str) -> None:
        if method == "put" and any(mark in key for mark in lost):
            raise problem

    put_tape(store, 2)
    store.before = before
    setup = Setup(store, tmp_path, made(2, tmp_path, SHOWN), job=VIDEO_JOB, keep_tape=False)
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert (result.outcome, result.reason) == ("recorded", "meeting_ended")
    assert "1 video file of the webcam of Grace Hopper could not be kept." in result.warnings
    assert [stream.kind for stream, _ in document(store).video_segments()] == left
    assert status_of(store).video_status == status
    assert KEYS.attempt(2).file("audio.wav") in store.objects
    # Another version, or another store, can still make the video of it.
    assert setup.tapes() == {2}


async def test_a_worker_without_time_leaves_videos_to_the_next(store: MemoryStore, tmp_path: Path) -> None:
    store.before = Failing(UnavailableError("no"), wanted=(f"put {FILM}",))
    setup = Setup(store, tmp_path, made(2, tmp_path, SHOWN), job=VIDEO_JOB)
    setup.out_of_time.set()
    with pytest.raises(UnavailableError, match="another worker"):
        await setup.finish.run(ENDED)
    assert f"{KEYS.folder}result.json" not in store.objects
    assert "audio.processed" in setup.sink.names


async def test_videos_are_transcoded_before_their_upload_when_asked_for(
    store: MemoryStore, tmp_path: Path
) -> None:
    def copy(source: Path, target: Path) -> None:
        target.write_bytes(b"mp4 of " + source.read_bytes())

    async def transcode(source: Path, target: Path) -> None:
        copy(source, target)

    put_tape(store, 2)
    own = made(2, tmp_path, SHOWN)
    setup = Setup(store, tmp_path, own, job=VIDEO_JOB, transcode=transcode, keep_tape=False)
    assert await setup.finish.run(ENDED) is not None
    assert FILM not in store.objects
    film = KEYS.attempt(2).file(video_segment("Grace", ending="h264.mp4").url)
    assert store.objects[film] == b"mp4 of sound of " + video_segment("Grace", ending="webm").url.encode()
    # H.264 in MP4 is uploaded as it was sent.
    share = KEYS.attempt(2).file(SHARE.url)
    assert store.objects[share] == b"sound of " + SHARE.url.encode()
    own_manifest = msgspec.json.decode(
        store.objects[KEYS.attempt(2).file("audio_streams.json")], type=Manifest
    )
    for manifest in (own_manifest, document(store)):
        camera, _ = (segment for _, segment in manifest.video_segments())
        assert (camera.codec, camera.filename) == ("h264", video_segment("Grace", ending="h264.mp4").filename)
        assert camera.size_bytes == len(store.objects[film])
    # The manifest names what is there, so nothing needs the tape any more.
    assert setup.tapes() == set()


@pytest.mark.parametrize("transcodes", [False, True])
@pytest.mark.parametrize("lost", [None, SHARE.url])
@pytest.mark.parametrize("separate_audio", [True, False])
async def test_the_page_of_a_job_with_video_plays_what_is_in_the_bucket(
    store: MemoryStore, tmp_path: Path, transcodes: bool, lost: str | None, separate_audio: bool
) -> None:
    """As sent or transcoded, where one could not be uploaded, and where the job asks for nothing but video."""

    def copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())

    async def transcode(source: Path, target: Path) -> None:
        copy(source, target)

    own = made(2, tmp_path, SHOWN)
    if lost is not None:
        (own.files / lost).unlink()
    wanted = job(audio_separate_streams=separate_audio, video_separate_streams=True)
    setup = Setup(store, tmp_path, own, job=wanted, transcode=transcode if transcodes else None)
    assert await setup.finish.run(ENDED) is not None
    keys = KEYS.attempt(2)
    there = {key.removeprefix(keys.files) for key in store.objects if key.startswith(keys.files)}
    played = {name for name in there if name.endswith((".wav", ".webm", ".mp4"))}
    assert files_of_page(store.objects[keys.file("timeline.html")]) == played
    assert any("h264.mp4" in name for name in played) is transcodes
    assert any(name.startswith("streams/") for name in played) is separate_audio
    assert (SHARE.url in played) is (lost is None)


async def test_a_page_that_cannot_be_uploaded_is_a_warning(store: MemoryStore, tmp_path: Path) -> None:
    store.before = Failing(RefusedError("no"), wanted=(f"put {KEYS.attempt(2).file('timeline.html')}",))
    setup = Setup(store, tmp_path, made(2, tmp_path, SHOWN), job=VIDEO_JOB)
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert result.outcome == "recorded"
    assert "There is no timeline of attempt 2: it could not be uploaded." in result.warnings


@pytest.mark.parametrize(("audio", "video"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize("there", [False, True], ids=["missing", "there"])
async def test_a_recovered_attempt_without_its_timeline_is_a_warning(
    there: bool, audio: bool, video: bool, store: MemoryStore, tmp_path: Path
) -> None:
    """Whoever should have uploaded it: the process that recovers, or a worker that was lost before."""
    if there:
        store.overwrite(KEYS.attempt(1).file("timeline.html"), b"the page")
    own = made(2, tmp_path, SHOWN if video else GRACE)
    wanted = job(audio_separate_streams=audio, video_separate_streams=video)
    setup = Setup(store, tmp_path, own, recovered=[EARLIER], job=wanted)
    result = await setup.finish.run(ENDED)
    assert result is not None
    said = [each for each in result.warnings if "timeline" in each]
    assert said == ([] if there else ["There is no timeline of attempt 1: it could not be uploaded."])


@pytest.mark.parametrize("separate_audio", [False, True])
async def test_a_timeline_that_is_not_wanted_or_not_written_is_not_missing(
    separate_audio: bool, store: MemoryStore, tmp_path: Path
) -> None:
    manifest = EARLIER.manifest
    if separate_audio:
        recording = msgspec.structs.replace(manifest.recording, incomplete_files=["timeline.html"])
        manifest = msgspec.structs.replace(manifest, recording=recording)
    earlier = EARLIER._replace(manifest=manifest)
    setup = Setup(store, tmp_path, recovered=[earlier], job=job(audio_separate_streams=separate_audio))
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert not [each for each in result.warnings if "timeline" in each]


async def test_a_recovered_job_that_was_given_up_has_its_videos(store: MemoryStore, tmp_path: Path) -> None:
    store.overwrite(KEYS.attempt(1).file(ADA.segments[0].url), b"film")
    setup = Setup(store, tmp_path, recovered=[with_videos(EARLIER, ADA)], job=VIDEO_JOB)
    assert await setup.finish.give_up() is not None
    assert [stream.participant_name for stream, _ in document(store).video_segments()] == ["Ada Lovelace"]
    assert status_of(store).video_status == "Success"


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_videos_of_earlier_workers_come_after_the_audio(
    store: MemoryStore, tmp_path: Path, is_given_up: bool
) -> None:
    store.overwrite(KEYS.attempt(1).file(ADA.segments[0].url), b"film")
    as_sent = video(1, "Ada Lovelace", video_segment("Ada", 1.0, ending="webm", codec="vp8"))
    setup = Setup(store, tmp_path, recovered=[with_videos(EARLIER, as_sent)], job=VIDEO_JOB)
    setup.recovered_videos = [with_videos(EARLIER, ADA)]
    finish = setup.finish
    assert await (finish.give_up() if is_given_up else finish.run(ENDED)) is not None
    assert setup.names_at_videos[-1] == "audio.processed"
    ((_, camera),) = document(store).video_segments()
    assert camera.codec == "h264"
    assert status_of(store).video_status == "Success"


async def test_videos_that_cannot_be_recovered_cost_nothing_else(store: MemoryStore, tmp_path: Path) -> None:
    setup = Setup(store, tmp_path, recovered=[with_videos(EARLIER, ADA)], job=VIDEO_JOB)
    setup.recovered_videos = RecoveryError("no")
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert "1 video file of the webcam of Ada Lovelace could not be kept." in result.warnings
    assert status_of(store).video_status == "Failed"
    # Without time it is the next worker's turn.
    setup.out_of_time.set()
    with pytest.raises(RecoveryError):
        await setup.finish.run(ENDED)


@pytest.mark.parametrize("audio_is_there", [True, False])
async def test_videos_of_a_job_that_was_given_up_have_failed_where_they_are_not_published(
    store: MemoryStore, tmp_path: Path, audio_is_there: bool
) -> None:
    recovered = [with_videos(EARLIER, ADA)] if audio_is_there else RecoveryError("no")
    setup = Setup(store, tmp_path, recovered=recovered, job=VIDEO_JOB)
    setup.out_of_time.set()
    assert await setup.finish.give_up() is not None
    status = status_of(store)
    assert (status.audio_status, status.video_status) == ("Success", "Failed")
    assert ("audio.processed" in setup.sink.names) is audio_is_there
    assert setup.sink.names[-1] == "video.processed"


FAILING_STEPS: Final = [
    (publish_attempts, "publish_manifest_again", "The manifest of attempt 2 names its videos"),
    (publish_page, "timeline_html", "There is no timeline of attempt 2"),
    (AttemptsPublisher, "_publish_failure", "What shows the failure of attempt 1 is missing"),
    (finish, "meeting_log_of", "The participants and messages of attempt 2 are missing"),
    (finish, "merge_meetings", "meeting.json could not be written"),
    (finish, "with_stored_videos", "audio_streams.json names no videos"),
    (Setup, "_live_ended", "The ends of the live streams are not known"),
    (Setup, "_recover_videos", None),
]
"""(owner, step, beginning of the warning): the steps after a call that its recording does not need."""


@pytest.mark.parametrize(
    "problem", [RefusedError("no"), OSError(28, "No space left"), ValueError("no")], ids=repr
)
@pytest.mark.parametrize(("owner", "step", "warning"), FAILING_STEPS, ids=[each[1] for each in FAILING_STEPS])
async def test_a_step_that_the_recording_does_not_need_fails_alone(
    owner: object,
    step: str,
    warning: str | None,
    problem: Exception,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise problem

    async def fail_later(_: object) -> NoReturn:
        raise problem

    async def to_mp4(source: Path, target: Path) -> None:
        await asyncio.to_thread(shutil.copy, source, target)

    if owner is Setup:
        monkeypatch.setattr(owner, step, fail_later)
    else:
        monkeypatch.setattr(owner, step, fail)
    store.overwrite(LOG, msgspec.json.encode(MEETING_LOG))
    crashed = made(1, tmp_path, None, reason=Reason.BROWSER_DIED)
    setup = Setup(store, tmp_path, crashed, made(2, tmp_path, SHOWN), job=VIDEO_JOB, transcode=to_mp4)
    result = await setup.finish.run(ENDED)
    assert result is not None
    assert (result.outcome, result.state) == ("recorded", "done")
    assert setup.sink.names[-1] == "bot.result"
    assert "audio.processed" in setup.sink.names
    assert status_of(store).reported
    keys = KEYS.attempt(2)
    for name in ("audio.wav", "audio_streams.json", *(segment.url for _, segment in SHOWN.segments())):
        assert keys.file(name) in store.objects, f"{name} is missing"
    assert any("/video/" in key for key in store.objects)
    if step != "timeline_html":
        assert keys.file("timeline.html") in store.objects
    if step != "merge_meetings":
        assert KEYS.meeting in store.objects
    if step != "_publish_failure":
        assert any(key.startswith(KEYS.attempt(1).failure) for key in store.objects)
    if warning is not None:
        assert any(each.startswith(warning) for each in result.warnings), result.warnings


@pytest.mark.parametrize("problem", [RefusedError("no"), OSError(28, "No space left")], ids=repr)
async def test_a_timeline_that_cannot_be_uploaded_costs_no_mix(
    problem: Exception, store: MemoryStore, tmp_path: Path
) -> None:
    timeline = KEYS.attempt(2).file("timeline.html")

    def before(method: str, key: str) -> None:
        if (method, key) == ("put", timeline):
            raise problem

    store.before = before
    result = await Setup(store, tmp_path, made(2, tmp_path, GRACE)).finish.run(ENDED)
    assert result is not None
    assert result.outcome == "recorded"
    assert result.warnings[-1] == "There is no timeline of attempt 2: it could not be uploaded."
    assert KEYS.attempt(2).file("audio.wav") in store.objects
    assert timeline not in store.objects


async def test_a_worker_that_has_to_stop_ends_the_encoder_and_uploads_the_original(
    store: MemoryStore, tmp_path: Path
) -> None:
    attempt = made(2, tmp_path, SHOWN)
    original = SHOWN_FILES[0]
    write_stream(attempt.files / original, VideoCodec.VP8, Container.WEBM, encoded(VideoCodec.VP8))
    content = (attempt.files / original).read_bytes()
    stopped = asyncio.get_running_loop().create_future()
    setup = Setup(store, tmp_path, attempt, job=VIDEO_JOB, transcode=partial(transcode, stopped=stopped))
    finishing = asyncio.create_task(setup.finish.run(ENDED))
    async with suspended_encoder() as encoder, asyncio.timeout(15):
        stopped.set_result("SIGTERM")
        result = await finishing
        assert not encoder.is_running()
    assert result is not None
    assert result.outcome == "recorded"
    assert "A video file could not be transcoded to MP4: as sent." in result.warnings
    assert store.objects[KEYS.attempt(2).file(original)] == content
    assert set(SHOWN_FILES) <= files_of_page(store.objects[KEYS.attempt(2).file("timeline.html")])

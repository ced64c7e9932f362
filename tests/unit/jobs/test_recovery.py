from __future__ import annotations

import asyncio
import errno
import io
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import av
import msgspec
import psutil
import pytest

from tests.support.page_files import files_of_page
from tests.support.transcoding_processes import suspended_encoder
from tests.support.uploaded_tapes import KEYS, events, put_tape, write_tape
from tests.support.video_streams import encoded
from tests.support.video_tapes import ListedSources, batches, sent, use_sources, with_video
from worker.audio.mixer import Sums
from worker.audio.wav import WavWriter
from worker.contracts.parse_job import parse_job
from worker.delivery.aws_clients import s3_client
from worker.delivery.embedded_aws import Embedded, embedded_aws
from worker.delivery.errors import RefusedError
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs import recovery
from worker.jobs.earlier_attempts import look_back, manifest_of
from worker.jobs.publish import publish_audio, publish_rest
from worker.jobs.recovery import files_of, recover, recover_videos
from worker.jobs.recovery_process import RecoveryError, recover_in_process, recovery_task
from worker.jobs.second_try import replay_twice
from worker.jobs.transcode_videos import Transcode
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering import mix_file
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, ReplayResult, replay
from worker.roster.video_sources import VideoEvidence, VideoKind, VideoOwner
from worker.settings import WorkerSettings
from worker.video.codecs import VideoCodec
from worker.video.transcoding import transcode

JOB = parse_job(
    b'{"bot_id": "bot-1", "meeting_link": "https://meet.google.com/abc-defg-hij", "audio_separate_streams": true}',
    str,
)


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    with embedded_aws() as aws:
        yield aws


@pytest.fixture
def store(embedded: Embedded) -> Iterator[S3Store]:
    with closing(s3_client(embedded.aws)) as s3:
        yield S3Store(s3, embedded.bucket, retry=RetryPolicy(budget=10.0))


def keys_in(store: S3Store) -> set[str]:
    return {listed.key.removeprefix(KEYS.folder) for listed in store.list(KEYS.folder)}


def publish_all_but_videos(store: S3Store, output: Path, *, separate_audio: bool) -> None:
    """As a worker does that was not killed."""
    manifest = msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)
    publish_audio(store, KEYS.attempt(1), output, separate_audio=separate_audio)
    publish_rest(store, KEYS.attempt(1), output, manifest, separate_audio=separate_audio)


def test_a_tape_without_an_end_is_rendered_and_uploaded(store: S3Store, tmp_path: Path) -> None:
    parts = write_tape(tmp_path / "tape", events())
    # The first part ends before the call.
    put_tape(store, 1, parts[:3])
    (attempt,) = recover(
        store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True
    )
    assert attempt.folder == "attempts/0001/files"
    assert attempt.manifest.recording.ended_reason == "cut_off"
    assert 7.5 < attempt.manifest.recording.duration_seconds <= 8.1
    for file in files_of(attempt.manifest, separate_audio=True):
        assert f"attempts/0001/files/{file}" in keys_in(store)
    stored = store.get(KEYS.attempt(1).file("audio_streams.json")).data
    assert msgspec.json.decode(stored, type=Manifest) == attempt.manifest


def test_recovering_again_changes_nothing(store: S3Store, tmp_path: Path) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events()))
    first = recover(store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True)
    before = store.list(KEYS.folder)
    assert (
        recover(store, KEYS, [1], tmp_path / "again", platform=Platform.GOOGLE_MEET, separate_audio=True)
        == first
    )
    assert store.list(KEYS.folder) == before
    assert not (tmp_path / "again").exists()


def put_more(store: S3Store, part: Path, after: str) -> None:
    """Uploads a part later than the object ``after``, by the store's clock, whose times may be whole seconds."""
    key = KEYS.attempt(1).tape_part(part.name)
    (written,) = (listed.modified for listed in store.list(after))
    assert written is not None
    while True:
        store.put(key, part, content_type="application/octet-stream")
        (listed,) = store.list(key)
        if listed.modified is not None and listed.modified > written:
            return
        time.sleep(0.05)


def test_a_tape_that_has_grown_is_rendered_again(store: S3Store, tmp_path: Path) -> None:
    """Its worker was paused, and uploads its last part after the first recovery."""
    *first, last = write_tape(tmp_path / "tape", events())
    put_tape(store, 1, first)
    (before,) = recovered(store, tmp_path / "first")
    files = {listed.key for listed in store.list(KEYS.attempt(1).files)}
    put_more(store, last, KEYS.attempt(1).file("audio_streams.json"))
    (after,) = recovered(store, tmp_path / "second")
    gained = after.manifest.recording.duration_seconds - before.manifest.recording.duration_seconds
    assert gained > 1
    assert manifest_of(store, KEYS.attempt(1)) == after.manifest
    assert {listed.key for listed in store.list(KEYS.attempt(1).files)} == files


def test_files_that_may_not_be_replaced_stay(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *first, last = write_tape(tmp_path / "tape", events())
    put_tape(store, 1, first)
    (before,) = recovered(store, tmp_path / "first")
    put_more(store, last, KEYS.attempt(1).file("audio_streams.json"))

    def refuse(_self: S3Store, key: str) -> None:
        raise RefusedError(f"S3: delete {key}: AccessDenied")

    monkeypatch.setattr(S3Store, "delete", refuse)
    assert recovered(store, tmp_path / "second") == [before]
    assert manifest_of(store, KEYS.attempt(1)) == before.manifest


def recovered(store: S3Store, work: Path) -> list[RecordedAttempt]:
    return recover(store, KEYS, [1], work, platform=Platform.GOOGLE_MEET, separate_audio=True)


def test_recovery_uploads_what_a_killed_worker_had_not_uploaded(store: S3Store, tmp_path: Path) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events(reason="meeting_ended")))
    replay(tmp_path / "tape", tmp_path / "files", lambda platform: Renderer(tmp_path / "files", platform))
    publish_audio(store, KEYS.attempt(1), tmp_path / "files", separate_audio=True)
    assert "attempts/0001/files/audio.wav" not in keys_in(store)
    recover(store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True)
    assert "attempts/0001/files/audio.wav" in keys_in(store)


def test_recovery_without_separate_audio_uploads_only_manifest_and_mix(
    store: S3Store, tmp_path: Path
) -> None:
    parts = write_tape(tmp_path / "tape", events(reason="meeting_ended"))
    put_tape(store, 1, parts)
    wanted = {
        "attempts/0001/files/audio_streams.json",
        "attempts/0001/files/audio.wav",
        "attempts/0001/files/meeting.json",
        *(f"attempts/0001/tape/{part.name}" for part in parts),
    }
    (recovered,) = recover(
        store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=False
    )
    assert keys_in(store) == wanted
    assert recover(
        store, KEYS, [1], tmp_path / "again", platform=Platform.GOOGLE_MEET, separate_audio=False
    ) == [recovered]
    assert not (tmp_path / "again").exists()
    # A worker that was not killed uploads the same files.
    for listed in store.list(KEYS.attempt(1).files):
        store.delete(listed.key)
    replay(tmp_path / "tape", tmp_path / "files", lambda platform: Renderer(tmp_path / "files", platform))
    publish_all_but_videos(store, tmp_path / "files", separate_audio=False)
    assert keys_in(store) == wanted


def test_publishing_never_replaces_uploaded_files(store: S3Store, tmp_path: Path) -> None:
    parts = write_tape(tmp_path / "tape", events(reason="meeting_ended"))
    replay(tmp_path / "tape", tmp_path / "files", lambda platform: Renderer(tmp_path / "files", platform))
    publish_all_but_videos(store, tmp_path / "files", separate_audio=True)
    before = store.list(KEYS.folder)
    put_tape(store, 1, parts[:1])
    replay(tmp_path / "tape", tmp_path / "shorter", lambda platform: Renderer(tmp_path / "shorter", platform))
    publish_all_but_videos(store, tmp_path / "shorter", separate_audio=True)
    after = {listed.key: listed for listed in store.list(KEYS.folder)}
    assert [after[listed.key] for listed in before] == before


def test_attempts_without_a_recording_recover_nothing(store: S3Store, tmp_path: Path) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", iter(list(events())[:1])))
    store.put(f"{KEYS.attempt(2).folder}attempt.json", b"{}", content_type="application/json")
    assert (
        recover(store, KEYS, [1, 2], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True)
        == []
    )


def test_an_unreadable_tape_does_not_stop_the_recovery_of_others(store: S3Store, tmp_path: Path) -> None:
    store.put(KEYS.attempt(1).tape_part("part-000000.mcap"), b"no tape", content_type="text/plain")
    put_tape(store, 2, write_tape(tmp_path / "tape", events()))
    recovered = recover(
        store, KEYS, [1, 2], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True
    )
    assert [attempt.attempt for attempt in recovered] == [2]
    assert look_back(store, KEYS, tmp_path / "look").numbers == [1, 2]


class FailingMix(WavWriter):
    """The mix of the first attempt fails as often as ``failures`` says."""

    failures = 0

    def write(self, samples: Sums) -> None:
        if type(self).failures:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(samples)


def test_files_without_room_are_published_and_rendered_again_once_there_is_room(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events(reason="meeting_ended")))
    monkeypatch.setattr(mix_file, "WavWriter", FailingMix)
    monkeypatch.setattr(FailingMix, "failures", 1)
    (before,) = recovered(store, tmp_path / "first")
    assert before.manifest.recording.incomplete_files == ["audio.wav"]
    assert manifest_of(store, KEYS.attempt(1)) == before.manifest
    published = store.list(KEYS.attempt(1).files)
    assert recovered(store, tmp_path / "second") == [before], "there is no more room yet"
    assert store.list(KEYS.attempt(1).files) == published
    monkeypatch.setattr(FailingMix, "failures", 0)
    (after,) = recovered(store, tmp_path / "third")
    assert after.manifest.recording.incomplete_files is msgspec.UNSET
    assert manifest_of(store, KEYS.attempt(1)) == after.manifest
    assert "attempts/0001/files/audio.wav" in keys_in(store)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), RenderingError("no"), ValueError("odd"), MemoryError()]
)
def test_an_attempt_that_cannot_be_rendered_does_not_stop_the_recovery_of_others(
    error: Exception, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = write_tape(tmp_path / "tape", events())
    put_tape(store, 1, parts)
    put_tape(store, 2, parts)

    def fail_the_first(tape: Path, output: Path, platform: Platform) -> ReplayResult:
        if "0001" in str(tape):
            raise error
        return replay_twice(tape, output, platform)

    monkeypatch.setattr(recovery, "replay_twice", fail_the_first)
    with pytest.raises(type(error)):
        recover(store, KEYS, [1, 2], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True)
    assert manifest_of(store, KEYS.attempt(1)) is None
    assert manifest_of(store, KEYS.attempt(2)) is not None
    assert not (tmp_path / "work" / "attempt-0001").exists(), "it leaves its room to the next"


async def test_recovery_in_a_process_gives_the_same_and_logs_its_errors(
    embedded: Embedded, store: S3Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events()))
    worker_settings = WorkerSettings(bucket=embedded.bucket, log_json=True, retry_seconds=1.0)
    task = recovery_task(embedded.aws, worker_settings, JOB, [1], tmp_path / "apart")
    recovered = await recover_in_process(task)
    assert recovered == recover(
        store, KEYS, [1], tmp_path / "here", platform=Platform.GOOGLE_MEET, separate_audio=True
    )
    assert recovered[0].manifest.recording.ended_reason == "cut_off"

    folder = FolderStore(tmp_path / "data")
    for listed in store.list(""):
        store.download(listed.key, tmp_path / "object")
        folder.put(listed.key, tmp_path / "object", content_type="")
    folder_settings = WorkerSettings(data_folder=tmp_path / "data", log_json=True)
    task_of_folder = recovery_task(embedded.aws, folder_settings, JOB, [1], tmp_path / "apart")
    assert await recover_in_process(task_of_folder) == recovered

    # A refusal is waited out for as long as an outage.
    wrong_bucket = msgspec.structs.replace(task, bucket="no-such-bucket", retry_seconds=1.0)
    with pytest.raises(RecoveryError, match=r"recovery of attempts \[1\]: ended with exit code 1"):
        await recover_in_process(wrong_bucket)
    assert "NoSuchBucket" in capfd.readouterr().err


async def test_cancelling_recovery_ends_its_process(
    embedded: Embedded, store: S3Store, tmp_path: Path
) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events()))
    task = recovery_task(embedded.aws, WorkerSettings(bucket=embedded.bucket), JOB, [1], tmp_path / "apart")
    recovering = asyncio.create_task(recover_in_process(task))
    worker = psutil.Process()
    async with asyncio.timeout(10):
        while not (  # noqa: ASYNC110 - it waits for another process
            processes := [
                each for each in worker.children() if "worker.jobs.recovery_process" in each.cmdline()
            ]
        ):
            await asyncio.sleep(0.01)
    recovering.cancel()
    await asyncio.gather(recovering, return_exceptions=True)
    assert not processes[0].is_running()


async def test_the_recovery_process_ends_when_its_standard_input_closes(
    embedded: Embedded, store: S3Store, tmp_path: Path
) -> None:
    # A server that never answers would hold it for the whole budget.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        aws = msgspec.structs.replace(
            embedded.aws, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        task = recovery_task(aws, WorkerSettings(bucket=embedded.bucket), JOB, [1], tmp_path / "apart")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.jobs.recovery_process"), stdin=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 1


def put_video_tape(store: S3Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One person talks for twelve seconds and shows VP8 for two of them."""
    owner = VideoOwner("spaces/demo/devices/1", VideoKind.WEBCAM, VideoEvidence.STREAM_ID)
    use_sources(monkeypatch, lambda: ListedSources({"7": owner}))
    frames = sent(encoded(VideoCodec.VP8, 30), VideoCodec.VP8, 7, begin=3.0)
    shown = with_video(events(reason="meeting_ended"), batches(frames))
    put_tape(store, 1, write_tape(folder, shown, video=True))


VIDEO: Final = re.compile(r"attempts/0001/files/video/.*\.(webm|mp4)")


def videos_in(store: S3Store) -> dict[str, bytes]:
    return {key: store.get(f"{KEYS.folder}{key}").data for key in keys_in(store) if VIDEO.fullmatch(key)}


def with_videos(store: S3Store, work: Path, transcode: Transcode | None = None) -> list[RecordedAttempt]:
    """Recovers all, in two passes."""
    recovered(store, work)
    return recover_videos(store, KEYS, [1], work, platform=Platform.GOOGLE_MEET, transcode=transcode)


def test_audio_is_recovered_before_any_video(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    (attempt,) = recovered(store, tmp_path / "work")
    assert videos_in(store) == {}
    assert {f"attempts/0001/files/{name}" for name in ("audio.wav", "audio_streams.json")} <= keys_in(store)
    # What a video lacks is no reason to render the audio again.
    assert recovered(store, tmp_path / "again") == [attempt]
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr(recovery, "replay_twice", None)
    videos = recover_videos(store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET)
    assert videos == [attempt], "rendered once"
    assert len(videos_in(store)) == 1


def test_a_video_that_cannot_be_rendered_is_left_out(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    (attempt,) = recovered(store, tmp_path / "work")

    def fail(_tape: Path, _output: Path, _platform: Platform) -> ReplayResult:
        raise RenderingError("no")

    monkeypatch.setattr(recovery, "replay_twice", fail)
    videos = recover_videos(store, KEYS, [1, 2], tmp_path / "other", platform=Platform.GOOGLE_MEET)
    assert videos == [attempt]
    assert videos_in(store) == {}


def test_videos_of_a_tape_are_rendered_and_uploaded_once(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    (attempt,) = with_videos(store, tmp_path / "first")
    ((stream, segment),) = attempt.manifest.video_segments()
    assert (stream.kind, segment.codec) == ("webcam", "vp8")
    assert list(videos_in(store)) == [f"attempts/0001/files/{segment.url}"]
    before = store.list(KEYS.folder)
    assert with_videos(store, tmp_path / "second") == [attempt]
    assert store.list(KEYS.folder) == before
    assert not (tmp_path / "second").exists()
    # One that a killed worker had not uploaded is made again, and nothing else is touched.
    (lost,) = (each for each in before if each.key.endswith(segment.url))
    store.delete(lost.key)
    assert with_videos(store, tmp_path / "third") == [attempt]
    assert [each._replace(modified=None) for each in store.list(KEYS.folder)] == [
        each._replace(modified=None) for each in before
    ]


def test_videos_are_transcoded_when_asked_for(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)

    def recovered_as_mp4(work: Path) -> list[RecordedAttempt]:
        return with_videos(store, work, transcode)

    (attempt,) = recovered_as_mp4(tmp_path / "first")
    ((_, segment),) = attempt.manifest.video_segments()
    assert (segment.codec, segment.url.rpartition(".")[2]) == ("h264", "mp4")
    ((key, film),) = videos_in(store).items()
    assert key == f"attempts/0001/files/{segment.url}"
    with av.open(io.BytesIO(film), "r") as container:
        (track,) = container.streams.video
        assert track.codec_context.name == "h264"
        assert sum(1 for _ in container.decode(track)) == segment.frames == 30
    assert manifest_of(store, KEYS.attempt(1)) == attempt.manifest
    assert recovered_as_mp4(tmp_path / "second") == [attempt]
    assert not (tmp_path / "second").exists()
    # A pass that was cancelled before its upload has taken the files as they were sent away.
    store.delete(f"{KEYS.folder}{key}")
    assert recovered_as_mp4(tmp_path / "first") == [attempt]
    assert list(videos_in(store)) == [key]


def page_in(store: S3Store) -> set[str]:
    """The files that the first attempt's page plays."""
    return files_of_page(store.get(KEYS.attempt(1).file("timeline.html")).data)


@pytest.mark.parametrize("separate_audio", [True, False])
def test_the_page_plays_the_videos_that_are_in_the_bucket(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separate_audio: bool
) -> None:
    """Also where a worker that was lost left a page of the videos as they were sent, or had uploaded all but the page."""
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    platform = Platform.GOOGLE_MEET
    recover(store, KEYS, [1], tmp_path / "work", platform=platform, separate_audio=separate_audio)
    page = KEYS.attempt(1).file("timeline.html")
    rendered = (tmp_path / "work/attempt-0001/files/timeline.html").read_bytes()
    assert any(name.startswith("video/") for name in files_of_page(rendered))
    store.put(page, rendered, content_type="text/html")
    for lost in ("", page):
        if lost:
            store.delete(lost)
        recover_videos(store, KEYS, [1], tmp_path / "work", platform=platform, transcode=transcode)
        sound = "streams/" if separate_audio else "audio.wav"
        (film,) = (name for name in page_in(store) if name.startswith("video/"))
        assert film.endswith(".h264.mp4")
        assert any(name.startswith(sound) for name in page_in(store))
        assert {f"attempts/0001/files/{name}" for name in page_in(store)} <= keys_in(store)


def test_the_manifest_says_once_that_a_video_is_as_it_was_sent(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)

    async def fail(_source: Path, _target: Path) -> None:
        raise OSError("no")

    (attempt,) = with_videos(store, tmp_path / "first", fail)
    (film,) = videos_in(store)
    assert film.endswith(".webm")
    told = ["A video file could not be transcoded to MP4: as sent."]
    assert [each for each in attempt.manifest.recording.warnings if "transcoded" in each] == told
    assert manifest_of(store, KEYS.attempt(1)) == attempt.manifest
    store.delete(f"{KEYS.folder}{film}")
    assert with_videos(store, tmp_path / "second", fail) == [attempt]


def test_a_video_that_cannot_be_uploaded_costs_no_audio(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    real = S3Store.put

    def put(self: S3Store, key: str, data: bytes | Path, **options: Any) -> str:
        if "/video/" in key:
            raise RefusedError(f"S3: put {key}: AccessDenied")
        return real(self, key, data, **options)

    monkeypatch.setattr(S3Store, "put", put)
    (attempt,) = with_videos(store, tmp_path / "first")
    assert videos_in(store) == {}
    assert {f"attempts/0001/files/{name}" for name in ("audio.wav", "audio_streams.json")} <= keys_in(store)
    monkeypatch.setattr(S3Store, "put", real)
    assert with_videos(store, tmp_path / "second") == [attempt]
    assert len(videos_in(store)) == 1


async def test_a_worker_that_has_to_stop_ends_a_recoverys_encoder_and_uploads_the_original(
    embedded: Embedded, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    ((number, manifest, _),) = recovered(store, tmp_path / "work")
    ((_, original),) = manifest.video_segments()
    sent_file = (tmp_path / "work" / "attempt-0001" / "files" / original.url).read_bytes()
    settings = WorkerSettings(bucket=embedded.bucket, log_json=True, transcode_video=True)
    task = recovery_task(embedded.aws, settings, JOB, [number], tmp_path / "work", "videos")
    stopped = asyncio.get_running_loop().create_future()
    recovering = asyncio.create_task(recover_in_process(task, stopped))
    async with suspended_encoder() as encoder, asyncio.timeout(15):
        stopped.set_result("SIGTERM")
        (attempt,) = await recovering
        assert not encoder.is_running()
    ((_, kept),) = attempt.manifest.video_segments()
    assert kept == original
    assert videos_in(store) == {f"attempts/0001/files/{original.url}": sent_file}
    assert attempt.manifest.recording.warnings[-1] == "A video file could not be transcoded to MP4: as sent."
    page = store.get(KEYS.attempt(1).file("timeline.html")).data
    assert original.url in files_of_page(page)


def test_a_recovery_that_begins_after_the_stop_transcodes_nothing(
    embedded: Embedded, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_video_tape(store, tmp_path / "tape", monkeypatch)
    recovered(store, tmp_path / "work")
    stopping = threading.Event()
    stopping.set()

    async def never(_source: Path, _target: Path) -> None:
        raise AssertionError("it transcodes")

    (attempt,) = recover_videos(
        store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, transcode=never, stopping=stopping
    )
    ((_, segment),) = attempt.manifest.video_segments()
    assert list(videos_in(store)) == [f"attempts/0001/files/{segment.url}"]

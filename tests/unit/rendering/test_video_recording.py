from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape, with_log_times
from tests.support.video_checks import decoded
from tests.support.video_streams import FPS, encoded
from tests.support.video_tapes import (
    ListedSources,
    batches,
    render_video,
    sent,
    use_sources,
    video_tape,
    with_video,
)
from worker.manifest.schema import Manifest, VideoSegment
from worker.rendering import video_recording
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay
from worker.rendering.video_recording import FILES_AT_ONCE, VideoRecording
from worker.roster.roster import Roster
from worker.roster.video_sources import VideoEvidence, VideoKind, VideoOwner
from worker.stems import video_track
from worker.tape.events import RecordingPaused, RecordingResumed, TapeEvent, VideoBatch, VideoFrame
from worker.tape.writer import TapeWriter
from worker.video.codecs import VideoCodec
from worker.video.video_file import VideoFile, VideoWriteError

VP8, H264 = VideoCodec.VP8, VideoCodec.H264
OWNERS = {
    "1": VideoOwner("ada", VideoKind.WEBCAM, VideoEvidence.STREAM_ID),
    "2": VideoOwner("bob", VideoKind.WEBCAM, VideoEvidence.STREAM_ID),
    "3": VideoOwner("ada", VideoKind.SCREENSHARE, VideoEvidence.STREAM_ID),
}
TALKER = Talker(csrc=101, slot=0, turns=[(0.5, 3.0)], payloads=[p.payload for p in load_voice("aria").speech])


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_sources(monkeypatch, lambda: ListedSources(OWNERS))


def shown(manifest: Manifest) -> dict[tuple[str | None, str], list[VideoSegment]]:
    assert manifest.video_streams is not msgspec.UNSET
    return {(each.participant_id, each.kind): each.segments for each in manifest.video_streams}


def only(manifest: Manifest) -> VideoSegment:
    ((segment,),) = shown(manifest).values()
    return segment


def files(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def camera(
    source: int = 1, count: int = 30, *, begin: float = 0.5, receiver: int = 0, codec: VideoCodec = VP8
) -> list[VideoFrame]:
    return sent(encoded(codec, count, shade=30 * source), codec, source, begin=begin, receiver=receiver)


def test_each_camera_and_screen_has_a_file_under_its_owners_name(tmp_path: Path) -> None:
    frames = [frame for source in (1, 2, 3) for frame in camera(source, receiver=source)]
    manifest, failure = render_video(video_tape(batches(frames), 4.0), tmp_path)
    assert failure is None
    segments = shown(manifest)
    assert set(segments) == {("ada", "webcam"), ("bob", "webcam"), ("ada", "screenshare")}
    for source, key in ((1, ("ada", "webcam")), (2, ("bob", "webcam")), (3, ("ada", "screenshare"))):
        (segment,) = segments[key]
        assert packets(tmp_path / segment.url) == [frame.payload for frame in camera(source)]
        assert segment.start_seconds == pytest.approx(0.5, abs=0.005)
        assert segment.duration_seconds == pytest.approx(30 / FPS, abs=0.005)
        assert segment.filename.endswith(f"_0_{key[1]}.webm")
    assert len(list((tmp_path / "video").iterdir())) == 3
    assert msgspec.json.decode((tmp_path / "audio_streams.json").read_bytes(), type=Manifest) == manifest
    assert manifest.recording.warnings == []


@pytest.mark.parametrize("told", [True, False])
def test_a_tape_without_video_has_a_list_of_it_only_if_the_job_asked(told: bool, tmp_path: Path) -> None:
    manifest, _ = render_video(video_tape([], 2.0, told=told), tmp_path)
    assert manifest.video_streams == ([] if told else msgspec.UNSET)


def test_a_tape_that_lost_its_beginning_gives_its_video_all_the_same(tmp_path: Path) -> None:
    manifest, _ = render_video(video_tape(batches(camera()), 4.0, told=False), tmp_path)
    assert only(manifest).frames == 30


def test_video_changes_nothing_of_the_audio(tmp_path: Path) -> None:
    plain = list(synthetic_tape([TALKER], 4.0))
    frames = [frame for source in (1, 2) for frame in camera(source, receiver=source, codec=H264)]
    render_video(plain, tmp_path / "plain", mix=True)
    render_video(with_video(plain, batches(frames)), tmp_path / "video", mix=True)
    without, beside = files(tmp_path / "plain"), files(tmp_path / "video")
    assert len(beside) == len(without) + 2
    for name in without.keys() - {"audio_streams.json", "timeline.html"}:
        assert beside[name] == without[name], name
    one, other = (msgspec.json.decode(each["audio_streams.json"]) for each in (without, beside))
    assert len(other.pop("video_streams")) == 2
    assert one == other


def test_a_replay_gives_the_same_bytes(tmp_path: Path) -> None:
    frames = [
        frame
        for number, codec in enumerate(VideoCodec)
        for frame in camera(number, codec=codec, receiver=number)
    ]
    tape = list(video_tape(batches(frames), 4.0))
    for folder in ("one", "other"):
        render_video(tape, tmp_path / folder)
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert len(files(tmp_path / "one")) == 3 + len(VideoCodec)


def test_frames_from_before_the_recording_begin_its_file_where_decoding_needs_them(tmp_path: Path) -> None:
    """Key frames are at -1.5, -0.83, -0.17 and 0.5 s."""
    frames = camera(count=60, begin=-1.5)
    manifest, _ = render_video(video_tape(batches(frames), 4.0), tmp_path)
    segment = only(manifest)
    assert segment.start_seconds == pytest.approx(-1.5 + 20 / FPS, abs=0.005)
    assert segment.frames == 40
    assert segment.lost == 0


def test_a_frame_from_before_the_recording_that_is_whole_late_is_at_its_place(tmp_path: Path) -> None:
    frames = sent(encoded(VP8, 60, keys_every=100), VP8, 1, begin=-2.9)
    late = msgspec.structs.replace(frames[10], arrival=frames[10].arrival + 0.3)
    manifest, _ = render_video(video_tape(batches([*frames[:10], late, *frames[11:]]), 4.0), tmp_path)
    assert packets(tmp_path / only(manifest).url) == [frame.payload for frame in frames]


def test_a_recording_that_begins_at_a_key_frame_has_no_frames_from_before(tmp_path: Path) -> None:
    manifest, _ = render_video(video_tape(batches(camera(count=60, begin=-2.0)), 4.0), tmp_path)
    segment = only(manifest)
    assert segment.start_seconds == pytest.approx(0.0, abs=0.005)
    assert segment.frames == 30


def test_where_batches_are_missing_the_streams_go_on_with_key_frames(tmp_path: Path) -> None:
    """The key frames are 10 frames apart, a batch has 3; the fifth batch is missing: frames 12 to 14."""
    whole = batches(camera())
    kept = [*whole[:4], *whole[5:]]
    manifest, _ = render_video(video_tape(kept, 4.0), tmp_path)
    segment = only(manifest)
    missing, first = len(whole[4].frames), sum(len(each.frames) for each in whole[:4])
    assert segment.lost == 20 - first - missing
    assert segment.frames == first + 10
    assert "1 batch of video frames is missing on the tape." in manifest.recording.warnings


def test_frames_that_the_page_dropped_are_a_gap_too(tmp_path: Path) -> None:
    whole = batches(camera())
    dropped = [
        msgspec.structs.replace(each, dropped=7 if number > 4 else 0) for number, each in enumerate(whole)
    ]
    manifest, _ = render_video(video_tape(dropped, 4.0), tmp_path)
    assert only(manifest).lost > 0
    assert any(each.startswith("7 video frames were dropped") for each in manifest.recording.warnings)


def test_after_a_pause_the_streams_go_on_with_key_frames(tmp_path: Path) -> None:
    before, after = camera(count=15), camera(count=35)[19:]
    events = list(video_tape(batches(before), 4.0))
    # The page delivers its last frames from before the pause after it.
    gap = [RecordingPaused(at=STARTED_AT + 1.5), RecordingResumed(at=STARTED_AT + 1.76), events[-2]]
    # Their numbers go on, as those of batches that a pause has emptied.
    gap += [
        msgspec.structs.replace(each, sequence=number + len(batches(before)))
        for number, each in enumerate(batches(after))
    ]
    manifest, _ = render_video([*events[:-2], *gap, events[-1]], tmp_path)
    segment = only(manifest)
    assert (segment.frames, segment.lost) == (15 + 15, 1)


def test_a_source_that_moves_to_another_receiver_goes_on_in_its_file(tmp_path: Path) -> None:
    first = camera(count=10)
    second = sent(encoded(VP8, 20, shade=90), VP8, 1, begin=1.2, receiver=4, first_timestamp=5)
    other = sent(encoded(VP8, 30, shade=60), VP8, 2, begin=1.2, receiver=0, first_timestamp=9_000_000)
    manifest, _ = render_video(video_tape(batches([*first, *second, *other]), 4.0), tmp_path)
    (segment,) = shown(manifest)["ada", "webcam"]
    assert packets(tmp_path / segment.url) == [frame.payload for frame in (*first, *second)]
    (segment,) = shown(manifest)["bob", "webcam"]
    assert packets(tmp_path / segment.url) == [frame.payload for frame in other]


def test_a_long_video_is_parts_of_one_stream_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_track, "LONG_FILE", 10)
    manifest, failure = render_video(video_tape(batches(camera()), 4.0), tmp_path)
    assert (failure, manifest.recording.warnings) == (None, [])
    (segments,) = shown(manifest).values()
    written = [packet for segment in segments for packet in packets(tmp_path / segment.url)]
    assert written == [frame.payload for frame in camera()]
    for number, segment in enumerate(segments):
        assert (segment.segment_index, segment.frames, segment.lost) == (number, 10, 0)
        assert segment.filename.endswith(f"_{number}_webcam.webm")
        begin, end = 0.5 + number * 10 / FPS, 0.5 + (number + 1) * 10 / FPS
        assert segment.start_seconds == pytest.approx(begin, abs=0.002)
        assert segment.intervals == [pytest.approx((begin, end), abs=0.002)]
    timeline = (tmp_path / "timeline.html").read_text()
    assert timeline.count('aria-label="When camera') == 1
    assert all(segment.filename in timeline for segment in segments)


def test_a_frame_that_is_whole_late_is_at_its_place(tmp_path: Path) -> None:
    frames = camera()
    late = [
        msgspec.structs.replace(frame, arrival=frame.arrival + 0.3) if number in (4, 17) else frame
        for number, frame in enumerate(frames)
    ]
    manifest, _ = render_video(video_tape(batches(late), 4.0), tmp_path)
    assert packets(tmp_path / only(manifest).url) == [frame.payload for frame in frames]


def test_who_is_not_known_has_files_of_their_own_and_frames_of_nothing_have_none(tmp_path: Path) -> None:
    frames = [*camera(8, receiver=1), *sent(encoded(VP8, 5), VP8, None, begin=0.5, receiver=2)]
    manifest, _ = render_video(video_tape(batches(frames), 4.0), tmp_path)
    assert manifest.video_streams is not msgspec.UNSET
    (stream,) = manifest.video_streams
    assert (stream.participant_name, stream.participant_id) == ("Unknown 1", None)
    assert any(each.startswith("5 video frames") for each in manifest.recording.warnings)


@pytest.mark.parametrize("error", [VideoWriteError("no"), ValueError("no"), MemoryError()])
def test_a_file_that_fails_costs_nobody_else_anything(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [*camera(1), *camera(2, receiver=1)]
    tape = list(with_video(synthetic_tape([TALKER], 4.0), batches(frames)))
    render_video(tape, tmp_path / "whole", mix=True)

    class Breaking(VideoFile):
        def write(self, seconds: float, *arguments: object) -> None:
            if self._path.name == "video-0.webm" and self.frames == 12:
                raise error
            super().write(seconds, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(video_track, "VideoFile", Breaking)
    manifest, failure = render_video(tape, tmp_path / "broken", mix=True)
    assert failure is None, "the audio is whole"
    whole, broken = files(tmp_path / "whole"), files(tmp_path / "broken")
    assert broken.keys() == whole.keys()
    (hit,) = (segment for (owner, _), (segment,) in shown(manifest).items() if owner == "ada")
    for name in whole.keys() - {"audio_streams.json", "timeline.html", hit.url}:
        assert broken[name] == whole[name]
    assert hit.frames == len(packets(tmp_path / "broken" / hit.url)) == 12
    assert manifest.recording.incomplete_files == [hit.url]
    (said,) = manifest.recording.warnings
    assert said.startswith("The video of Unknown 2 ends at 1.3 s or before: it could not be written")


@pytest.mark.parametrize("method", ["observe", "source_of", "owner_of", "warnings"])
def test_a_fault_in_finding_the_owners_costs_video_alone(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    tape = list(with_video(synthetic_tape([TALKER], 4.0), batches(camera())))
    render_video(tape, tmp_path / "whole", mix=True)
    monkeypatch.setattr(ListedSources, method, fail)
    manifest, _ = render_video(tape, tmp_path / "broken", mix=True)
    whole, broken = files(tmp_path / "whole"), files(tmp_path / "broken")
    for name in whole.keys() - {"audio_streams.json", "timeline.html"}:
        if "webcam" not in name:
            assert broken[name] == whole[name]
    assert any("internal error" in each for each in manifest.recording.warnings)


def test_a_file_that_cannot_be_renamed_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith("video-"):
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    manifest, failure = render_video(video_tape(batches(camera()), 4.0), tmp_path)
    assert failure is None, "the audio is whole"
    assert only(manifest).url == "video/video-0.webm"
    assert (tmp_path / "video/video-0.webm").is_file()
    assert manifest.recording.incomplete_files == ["video/video-0.webm"]
    assert len(manifest.recording.warnings) == 1


def hostile(count: int) -> VideoBatch:
    key = encoded(VP8, 1)[0]
    frames = [
        frame
        for number in range(count)
        for frame in sent([key], VP8, number, begin=1.0 + number / count / 10, receiver=number)
    ]
    return VideoBatch(1, 0, 0, frames)


def test_ten_thousand_streams_open_no_ten_thousand_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = peak = 0

    class Counted(VideoFile):
        def write(self, *arguments: object) -> None:
            nonlocal opened, peak
            opened += not self.frames
            peak = max(opened, peak)
            super().write(*arguments)  # type: ignore[arg-type]

        def close(self, end_seconds: float) -> None:
            nonlocal opened
            opened -= 1
            super().close(end_seconds)

    monkeypatch.setattr(video_track, "VideoFile", Counted)
    monkeypatch.setattr(video_recording, "MOST_OPEN", 8)
    manifest, failure = render_video(video_tape([hostile(10_000)], 4.0), tmp_path)
    assert failure is None
    assert 0 < peak <= 8
    assert len(list((tmp_path / "video").iterdir())) <= FILES_AT_ONCE + 1
    assert any("video frames were left out: more than" in each for each in manifest.recording.warnings)


def test_frames_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_recording, "MOST_WAITING", 0)
    manifest, _ = render_video(video_tape(batches(camera()), 4.0), tmp_path)
    assert only(manifest).frames == 30


@pytest.mark.parametrize("most, written", [(0, 1), (64 * 1024 * 1024, 0)])
def test_what_waits_is_written_where_it_is_too_much(
    most: int, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_recording, "MOST_WAITING", most)
    recording = VideoRecording(tmp_path, ListedSources())
    recording.begin(STARTED_AT)
    (batch, *_) = batches(camera())
    recording.take(batch, STARTED_AT + 0.7)
    assert recording.showing == written
    recording.close()


def test_a_replayed_tape_gives_the_files_of_the_recording(tmp_path: Path) -> None:
    frames = [*camera(1), *camera(2, receiver=1, codec=H264)]
    events = list(video_tape(batches(frames), 4.0))
    deferred = DeferredRenderer(lambda platform: Renderer(tmp_path / "live", platform))
    with TapeWriter(tmp_path / "tape", video=True) as tape:
        for event, logged_at in with_log_times(events):
            logged, recorded = tape.write(event, logged_at)
            deferred.feed(recorded, logged)
    deferred.finish()
    replay(tmp_path / "tape", tmp_path / "again", lambda platform: Renderer(tmp_path / "again", platform))
    live = files(tmp_path / "live")
    assert len([name for name in live if "webcam" in name]) == 2
    assert files(tmp_path / "again") == live


def frames_warnings(recording: VideoRecording, frames: list[VideoFrame]) -> list[str]:
    """What a recording of these frames says, each of which is logged when it arrives."""
    recording.begin(STARTED_AT)
    for number, frame in enumerate(sorted(frames, key=lambda frame: frame.arrival)):
        recording.take(VideoBatch(1, number, 0, [frame]), frame.arrival + 0.05)
    recording.close()
    return recording.warnings(recording.streams(Roster(), []))


@pytest.mark.parametrize("count", [1, 2])
def test_frames_that_come_too_late_are_counted_and_the_file_waits_for_a_key_frame(
    count: int, tmp_path: Path
) -> None:
    late = delayed(camera(count=50), {12 + number: 1.4 for number in range(count)})
    recording = VideoRecording(tmp_path, ListedSources(OWNERS))
    were = "frame was" if count == 1 else "frames were"
    assert frames_warnings(recording, late) == [
        f"{count} video {were} left out: what follows had come more than 1 s before."
    ]
    (track,) = recording._tracks.values()
    (part,) = track.parts
    assert 0 < part.lost < 10
    assert part.frames + part.lost == 50 - count


def test_frames_without_room_for_a_file_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_recording, "MOST_FILES", 0)
    recording = VideoRecording(tmp_path, ListedSources(OWNERS))
    assert frames_warnings(recording, camera(count=30)) == [
        "30 video frames were left out: there was no room for another file."
    ]


@pytest.mark.parametrize("count", [14, 15, 25])
def test_frames_of_nobody_after_a_change_are_counted_unless_they_are_few(count: int, tmp_path: Path) -> None:
    frames = camera(count=10) + [
        msgspec.structs.replace(
            frame, csrcs=() if number < count else (2,), key=frame.key and number >= count
        )
        for number, frame in enumerate(sent(encoded(VP8, 30), VP8, 2, begin=1.5, first_timestamp=1_090_000))
    ]
    recording = VideoRecording(tmp_path, ListedSources(OWNERS))
    expected = [f"{count} video frames were left out: it was not known whose video that is."]
    assert frames_warnings(recording, frames) == (expected if count >= 15 else [])


def test_nothing_is_said_of_frames_before_the_first_key_frame_of_a_receiver(tmp_path: Path) -> None:
    frames = [msgspec.structs.replace(frame, csrcs=()) for frame in camera(count=30)[1:10]]
    recording = VideoRecording(tmp_path, ListedSources(OWNERS))
    assert frames_warnings(recording, [*frames, *camera(count=30)[10:]]) == []


def test_a_source_without_any_key_frame_is_told_of(tmp_path: Path) -> None:
    frames = sent(encoded(VP8, 30, keys_every=100), VP8, 1, begin=1.0)[1:]
    recording = VideoRecording(tmp_path, ListedSources(OWNERS))
    assert frames_warnings(recording, frames) == ["29 video frames were left out: no key frame came before."]


class Changing:
    """One receiver shows ``before`` until ``at`` (seconds of meeting time), and ``after`` from then on."""

    def __init__(self, before: str | None, after: str | None, at: float) -> None:
        self._change = STARTED_AT + at
        self._before = before
        self._after = after

    def observe(self, event: TapeEvent) -> None:
        pass

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        return self._before if frame.arrival < self._change else self._after

    def owner_of(self, key: str) -> VideoOwner:
        return OWNERS[key]

    def warnings(self) -> list[str]:
        return []


def changing(codec: VideoCodec, *, offset: float = 0.0) -> tuple[list[VideoFrame], list[VideoFrame]]:
    """Of two people on a receiver: the first sends a key frame 0.2 s before the other does, at 1.57 s. The other's timestamps
    are ``offset`` seconds behind."""
    one = sent(encoded(codec, 14, shade=30), codec, 1, begin=0.7)
    other = sent(
        encoded(codec, 20, shade=90), codec, 2, begin=1.6, first_timestamp=1_081_000 - int(offset * 90_000)
    )
    return one, other


@pytest.mark.parametrize("between", ["2", None])
def test_frames_from_before_the_recording_are_not_gone_on_with_after_a_change(
    between: str | None, tmp_path: Path
) -> None:
    """Whatever is said of the sources: the next one begins without a key frame here."""
    frames = [
        msgspec.structs.replace(frame, csrcs=() if between is None and number in (5, 6) else frame.csrcs)
        if between is None or number < 5
        else msgspec.structs.replace(frame, csrcs=(2,))
        for number, frame in enumerate(sent(encoded(VP8, 30, keys_every=20), VP8, 1, begin=-0.5))
    ]
    manifest, _ = render_video(video_tape(batches(frames), 4.0), tmp_path)
    assert only(manifest).frames == 10


def delayed(frames: list[VideoFrame], seconds: dict[int, float]) -> list[VideoFrame]:
    return [
        msgspec.structs.replace(frame, arrival=frame.arrival + seconds.get(number, 0.0))
        for number, frame in enumerate(frames)
    ]


def test_a_key_frame_that_is_whole_after_the_change_of_owner_is_the_former_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that follow it arrived before the change, so it was sent before it."""
    use_sources(monkeypatch, lambda: Changing("1", "2", 1.575))
    one, other = changing(VP8)
    late = delayed(one, {10: 0.24})
    assert late[10].key
    manifest, _ = render_video(video_tape(batches([*late, *other]), 4.0), tmp_path)
    (first,), (second,) = shown(manifest)["ada", "webcam"], shown(manifest)["bob", "webcam"]
    assert packets(tmp_path / first.url) == [frame.payload for frame in one]
    assert packets(tmp_path / second.url) == [frame.payload for frame in other]


def test_a_held_back_key_frame_of_h264_is_not_given_to_the_next_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that follow it come with it, so that its timestamp alone tells when it was sent."""
    use_sources(monkeypatch, lambda: Changing("1", "2", 1.55))
    one, other = changing(H264)
    late = delayed(one, {number: (14 - number) / FPS - 0.03 for number in range(10, 14)})
    manifest, _ = render_video(video_tape(batches([*late, *other]), 4.0), tmp_path)
    (first,), (second,) = shown(manifest)["ada", "webcam"], shown(manifest)["bob", "webcam"]
    assert (first.frames, first.lost) == (10, 0)
    assert (second.frames, second.lost) == (20, 0)
    assert second.start_seconds == pytest.approx(1.6, abs=0.005)


@pytest.mark.parametrize("offset", [0.0, 0.03, 9.0, -0.3, -9.0])
def test_the_first_key_frame_of_h264_of_another_person_is_theirs(
    offset: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_sources(monkeypatch, lambda: Changing("1", "2", 1.6))
    one, other = changing(H264, offset=offset)
    manifest, _ = render_video(video_tape(batches([*one, *other]), 4.0), tmp_path)
    assert [each.frames for each in shown(manifest)["ada", "webcam"]] == [14]
    assert sum(each.frames for each in shown(manifest)["bob", "webcam"]) == 20


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # receiver
        st.sampled_from([None, 1, 2, 3]),  # source
        st.booleans(),  # a key frame
        st.sampled_from(
            ["", "", "", "", "lost batch", "lost frame, known to the page", "new timestamps", "late"]
        ),
    ),
    max_size=40,
)


class Made(NamedTuple):
    """A frame by its payload: whose it is, its number in that source, and whether it needs ``before``, the one before it of
    that source on that receiver."""

    source: int | None
    number: int
    key: bool
    before: int | None


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(STEPS)
@example([(1, 1, True, ""), (0, 1, False, ""), (1, 1, False, "")])
def test_no_frame_is_in_another_persons_file_whatever_the_page_sends(
    steps: list[tuple[int, int | None, bool, str]],
) -> None:
    key, delta = (encoded(VP8, 2)[number].payload for number in (0, 1))
    made: dict[bytes, Made] = {}
    numbers = dict.fromkeys([None, 1, 2, 3], 0)
    latest: dict[tuple[int | None, int], int] = {}
    offsets = dict.fromkeys(range(3), 0)
    sequence = dropped = 0
    videos: list[VideoBatch] = []
    # What comes late from before the timestamps began anew looks as if they did so again.
    lateness = 0.0 if any(event == "new timestamps" for *_, event in steps) else 0.25
    for step, (receiver, source, is_key, event) in enumerate(steps):
        numbers[source] += 1
        payload = (key if is_key else delta) + step.to_bytes(4, "big")
        made[payload] = Made(source, numbers[source], is_key, latest.get((source, receiver)))
        latest[source, receiver] = numbers[source]
        if event == "new timestamps":
            offsets[receiver] += 3_000_000_000
        arrival = 0.2 + step / 25
        frame = VideoFrame(
            receiver, 9000 + receiver, () if source is None else (source,),
            (int(arrival * 90_000) + offsets[receiver]) & 0xFFFF_FFFF, None, 0, 0, is_key, 0, 0, 96, "video/VP8",
            STARTED_AT + arrival + (lateness if event == "late" and not is_key else 0), payload,
        )  # fmt: skip
        if event == "lost batch":
            sequence += 1
        elif event == "lost frame, known to the page":
            dropped += 1
        else:
            videos.append(VideoBatch(7, sequence, dropped, [frame]))
            sequence += 1
    plain = list(synthetic_tape([TALKER], 4.0))
    with TemporaryDirectory() as temporary:
        output = Path(temporary)
        manifest, failure = render_video(with_video(plain, videos), output / "video")
        render_video(plain, output / "plain")
        assert failure is None
        for name, content in files(output / "plain").items():
            if name.startswith("streams/"):
                assert files(output / "video")[name] == content
        for (owner, kind), segments in shown(manifest).items() if videos else ():
            whole: list[Made] = []
            for segment in segments:
                written = [made[payload] for payload in packets(output / "video" / segment.url)]
                assert written[0].key
                assert len(written) == segment.frames
                whole += written
            assert {
                (OWNERS[str(each.source)].device_id, OWNERS[str(each.source)].kind) for each in whole
            } == {(owner, kind)}
            assert [each.number for each in whole] == sorted({each.number for each in whole})
            for before, after in itertools.pairwise(whole):
                assert after.key or after.before == before.number, "it needs a frame that is missing"


TENURES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3]),  # source
        st.integers(0, 2),  # timeline: those of two senders, and one that wraps around
        st.lists(
            st.sampled_from([0.0] * 6 + [0.1, 0.2, 0.3]), min_size=4, max_size=12
        ),  # how late each frame is
    ),
    min_size=1,
    max_size=5,
)
TIMELINES = (1_000_000, 3_000_000_000, 2**32 - 45_000)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(TENURES, min_size=1, max_size=2))
@example([[(1, 0, [0.0] * 6), (2, 1, [0.3] + [0.0] * 6)]])
@example([[(1, 0, [0.0] * 6), (2, 1, [0.0] * 6), (1, 0, [0.3] + [0.0] * 6)]])
def test_each_frame_of_a_slot_whose_owner_changes_is_in_its_owners_file(
    slots: list[list[tuple[int, int, list[float]]]],
) -> None:
    """Each owner begins with a key frame, and goes on with a sender's timestamps; nothing is lost on the way."""
    key, delta = (encoded(VP8, 2)[number].payload for number in (0, 1))
    expected: dict[str, list[bytes]] = {}
    frames: list[VideoFrame] = []
    for slot, tenures in enumerate(slots):
        number, before = 0, None
        for source, timeline, delays in tenures:
            # A person is in one slot at a time, and each slot has senders of its own.
            shown = source if slot == 0 else source + 3
            for index, delay in enumerate(delays):
                is_key = index == 0 and (shown, timeline) != before
                payload = (key if is_key else delta) + bytes([slot, number])
                expected.setdefault(str(shown), []).append(payload)
                frames.append(VideoFrame(
                    slot, 9000 + slot, (shown,), (TIMELINES[timeline] + number * 6_000) % 2**32, None, 0, 0, is_key,
                    0, 0, 96, "video/VP8", STARTED_AT + 0.2 + number / 15 + delay, payload,
                ))  # fmt: skip
                number += 1
            before = (shown, timeline)
    with TemporaryDirectory() as temporary:
        manifest, failure = render_video(video_tape(batches(frames), 7.0), Path(temporary))
        assert failure is None
        assert manifest.recording.warnings == []
        written = sorted(
            [payload for each in segments for payload in packets(Path(temporary) / each.url)]
            for segments in [each.segments for each in manifest.video_streams or ()]
        )
        assert written == sorted(expected.values())


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("lies", [{0}, {5}, {10}, {15}, {20}, {0, 5, 15}, set(range(30))], ids=str)
def test_a_file_begins_with_a_key_frame_and_is_ones_own_whatever_the_page_says_of_its_frames(
    lies: set[int], empty: bool, tmp_path: Path
) -> None:
    """Another person is shown from frame 15 on, and real key frames are 0, 10 and 20."""
    pictures = encoded(VP8, 30)
    frames = [
        msgspec.structs.replace(
            frame,
            csrcs=(1 if number < 15 else 2,),
            key=frame.key != (number in lies),
            payload=b"" if empty and number == 4 else frame.payload,
        )
        for number, frame in enumerate(sent(pictures, VP8, 1, begin=0.5))
    ]
    manifest, failure = render_video(video_tape(batches(frames), 4.0), tmp_path)
    assert failure is None
    numbers = {picture.payload: number for number, picture in enumerate(pictures)}
    for (owner, _), segments in shown(manifest).items():
        for segment in segments:
            written = [numbers[payload] for payload in packets(tmp_path / segment.url)]
            assert pictures[written[0]].key
            assert written == sorted(written)
            assert {"ada" if number < 15 else "bob" for number in written} == {owner}
            assert len(decoded(tmp_path / segment.url)) == len(written)

"""What is rendered when, and what an event costs that no tape can hold."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fixtures.tapes import expect
from tests.support.tape_samples import EPOCH, batch, video_batch
from worker.recording import recorder as recorder_module
from worker.recording.recorder import RUN_SECONDS, Recorder
from worker.recording.video_room import (
    CHECK_SECONDS,
    ENOUGH,
    FULL_SECONDS,
    RESERVE,
    AudioReserve,
    VideoRoom,
)
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape import codec
from worker.tape import writer as tape_writer
from worker.tape.events import (
    AudioPathSeen,
    FrameBatch,
    PageFault,
    PageSeen,
    StateChanged,
    TapeEvent,
    VideoBatch,
    VideoRoomChanged,
)
from worker.tape.reader import TapeReader, read_tape
from worker.tape.writer import TapeWriter


def test_an_event_that_no_tape_can_hold_is_left_out_and_a_fault_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    observed: list[TapeEvent] = []
    recorder = Recorder(
        TapeWriter(tmp_path / "tape"),
        DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
        lambda: EPOCH,
        [observed.append],
    )
    # A page may cut a text within a surrogate pair.
    odd = PageSeen(at=EPOCH, scene="call", detail="\ud83d", evidence=[], variant="", language="en")
    for event in (batch(0, EPOCH), odd, batch(1, EPOCH)):
        recorder.take(event)
    assert recorder.error is None
    recorder.finish()
    first, fault, last = read_tape(tmp_path / "tape")
    assert (first, last) == (batch(0, EPOCH), batch(1, EPOCH))
    assert isinstance(fault, PageFault)
    assert fault.where == "Recorder.take"
    assert fault.message.startswith("PageSeen: cannot be put on a tape: ")
    assert observed == [first, fault, last]
    assert len(caplog.records) == 1


class Rendering:
    """A recorder at ``now`` (seconds), and the events that it rendered."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, run_seconds: float = RUN_SECONDS
    ) -> None:
        self.now = EPOCH
        self.rendered: list[TapeEvent] = []
        renderer = DeferredRenderer(lambda platform: Renderer(folder / "out", platform))
        monkeypatch.setattr(renderer, "feed", lambda event, logged: self.rendered.append(event))
        self.tape = TapeWriter(folder / "tape")
        self.recorder = Recorder(self.tape, renderer, lambda: self.now, run_seconds=run_seconds)

    def take(self, *events: TapeEvent, after: float = 0.0) -> None:
        self.now += after
        for event in events:
            self.recorder.take(event)


OpenRendering = Callable[..., Rendering]


@pytest.fixture
def open_rendering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenRendering]:
    with ExitStack() as stack:

        def opened(run_seconds: float = RUN_SECONDS) -> Rendering:
            rendering = Rendering(tmp_path, monkeypatch, run_seconds)
            stack.enter_context(rendering.tape)
            return rendering

        yield opened


@pytest.fixture
def rendering(open_rendering: OpenRendering) -> Rendering:
    return open_rendering()


FROM_PAGE: tuple[TapeEvent, ...] = (
    batch(0, EPOCH),
    AudioPathSeen(at=EPOCH, document=7, path="receivers"),
    batch(1, EPOCH),
)


def test_what_the_page_sent_is_on_the_tape_at_once_and_rendered_in_a_run(
    rendering: Rendering, tmp_path: Path
) -> None:
    rendering.take(*FROM_PAGE, after=1.0)
    rendering.take(batch(2, EPOCH), after=RUN_SECONDS - 0.01)
    assert list(read_tape(tmp_path / "tape")) == [*FROM_PAGE, batch(2, EPOCH)]
    assert rendering.rendered == []
    rendering.take(batch(3, EPOCH), after=0.01)
    assert rendering.rendered == [*FROM_PAGE, batch(2, EPOCH), batch(3, EPOCH)]
    rendering.take(batch(4, EPOCH), after=RUN_SECONDS - 0.01)
    assert len(rendering.rendered) == 5


@pytest.mark.parametrize(
    "show",
    [
        lambda recorder: recorder.take(StateChanged(at=EPOCH, state="leaving")),
        lambda recorder: recorder.render(StateChanged(at=EPOCH, state="leaving")),
        Recorder.progress,
        Recorder.write_due,
        Recorder.finish,
    ],
    ids=["worker's own event", "event without a tape", "progress", "write_due", "finish"],
)
def test_whatever_shows_what_was_rendered_renders_what_waits_first(
    rendering: Rendering, show: Callable[[Recorder], object]
) -> None:
    rendering.take(*FROM_PAGE)
    show(rendering.recorder)
    assert tuple(rendering.rendered[:3]) == FROM_PAGE
    show(rendering.recorder)
    assert len(rendering.rendered) in (3, 5)


def test_many_frames_do_not_wait(rendering: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "RUN_FRAMES", 45)
    for number in range(6):
        rendering.take(batch(number, EPOCH, frames=15))
        assert len(rendering.rendered) == (number + 1) // 3 * 3


def test_video_waits_in_runs_as_twice_as_much_audio_and_is_no_first_frame_of_it(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path / "tape", video=True)
    renderer = DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform))
    rendered: list[TapeEvent] = []
    with pytest.MonkeyPatch.context() as patch, tape:
        patch.setattr(renderer, "feed", lambda event, logged: rendered.append(event))
        patch.setattr(recorder_module, "RUN_FRAMES", 40)
        recorder = Recorder(tape, renderer, lambda: EPOCH)
        recorder.take(video_batch(0, EPOCH, frames=10))
        assert recorder.first_frame_logged is None
        assert rendered == []
        recorder.take(batch(0, EPOCH, frames=20))
        assert recorder.first_frame_logged == EPOCH
        assert rendered == [video_batch(0, EPOCH, frames=10), batch(0, EPOCH, frames=20)]


def test_video_of_a_page_that_was_not_asked_for_any_leaves_a_fault(
    rendering: Rendering, tmp_path: Path
) -> None:
    rendering.take(video_batch(0, EPOCH), batch(0, EPOCH))
    fault, audio = read_tape(tmp_path / "tape")
    assert isinstance(fault, PageFault)
    assert fault.message == "VideoBatch: cannot be put on a tape without video"
    assert audio == batch(0, EPOCH)


def test_video_leaves_room_for_audio_on_a_disk_that_is_nearly_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, sizes = EPOCH, (ENOUGH, RESERVE - 1, 0, RESERVE, ENOUGH)
    observed: list[TapeEvent] = []
    with TapeWriter(tmp_path / "tape", video=True) as tape:
        recorder = Recorder(
            tape,
            DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
            lambda: now,
            [observed.append],
            video_room=VideoRoom(partial(next, iter(sizes))),
        )
        for number in range(len(sizes)):
            for event in (video_batch(number, EPOCH), batch(number, EPOCH)):
                recorder.take(event)
            now += CHECK_SECONDS
    written = list(read_tape(tmp_path / "tape"))
    assert written == observed
    assert [each.sequence for each in written if isinstance(each, FrameBatch)] == [0, 1, 2, 3, 4]
    told = [each for each in written if not isinstance(each, FrameBatch)]
    assert [each.sequence if isinstance(each, VideoBatch) else each for each in told] == [
        0,
        VideoRoomChanged(at=EPOCH + CHECK_SECONDS, left=False),
        VideoRoomChanged(at=EPOCH + 4 * CHECK_SECONDS, left=True),
        4,
    ]
    assert [each.message for each in caplog.records] == [
        "the disk is nearly full: video is left out, audio goes on",
        "the disk has room again: video goes on",
    ]


def test_a_disk_that_refuses_video_gets_none_for_a_while_and_the_sound_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {1}
    put = tape_writer._Part.append

    def append(self: tape_writer._Part, topic: str, data: bytes, logged_at: float) -> None:
        if topic == codec.VIDEO and int(now - EPOCH) in refused:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        put(self, topic, data, logged_at)

    monkeypatch.setattr(tape_writer._Part, "append", append)
    now = EPOCH
    with TapeWriter(tmp_path / "tape", video=True) as tape:
        recorder = Recorder(
            tape,
            DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
            lambda: now,
            video_room=VideoRoom(lambda: 10 * ENOUGH),
        )
        for number in range(70):
            now = EPOCH + number
            for event in (video_batch(number, EPOCH), batch(number, EPOCH)):
                recorder.take(event)
    assert recorder.error is None
    written = list(read_tape(tmp_path / "tape"))
    assert [each.sequence for each in written if isinstance(each, FrameBatch)] == list(range(70))
    shown = [each.sequence for each in written if isinstance(each, VideoBatch)]
    assert shown[0] == 0
    assert shown[1:] == list(range(shown[1], 70))
    assert FULL_SECONDS <= shown[1] - 1 <= FULL_SECONDS + CHECK_SECONDS
    changes = [(each.at - EPOCH, each.left) for each in written if isinstance(each, VideoRoomChanged)]
    assert changes == [(1.0, False), (float(shown[1]), True)]


def test_sound_that_is_refused_gets_what_was_set_aside_and_video_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = tape_writer._Part.append
    reserve = AudioReserve(tmp_path, 4096)
    refused: list[float] = []

    def append(self: tape_writer._Part, topic: str, data: bytes, logged_at: float) -> None:
        if topic == codec.FRAMES and now >= EPOCH + 3 and reserve.is_held:
            refused.append(now)
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        put(self, topic, data, logged_at)

    monkeypatch.setattr(tape_writer._Part, "append", append)
    now = EPOCH
    with (
        TapeWriter(tmp_path / "tape", video=True) as tape,
        closing(VideoRoom(lambda: 10 * ENOUGH, reserve)) as room,
    ):
        recorder = Recorder(
            tape,
            DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
            lambda: now,
            video_room=room,
        )
        for number in range(10):
            now = EPOCH + number
            for event in (video_batch(number, EPOCH), batch(number, EPOCH)):
                recorder.take(event)
    assert recorder.error is None
    assert refused == [EPOCH + 3]
    written = list(read_tape(tmp_path / "tape"))
    assert [each.sequence for each in written if isinstance(each, FrameBatch)] == list(range(10))
    assert [each.sequence for each in written if isinstance(each, VideoBatch)] == [0, 1, 2, 3]
    changes = [each for each in written if isinstance(each, VideoRoomChanged)]
    assert changes == [VideoRoomChanged(at=EPOCH + 4, left=False)]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_sound_goes_on_where_a_full_disk_has_what_was_set_aside(tmp_path: Path) -> None:
    """A real one, which does not say how full it is, and fills twice: video again gets only what sound leaves."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this root cannot mount")
    now = EPOCH
    try:
        with (
            TapeWriter(disk / "tape", video=True) as tape,
            closing(VideoRoom(lambda: None, AudioReserve(disk, 2 * 1024 * 1024))) as room,
        ):
            recorder = Recorder(
                tape,
                DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
                lambda: now,
                video_room=room,
            )
            for number in range(300):
                now += 1.0
                for event in (heavy(video_batch(number, EPOCH)), batch(number, EPOCH)):
                    recorder.take(event)
            assert recorder.error is None
        reader = TapeReader(disk / "tape")
        written = list(reader)
        assert reader.warnings == []
    finally:
        subprocess.run(["umount", disk], check=True)
    assert [each.sequence for each in written if isinstance(each, FrameBatch)] == list(range(300))
    shown = [each.sequence for each in written if isinstance(each, VideoBatch)]
    assert shown == list(range(len(shown)))
    assert 0 < len(shown) < 50
    assert [each.left for each in written if isinstance(each, VideoRoomChanged)] == [False]


def heavy(batch: VideoBatch) -> VideoBatch:
    frames = [msgspec.structs.replace(frame, payload=bytes(40_000)) for frame in batch.frames]
    return msgspec.structs.replace(batch, frames=frames)


def test_a_clock_that_goes_back_makes_nothing_wait(rendering: Rendering) -> None:
    rendering.take(batch(0, EPOCH))
    rendering.take(batch(1, EPOCH), after=-3600.0)
    assert len(rendering.rendered) == 2


def test_what_is_heard_live_does_not_wait(open_rendering: OpenRendering) -> None:
    rendering = open_rendering(run_seconds=0.0)
    for number, event in enumerate(FROM_PAGE):
        rendering.take(event)
        assert len(rendering.rendered) == number + 1


@pytest.mark.parametrize("name", ["google_meet-2", "microsoft_teams-2-captions"])
def test_runs_render_the_bytes_of_a_replay(tmp_path: Path, name: str) -> None:
    (folder,) = (each for each in expect.golden_tapes() if each.name == name)
    events = list(TapeReader(folder / "tape").logged_events())
    times = iter([logged for logged, _ in events])
    recorder = Recorder(
        TapeWriter(tmp_path / "tape"),
        DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
        lambda: next(times),
    )
    # Its second call is for first_frame_logged.
    recorder.first_frame_logged = 0.0
    for _, event in events:
        recorder.take(event)
    recorder.finish()
    assert recorder.error is None
    assert expect.differences(expect.read_expected(folder), expect.measure(tmp_path / "out")) == []

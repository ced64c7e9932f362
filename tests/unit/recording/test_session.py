from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Literal, cast

import pytest
from playwright.async_api import Error as PlaywrightError

from tests.support.tape_samples import EPOCH, batch
from tests.support.video_frames import video_frame
from worker.browser.injected_scripts import TapLimits, limits_for
from worker.browser.launch import ChromiumNotFoundError
from worker.browser.tap import Tap
from worker.lifecycle.leave_policy import LeavePolicy
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.state_machine import Lifecycle
from worker.platforms.call import CallError
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording import interruptions, session
from worker.recording.controls import Controls
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.session import attend
from worker.recording.steady_clock import SteadyClock
from worker.rendering.deferred import OpenRenderer
from worker.rendering.renderer import Renderer
from worker.settings import BrowserSettings
from worker.states import State
from worker.stems.gate import PLACED_AFTER
from worker.stems.jitter_buffer import WINDOW_SECONDS
from worker.tape.events import LONGEST_BATCH, RecordingStarted, TapeEvent, VideoBatch, VideoRoomChanged


class BrokenTerminal(RecordingObserver):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def state(self, state: State, reason: object = None) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(), ValueError("I/O operation on closed file"), UnicodeError("ascii")],
    ids=repr,
)
async def test_a_terminal_that_takes_nothing_does_not_prevent_the_recording(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def launched(_: BrowserSettings) -> AsyncIterator[None]:
        raise ChromiumNotFoundError("the launch was reached")
        yield

    monkeypatch.setattr(session, "launch_browser", launched)
    request = RecordingRequest(
        bot_id="bot-1",
        link=parse_link("https://meet.google.com/abc-defg-hij"),
        output=tmp_path / "out",
        bot_name="Notes",
    )
    stopped = asyncio.get_running_loop().create_future()
    with pytest.raises(ChromiumNotFoundError, match="was reached"):
        await attend(request, BrowserSettings(), BrokenTerminal(error), cast(OpenRenderer, None), stopped)


@pytest.mark.parametrize("limits", [TapLimits(), limits_for(40)])
@pytest.mark.parametrize("reckoned", [session.IN_FLIGHT, PLACED_AFTER - WINDOW_SECONDS])
def test_a_wait_for_a_batch_is_longer_than_a_frame_waits_in_it(limits: TapLimits, reckoned: float) -> None:
    assert limits.batch_milliseconds / 1000 <= LONGEST_BATCH <= reckoned - 0.1


Told = Literal["never", "before", "now"]
"""When the bot was told to record: by a command to an earlier attempt, or to this one."""


@pytest.mark.parametrize(
    ("start_on", "told", "counts"),
    [
        ("call_join", "never", True),
        ("call_join", "before", True),
        ("call_join", "now", False),
        ("manual", "never", False),
        ("manual", "before", True),
        ("manual", "now", False),
    ],
)
async def test_frames_from_before_the_call_was_recognized_count_unless_a_command_begins_the_recording(
    start_on: Any, told: Told, counts: bool, tmp_path: Path
) -> None:
    controls = Controls(told_to_record=told == "before")
    request = RecordingRequest(
        bot_id="bot-1",
        link=parse_link("https://meet.google.com/abc-defg-hij"),
        output=tmp_path,
        bot_name="Notes",
        policy=LeavePolicy(start_on=start_on),
        controls=controls,
    )
    media = MediaMonitor()
    media.observe(batch(0, EPOCH), EPOCH)
    first = media.now.first_frame
    assert first is not None
    parts: Any = SimpleNamespace(observers=[])
    clock: Any = lambda: EPOCH  # noqa: E731
    attempt = session._Session(
        request,
        parts,
        parts,
        parts,
        parts,
        parts,
        parts,
        parts,
        media,
        RecordingObserver(),
        parts,
        clock,
    )
    if told == "now":
        controls.start_recording()
    at = first + 4.0
    assert attempt._meeting_start(at) == (first if counts else at)


ROOM_AGAIN = VideoRoomChanged(at=EPOCH, left=True)
VIDEO_FOLLOWED = tuple(VideoBatch(1, number, 0, [video_frame(0, EPOCH + number)]) for number in range(3))


@pytest.mark.parametrize(
    ("events", "begun", "requests"),
    [
        (VIDEO_FOLLOWED, True, [[(1, 0)]]),
        (VIDEO_FOLLOWED, False, []),
        ([ROOM_AGAIN], True, [None]),
        ([VideoRoomChanged(at=EPOCH, left=False)], True, []),
        ([*VIDEO_FOLLOWED, ROOM_AGAIN], True, [[(1, 0)], None]),
        ([ROOM_AGAIN, *VIDEO_FOLLOWED], True, [None]),
    ],
    ids=[
        "overdue: of its sender",
        "overdue before the recording",
        "room again: of all senders",
        "no room",
        "of all, though one is being asked",
        "of one, while all are being asked",
    ],
)
async def test_key_frames_are_requested_of_the_page_while_it_records(
    events: Sequence[TapeEvent], begun: bool, requests: list[list[tuple[int, int]] | None], tmp_path: Path
) -> None:
    async def request_key_frames(of: list[tuple[int, int]] | None) -> bool:
        asked.append(of)
        return True

    asked: list[list[tuple[int, int]] | None] = []
    request = RecordingRequest(
        bot_id="bot-1",
        link=parse_link("https://meet.google.com/abc-defg-hij"),
        output=tmp_path,
        bot_name="Notes",
        separate_video=True,
    )
    died = asyncio.get_running_loop().create_future()
    parts: Any = SimpleNamespace(observers=[], begun=begun, died=died, request_key_frames=request_key_frames)
    clock: Any = lambda: EPOCH + 10  # noqa: E731
    others = (parts, parts, parts, parts, parts, parts, parts, MediaMonitor(), RecordingObserver(), parts)
    attempt = session._Session(request, *others, clock)
    for event in events:
        attempt._follow_video(event)
    await asyncio.gather(*attempt._requests)
    assert asked == requests


class FakeTap:
    """A tap whose document is gone at the end; the recording has begun when it is attached."""

    def __init__(self, error: Exception | None) -> None:
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.last_heartbeat = None
        self._error = error

    async def open_page(self) -> object:
        return object()

    async def flush(self) -> None:
        raise_if(self._error)


class FakeCall:
    """A call that breaks at once."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def open(self) -> None:
        raise CallError(Reason.CONNECTION_LOST, "scripted")

    async def leave(self) -> None:
        raise_if(self._error)


def raise_if(error: Exception | None) -> None:
    if error is not None:
        raise error


DOES: Final = {
    "flush": "get what the page holds",
    "snapshot": "take a picture of the page",
    "leave": "leave by the button",
}

BEGIN: Final[list[TapeEvent]] = [
    RecordingStarted(at=EPOCH),
    *(batch(number, EPOCH + number * 0.3) for number in range(10)),
]


@pytest.mark.parametrize(
    "error",
    [
        PlaywrightError("no answer from https://x.test/a?p=secret"),
        CallError(Reason.PAGE_HUNG, ""),
        TimeoutError(),
        OSError("full"),
        ValueError("odd"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", ["flush", "snapshot", "leave"])
async def test_nothing_that_fails_in_the_browser_at_the_end_costs_a_file(
    place: str,
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    def raises(at: str) -> Exception | None:
        return error if at == place else None

    @asynccontextmanager
    async def launched(_: BrowserSettings) -> AsyncIterator[object]:
        yield SimpleNamespace(died=asyncio.get_running_loop().create_future())

    async def new_context(_: object) -> object:
        return object()

    async def attach(_: object, take: Callable[[TapeEvent], None], *__: object, **___: object) -> FakeTap:
        started.append(take)
        return FakeTap(raises("flush"))

    def open_call(*_: object, **__: object) -> FakeCall:
        # After TapeStarted, which names the platform.
        return FakeCall(raises("leave"))

    async def take_snapshot(*_: object) -> None:
        raise_if(raises("snapshot"))

    async def never(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    def lifecycle(*arguments: Any, **more: Any) -> Lifecycle:
        options.append(more)
        return Lifecycle(*arguments, **more)

    started: list[Callable[[TapeEvent], None]] = []
    options: list[dict[str, Any]] = []

    class Beginning(RecordingObserver):
        def state(self, state: State, reason: object = None) -> None:
            if state is State.JOINING:
                for event in BEGIN:
                    started[0](event)

    monkeypatch.setattr(session, "launch_browser", launched)
    monkeypatch.setattr(session, "new_context", new_context)
    monkeypatch.setattr(Tap, "attach", attach)
    monkeypatch.setattr(session, "open_call", open_call)
    monkeypatch.setattr(session, "take_snapshot", take_snapshot)
    monkeypatch.setattr(session, "SteadyClock", partial(SteadyClock, wall=lambda: EPOCH))
    monkeypatch.setattr(session, "Lifecycle", lifecycle)
    monkeypatch.setattr(interruptions, "until_hung", never)
    request = RecordingRequest(
        bot_id="bot-1",
        link=parse_link("https://meet.google.com/abc-defg-hij"),
        output=tmp_path / "out",
        bot_name="Notes",
        failure=tmp_path / "failure",
        comes_back=True,
    )
    stopped = asyncio.get_running_loop().create_future()
    outcome = await attend(
        request,
        BrowserSettings(),
        Beginning(),
        lambda platform: Renderer(tmp_path / "out", platform),
        stopped,
    )
    assert outcome.ending.reason is Reason.CONNECTION_LOST
    assert options == [{"comes_back": True}]
    assert (f"could not {DOES[place]}: " in caplog.text) and "secret" not in caplog.text
    assert outcome.error is None
    assert outcome.manifest is not None
    assert (tmp_path / "out" / "audio_streams.json").is_file()

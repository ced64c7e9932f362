from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import pytest

from worker.lifecycle.announcement import NotAnnounced
from worker.manifest.schema import Announcement
from worker.platforms.call import Call
from worker.recording import announcer as module
from worker.recording.announcer import MOST_TRIES, PAUSE, Announcer
from worker.tape.events import Announced, WorkerEvent

Confirm: TypeAlias = Callable[[NotAnnounced | None], Awaitable[bool]]

T0 = 1_800_000_000.0
AT = "2027-01-15T08:00:00.000Z"


@pytest.fixture(autouse=True)
def no_wait_for_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIRM_TIMEOUT", 0.001)


class ScriptedChat:
    """Answers with one of ``answers`` after the other; the last one stays. ``hangs``: it never answers."""

    def __init__(self, *answers: NotAnnounced | None, hangs: bool = False) -> None:
        self._answers = list(answers)
        self._hangs = hangs
        self.asked = 0

    async def announce(self, message: str) -> NotAnnounced | None:
        assert message == "Hello"
        self.asked += 1
        if self._hangs:
            await asyncio.Event().wait()
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Run:
    def __init__(self, chat: ScriptedChat, message: str | None = "Hello") -> None:
        self.now = T0
        self.written: list[WorkerEvent] = []
        self.announcer = Announcer(
            cast(Call, chat), message, write=self.written.append, clock=lambda: self.now
        )

    async def stay(self, seconds: float) -> None:
        """Looks twice a second, as in a call."""
        for _ in range(int(2 * seconds)):
            await self.announcer.try_if_due()
            self.now += 0.5


async def test_a_message_that_is_taken_is_written_once_and_its_time_is_told() -> None:
    chat = ScriptedChat(None)
    run = Run(chat)
    await run.stay(60)
    run.announcer.end(recorded=True)
    assert chat.asked == 1
    assert run.announcer.outcome == Announcement(written_at=AT)
    assert run.written == [Announced(at=T0)]


async def test_a_refused_message_is_tried_again_after_a_pause() -> None:
    chat = ScriptedChat(NotAnnounced.NO_CHAT, NotAnnounced.NOT_TAKEN, None)
    run = Run(chat)
    await run.stay(PAUSE - 1)
    assert (chat.asked, run.announcer.outcome, run.written) == (1, None, [])
    await run.stay(60)
    assert chat.asked == 3
    assert run.written == [Announced(at=T0 + 2 * PAUSE)]


async def test_after_the_last_try_the_failure_is_told(caplog: pytest.LogCaptureFixture) -> None:
    chat = ScriptedChat(*[NotAnnounced.NOT_TAKEN] * (MOST_TRIES - 1), NotAnnounced.NO_CHAT)
    run = Run(chat)
    await run.stay(120)
    run.announcer.end(recorded=True)
    assert chat.asked == MOST_TRIES
    assert run.announcer.outcome == Announcement(written_at=None, failure="no_chat")
    assert run.written == [Announced(at=T0 + (MOST_TRIES - 1) * PAUSE, failure="no_chat")]
    assert "could not be written into the chat: no_chat" in caplog.text


async def test_a_chat_that_does_not_answer_has_not_taken_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRY_TIMEOUT", 0.01)
    chat = ScriptedChat(hangs=True)
    run = Run(chat)
    await run.stay(60)
    assert chat.asked == MOST_TRIES
    assert run.announcer.outcome == Announcement(written_at=None, failure="not_taken")


@pytest.mark.parametrize(("recorded", "failure"), [(True, "left_before"), (False, "recording_never_began")])
async def test_what_was_not_announced_until_the_end_says_why(recorded: bool, failure: str) -> None:
    run = Run(ScriptedChat(NotAnnounced.NOT_TAKEN))
    if recorded:
        await run.stay(PAUSE / 2)
    run.announcer.end(recorded=recorded)
    run.announcer.end(recorded=recorded)
    assert run.announcer.outcome == Announcement(written_at=None, failure=failure)
    assert run.written == [Announced(at=run.now, failure=failure)]


async def test_nothing_is_written_where_there_is_nothing_to_announce() -> None:
    chat = ScriptedChat(None)
    run = Run(chat, message=None)
    await run.stay(60)
    run.announcer.end(recorded=True)
    assert (chat.asked, run.announcer.outcome, run.written) == (0, None, [])


class EchoingChat(ScriptedChat):
    """Has ``said`` come back as ``by`` while the page writes the message."""

    def __init__(self, answer: NotAnnounced | None, said: str, by: str = "echo") -> None:
        super().__init__(answer)
        self.run: Run | None = None
        self._said = said
        self._by = by

    async def announce(self, message: str) -> NotAnnounced | None:
        if self.run is not None:
            self.run.announcer.see(self._said, self._by)
        return await super().announce(message)


@pytest.mark.parametrize("by", ["echo", "sent"])
@pytest.mark.parametrize("answer", [None, NotAnnounced.NOT_TAKEN])
async def test_a_message_that_comes_back_was_written_whatever_the_page_shows(
    answer: NotAnnounced | None, by: str
) -> None:
    chat = EchoingChat(answer, " Hello\n", by)
    chat.run = run = Run(chat)
    await run.stay(60)
    assert chat.asked == 1
    assert run.announcer.outcome == Announcement(written_at=AT)
    assert run.written == [Announced(at=T0, confirmed_by=by)]


@pytest.mark.parametrize("said", ["Hello you", "Hell", "", "\u2026", "Hallo\u2026"])
async def test_another_message_confirms_nothing(said: str) -> None:
    chat = EchoingChat(NotAnnounced.NOT_TAKEN, said)
    chat.run = run = Run(chat)
    await run.stay(60)
    assert chat.asked == MOST_TRIES
    assert run.written == [Announced(at=T0 + (MOST_TRIES - 1) * PAUSE, failure="not_taken")]


async def test_a_message_that_was_cut_is_confirmed_by_its_beginning() -> None:
    chat = EchoingChat(None, "He\u2026")
    chat.run = run = Run(chat)
    await run.stay(1)
    assert run.written == [Announced(at=T0, confirmed_by="echo")]


async def test_what_was_said_before_the_bot_wrote_anything_is_no_confirmation() -> None:
    run = Run(ScriptedChat(None))
    run.announcer.see("Hello", "echo")
    await run.stay(1)
    assert run.written == [Announced(at=T0)]


def told_first(written: asyncio.Event, ask: Confirm) -> Confirm:
    async def confirm(failure: NotAnnounced | None) -> bool:
        written.set()
        return await ask(failure)

    return confirm


async def test_a_confirmation_may_come_after_the_page_took_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONFIRM_TIMEOUT", 30.0)
    run = Run(ScriptedChat(None))
    written = asyncio.Event()
    monkeypatch.setattr(run.announcer, "_is_confirmed", told_first(written, run.announcer._is_confirmed))
    trying = asyncio.create_task(run.announcer.try_if_due())
    await written.wait()
    run.announcer.see("Hello", "sent")
    run.announcer.see("Hello", "echo")
    await trying
    assert run.written == [Announced(at=T0, confirmed_by="sent")]

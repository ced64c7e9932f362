from __future__ import annotations

import asyncio
from typing import cast

import pytest

from worker.lifecycle.announcement import NotAnnounced
from worker.manifest.schema import Announcement
from worker.platforms.call import Call
from worker.recording import announcer as module
from worker.recording.announcer import MOST_TRIES, PAUSE, Announcer
from worker.tape.events import Announced, WorkerEvent

T0 = 1_800_000_000.0
AT = "2027-01-15T08:00:00.000Z"


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


async def test_a_message_that_is_accepted_is_written_once_and_its_time_is_reported() -> None:
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


async def test_after_the_last_try_the_failure_is_reported(caplog: pytest.LogCaptureFixture) -> None:
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

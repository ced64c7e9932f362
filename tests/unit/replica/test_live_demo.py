from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from fixtures.replica import live_demo
from worker.contracts.live_endpoints import AUDIO_SEPARATE, PARTICIPANT_EVENTS, LiveForm, Transport
from worker.contracts.parse_job import parse_job


def test_the_job_sends_sound_and_all_events_to_the_receiver() -> None:
    body = live_demo.job("https://meet.google.com/abc-defg-hij", "ws://127.0.0.1:8765/")
    job = parse_job(json.dumps(body), lambda: "bot-1")
    (endpoint,) = job.live
    assert endpoint.url == "ws://127.0.0.1:8765/"
    assert (endpoint.form, endpoint.transport) == (LiveForm.RECALL, Transport.WEBSOCKET)
    assert AUDIO_SEPARATE in endpoint.events
    assert f"{PARTICIPANT_EVENTS}speech_on" in endpoint.events
    assert not job.ignored


async def test_the_last_words_of_a_worker_that_fails_are_shown_as_it_said_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(_body: dict[str, object], _output: Path, log: Path) -> int:
        await asyncio.to_thread(log.write_text, "left out\n1\n2\n3\n4\nmeetstems: interrupted\n")
        return 130

    monkeypatch.setattr(live_demo, "_record", fail)
    assert await live_demo._demo("https://meet.google.com/abc-defg-hij", tmp_path) == 130
    said = capsys.readouterr().err.splitlines()
    assert said == [*(f"meetstems: {number}" for number in range(1, 5)), "meetstems: interrupted"]


def test_a_folder_that_holds_something_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("")
    monkeypatch.setattr(sys, "argv", ["live_demo", str(tmp_path)])
    assert live_demo.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line

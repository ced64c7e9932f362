from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tests.support.canaries import files_in, found_in, leaks
from tests.support.tape_samples import batch, video_batch
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.recorder import Recorder
from worker.recording.redaction import redacted_ending, redacted_event
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.safe_text import NO_SECRETS, Redactor
from worker.tape.codec import decode, encode
from worker.tape.events import Event, PageEvent, PageFault, SocketMessage, TapeEvent, Tile, WorkerEvent
from worker.tape.writer import TapeWriter

SECRET = "Xk7mQ2"
TEXT = f"https://h/launch?p={SECRET}&coords=" + base64.b64encode(f'{{"a":"{SECRET}"}}'.encode()).decode()
EVENTS: list[type[Event]] = [*get_args(PageEvent), *get_args(WorkerEvent)]
VALUES: dict[object, Any] = {
    str: TEXT,
    bytes: TEXT.encode(),
    list[str]: [TEXT],
    str | None: TEXT,
    list[Tile]: [Tile(participant_id=TEXT, name=TEXT, sources=[TEXT])],
}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_no_event_holds_a_secret_afterwards(kind: type[Event]) -> None:
    fields = {
        field.name: VALUES.get(field.type, False if field.type is bool else 1)
        for field in msgspec.structs.fields(kind)
    }
    event: TapeEvent = kind(**fields)  # type: ignore[assignment]
    clean = redacted_event(event, Redactor([SECRET]))
    assert type(clean) is type(event)
    topic, data = encode(clean)
    assert decode(topic, data) == clean
    assert not list(found_in(data, [SECRET]))
    payload = getattr(clean, "payload", b"")
    assert not list(found_in(payload, [SECRET]))
    assert len(payload) == len(getattr(event, "payload", b""))


@pytest.mark.parametrize("event", [batch(0, 1.0), video_batch(0, 1.0)], ids=["audio", "video"])
def test_encoded_media_is_left_as_it_is(event: TapeEvent) -> None:
    assert redacted_event(event, Redactor(["picture", SECRET])) is event


@pytest.mark.parametrize("writable", [True, False], ids=["tape", "full disk"])
def test_the_recorder_writes_renders_and_passes_on_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    message = SocketMessage(at=1.0, document=1, url=TEXT, payload=TEXT.encode())
    rendered: list[TapeEvent] = []
    observed: list[TapeEvent] = []
    renderer = DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform))
    monkeypatch.setattr(renderer, "feed", lambda event, logged: rendered.append(event))
    with TapeWriter(tmp_path / "tape") as tape:
        recorder = Recorder(
            tape, renderer, observers=[observed.append], redactor=Redactor([SECRET]), run_seconds=0.0
        )
        if writable:
            recorder.take(message)
        else:
            recorder.render(message)
    assert rendered == [redacted_event(message, Redactor([SECRET]))]
    assert observed == (rendered if writable else [])
    assert leaks(files_in(tmp_path / "tape"), [SECRET]) == []
    assert not list(found_in(encode(rendered[0])[1], [SECRET]))


def test_a_fault_of_the_page_loses_the_queries_in_its_message() -> None:
    fault = PageFault(at=1.0, document=1, where="tap", message="no: https://h/m?coords=e30 is gone")
    assert redacted_event(fault, NO_SECRETS).message == "no: https://h/m?*** is gone"


def test_an_ending_is_one_line_without_secrets_and_queries() -> None:
    detail = f"Error('at https://h/m?x=1\\nCall log: {SECRET}')\nmore"
    ending = redacted_ending(Ending(Reason.INTERNAL_ERROR, detail, 1.0), Redactor([SECRET]))
    assert ending == Ending(Reason.INTERNAL_ERROR, "Error('at https://h/m?*** log: xxxxxx') more", 1.0)
    assert len(redacted_ending(ending._replace(detail="a" * 5000), NO_SECRETS).detail) == 600

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser import direct_binding
from worker.browser.direct_binding import DirectBinding


class FakeContext:
    """A context and its CDP session. ``sent`` are the commands; ``refused`` is one that fails."""

    def __init__(self, refused: str = "") -> None:
        self.sent: list[tuple[str, Any]] = []
        self.listeners: dict[str, Callable[[Any], None]] = {}
        self._refused = refused

    async def new_cdp_session(self, page: object) -> FakeContext:
        return self

    def on(self, event: str, listener: Callable[[Any], None]) -> None:
        self.listeners[event] = listener

    async def send(self, method: str, params: dict[str, Any] | None = None) -> None:
        if method == self._refused:
            raise PlaywrightError("not supported")
        self.sent.append((method, params))


async def installed(context: FakeContext) -> tuple[DirectBinding, list[tuple[str, str]]]:
    received: list[tuple[str, str]] = []
    binding = DirectBinding(lambda kind, body: received.append((kind, body)))
    await binding.install(cast(BrowserContext, context), cast(Page, None))
    return binding, received


async def test_calls_are_received_in_order_and_counted_by_document() -> None:
    context = FakeContext()
    binding, received = await installed(context)
    for payload in ("7 frames kw==", '7 events [{"a b": 1}]', "8 frames "):
        context.listeners["Runtime.bindingCalled"]({"name": binding.name, "payload": payload})
    context.listeners["Runtime.bindingCalled"]({"name": "another", "payload": "7 frames x"})
    assert received == [("frames", "kw=="), ("events", '[{"a b": 1}]'), ("frames", "")]
    assert [binding.arrived(document) for document in ("7", "8", "9")] == [2, 1, 0]


async def test_the_listeners_signature_is_known_before_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = FakeContext()
    await installed(context)
    listener = context.listeners["Runtime.bindingCalled"]
    monkeypatch.setattr(inspect, "_signature_from_function", None)
    assert list(inspect.signature(listener).parameters) == ["event"]


@pytest.mark.parametrize("payload", ["", " ", "7", "7 ", "frames"])
async def test_a_call_that_is_no_batch_is_passed_on_to_be_refused(payload: str) -> None:
    context = FakeContext()
    binding, received = await installed(context)
    context.listeners["Runtime.bindingCalled"]({"name": binding.name, "payload": payload})
    assert received == [("", "")]


async def test_documents_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_binding, "MOST_DOCUMENTS", 2)
    context = FakeContext()
    binding, received = await installed(context)
    for document in (1, 2, 3, 1):
        context.listeners["Runtime.bindingCalled"]({"name": binding.name, "payload": f"{document} frames x"})
    assert len(received) == 4
    assert [binding.arrived(document) for document in ("1", "2", "3")] == [2, 1, 0]


@pytest.mark.parametrize("refused", ["Runtime.enable", "Runtime.addBinding"])
async def test_a_page_without_the_binding_is_noted(refused: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await installed(FakeContext(refused))
    assert [record.getMessage() for record in caplog.records] == [
        "the page has no direct binding: not supported"
    ]


async def test_the_console_is_released_once_for_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_binding, "_RELEASE_AFTER", 0.0)
    context = FakeContext()
    binding, _ = await installed(context)
    for _ in range(2):
        del context.sent[:]
        for _ in range(3):
            context.listeners["Runtime.consoleAPICalled"]({})
            context.listeners["Runtime.exceptionThrown"]({})
        for task in list(binding._releases.values()):
            await task
        assert context.sent == [("Runtime.releaseObjectGroup", {"objectGroup": "console"})]

"""A Teams meeting's passcode after faults that happen to the page: no output holds it, in any form.

The outcomes without a fault are searched where they are played (tests/support/outcome_rows.py).
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from playwright.async_api import Page

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.links import PASSCODE
from fixtures.replica.teams.scenario import TeamsPage
from tests.support.canaries import files_in, found_in, leaks
from tests.support.outcome_rows import EventLog, outputs_of, worker_log
from tests.support.record_process import settings_for
from tests.support.worker_process import Cloud, Worker, cloud
from worker.browser import hang_detector, launch, page_snapshot
from worker.lifecycle.ending import Ending
from worker.platforms.links import parse_link
from worker.platforms.teams.call import TeamsCall
from worker.reasons import Reason
from worker.recording import session
from worker.recording.outcome import RecordingRequest
from worker.recording.session import attend
from worker.rendering.renderer import Renderer
from worker.states import State

Fault = Callable[[Page], Awaitable[object]]


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as embedded:
        yield embedded


def meeting() -> Scenario:
    return Scenario(
        title="secret",
        platform="microsoft_teams",
        duration=90.0,
        participants=[Participant(name="Ada Ray", voice="elif", csrc=401, says=[(0.2, 89.0)], host=True)],
        teams=TeamsPage(lobby=0.5),
    )


def test_the_search_finds_the_passcode_in_the_address_of_the_light_client() -> None:
    from fixtures.replica.teams.links import light_path

    assert list(found_in(light_path(PASSCODE).encode(), [PASSCODE])) == [PASSCODE]


@pytest.mark.timeout(180)
async def test_a_crashing_page_leaves_no_passcode_in_bucket_events_log_and_metrics(
    aws: Cloud, tmp_path: Path
) -> None:
    port = free_port()
    async with Replica(meeting(), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        worker = await Worker.start(
            replica,
            aws,
            tmp_path / "work",
            MEETSTEMS_METRICS_PORT=str(port),
            MEETSTEMS_POD="pod-1",
            MEETSTEMS_NODE="node-1",
        )
        for attempt in (1, 2):

            def records(attempt: int = attempt) -> bool:
                status = aws.status()
                on_tape = any(f"attempts/{attempt:04d}/tape/" in key for key in aws.objects())
                return status is not None and status.state == State.IN_CALL_RECORDING and on_tape

            await aws.until(records, within=90)
            with await asyncio.to_thread(
                urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics"
            ) as answer:
                metrics = answer.read()
            crash_pages(worker.process.pid)
        await worker.finish()
    status, (result,) = aws.status(), aws.results()
    assert status is not None
    assert (status.pod, status.node) == ("pod-1", "node-1")
    assert (result.reason, result.detail) == (Reason.BROWSER_DIED, "the page crashed")
    outputs = {
        **files_in(await asyncio.to_thread(aws.save, tmp_path / "bot")),
        **{f"work/{name}": content for name, content in files_in(tmp_path / "work").items()},
        "log": worker.log.encode(),
        "events": msgspec.json.encode(aws.events()),
        "metrics": metrics,
    }
    assert leaks(outputs, [PASSCODE]) == []
    assert leaks({name: outputs[name] for name in ("log", "metrics")}, ["Ada Ray", "Ada_Ray"]) == []


async def hang(page: Page) -> None:
    # It never returns; the page hangs all the same.
    asyncio.ensure_future(page.evaluate("() => { for (;;); }")).add_done_callback(
        lambda done: done.exception()
    )


async def raise_with_address(page: Page) -> None:
    raise RuntimeError(f"broken at {page.url}\n{page.url}")


async def fail_in_page(page: Page) -> None:
    await page.evaluate("() => { throw new Error(`broken at ${location.href}`) }")


FAULTS: dict[str, tuple[Reason, Fault]] = {
    "page-closed": (Reason.BROWSER_DIED, Page.close),
    "page-hung": (Reason.PAGE_HUNG, hang),
    "internal-error": (Reason.INTERNAL_ERROR, raise_with_address),
    "internal-error-of-playwright": (Reason.INTERNAL_ERROR, fail_in_page),
}
"""What happens to the page in the call, and the reason of the ending."""


@pytest.mark.parametrize("name", list(FAULTS))
async def test_a_fault_of_the_page_leaves_no_passcode_in_any_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reason, fault = FAULTS[name]
    act = TeamsCall.act

    async def act_until_in_call(self: TeamsCall) -> None:
        if self._past.entered:
            await fault(self._driver.page)
        await act(self)

    monkeypatch.setattr(TeamsCall, "act", act_until_in_call)
    monkeypatch.setattr(hang_detector, "HUNG_TIMEOUT", 2.0)
    monkeypatch.setattr(hang_detector, "_HUNG_PERIOD", 0.5)
    # A page that hangs needs each of these timeouts.
    monkeypatch.setattr(page_snapshot, "TIMEOUT", 1.0)
    monkeypatch.setattr(session, "LEAVE_TIMEOUT", 1.0)
    monkeypatch.setattr(launch, "CLOSE_TIMEOUT", 1.0)
    async with Replica(meeting(), tmp_path / "truth.jsonl") as replica:
        ending, outputs = await attended(replica, tmp_path / "out")
    assert ending.reason is reason
    assert leaks(outputs, [PASSCODE]) == []


async def test_a_page_that_does_not_load_leaves_no_passcode_in_any_output(tmp_path: Path) -> None:
    async with Replica(meeting(), tmp_path / "truth.jsonl") as replica:
        nowhere = f"--host-resolver-rules=MAP * 127.0.0.1:{free_port()}"
        ending, outputs = await attended(replica, tmp_path / "out", nowhere)
    assert ending.reason is Reason.PAGE_NOT_LOADED
    assert "ERR_CONNECTION_REFUSED" in ending.detail
    assert leaks(outputs, [PASSCODE]) == []


async def attended(replica: Replica, output: Path, *arguments: str) -> tuple[Ending, dict[str, bytes]]:
    """Sends the bot to the replica's meeting; returns how it ended, and all outputs."""
    settings = settings_for(replica)
    settings = msgspec.structs.replace(settings, chromium_args=(*settings.chromium_args, *arguments))
    observer = EventLog()
    link = parse_link(replica.meeting_url)
    request = RecordingRequest("secrets", link, output, "Stems", failure=output / "failure")
    never: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    with worker_log() as log:
        outcome = await attend(
            request, settings, observer, lambda platform: Renderer(output, platform), never
        )
    outputs: dict[str, Any] = outputs_of(replica, outcome, output, observer)
    return outcome.ending, {**outputs, "log": "\n".join(log.lines).encode()}


def crash_pages(worker: int) -> None:
    """Kills the processes of all pages, as a crash does."""
    for process in psutil.Process(worker).children(recursive=True):
        if "--type=renderer" in process.cmdline():
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

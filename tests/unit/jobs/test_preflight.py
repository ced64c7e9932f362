from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.fault_proxy import REFUSALS, Fault, FaultProxy, is_s3, is_sqs
from tests.support.replayed_jobs import QUICK, worker_context
from tests.support.worker_process import Cloud, sqs_of
from worker.browser.launch import ChromiumLaunchError, ChromiumNotFoundError
from worker.delivery.errors import UnavailableError
from worker.delivery.jobs_queue import JobsQueue
from worker.errors import InputError
from worker.jobs import preflight as module
from worker.jobs.context import WorkerContext
from worker.jobs.preflight import PreflightError, preflight, until_able
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.settings import BrowserSettings


class Browser:
    """Replaces the launch of Chromium; raises ``error`` if there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.launches = 0

    @asynccontextmanager
    async def launch(self, settings: BrowserSettings) -> AsyncIterator[None]:
        self.launches += 1
        if self.error is not None:
            raise self.error
        yield


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser()
    monkeypatch.setattr(module, "launch_browser", made.launch)
    return made


@pytest.fixture
async def context(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkerContext]:
    made = worker_context(cloud, tmp_path_factory.mktemp("work"))
    yield replace(made, store=made.store.within(0.2))
    made.events.close()


@pytest.fixture
def queue(cloud: Cloud, context: WorkerContext) -> JobsQueue:
    return JobsQueue(sqs_of(context.aws), cloud.embedded.jobs_url, retry=QUICK.within(0.2))


async def test_a_worker_that_can_work_touches_no_message(
    cloud: Cloud, context: WorkerContext, queue: JobsQueue, browser: Browser, proxy: FaultProxy
) -> None:
    cloud.jobs.send("{}")
    await preflight(context, queue)
    assert browser.launches == 1
    assert not [request for request in proxy.seen if request.action == "ReceiveMessage"]
    delivery = cloud.jobs.receive(1)
    assert delivery is not None
    assert delivery.receive_count == 1


@pytest.mark.parametrize("service", [is_s3, is_sqs], ids=["S3", "SQS"])
@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_refusal_is_wrong_configuration(
    context: WorkerContext,
    queue: JobsQueue,
    browser: Browser,
    proxy: FaultProxy,
    fault: Fault,
    service: object,
) -> None:
    proxy.fail(fault, matches=service)  # type: ignore[arg-type]
    with pytest.raises(PreflightError, match="this worker cannot run jobs: S"):
        await preflight(context, queue)


@pytest.mark.parametrize("service", [is_s3, is_sqs], ids=["S3", "SQS"])
async def test_a_service_that_does_not_answer_is_no_configuration_error(
    context: WorkerContext, queue: JobsQueue, browser: Browser, proxy: FaultProxy, service: object
) -> None:
    proxy.fail(Fault.SLOW_DOWN, matches=service)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError):
        await preflight(context, queue)


@pytest.mark.parametrize(
    "error",
    [
        ChromiumNotFoundError("there is no Chromium"),
        ChromiumLaunchError("it did not start"),
        OSError("no pids"),
    ],
)
async def test_a_worker_without_a_browser_does_not_receive(
    context: WorkerContext, queue: JobsQueue, browser: Browser, error: Exception
) -> None:
    browser.error = error
    with pytest.raises(PreflightError, match=str(error)):
        await preflight(context, queue)


async def test_everything_that_is_wrong_is_named_at_once(
    context: WorkerContext, queue: JobsQueue, browser: Browser, proxy: FaultProxy
) -> None:
    browser.error = ChromiumNotFoundError("there is no Chromium")
    proxy.fail(Fault.NO_SUCH_BUCKET)
    with pytest.raises(PreflightError) as wrong:
        await preflight(context, queue)
    for part in ("NoSuchBucket", "there is no Chromium", "NonExistentQueue"):
        assert part in str(wrong.value)
    assert isinstance(wrong.value, InputError)


async def test_a_job_without_a_queue_needs_none(
    context: WorkerContext, browser: Browser, proxy: FaultProxy
) -> None:
    proxy.fail(Fault.ACCESS_DENIED, matches=is_sqs)
    await preflight(context, None)


async def test_a_worker_that_runs_forever_waits_until_it_is_able(
    context: WorkerContext,
    queue: JobsQueue,
    browser: Browser,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    proxy.fail(Fault.ACCESS_DENIED, matches=is_s3)
    waiting = asyncio.create_task(until_able(context, queue, math.inf))
    await asyncio.to_thread(proxy.wait_for_failures, 3)
    assert not waiting.done()
    proxy.recover()
    assert await waiting


async def test_a_worker_that_stays_unable_ends_after_its_patience(
    context: WorkerContext,
    queue: JobsQueue,
    browser: Browser,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at once: a Job would be started again and again for a message that nobody receives."""
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    proxy.fail(Fault.ACCESS_DENIED, matches=is_s3)
    began = time.monotonic()
    with pytest.raises(PreflightError):
        await until_able(context, queue, 0.5)
    assert time.monotonic() - began >= 0.5
    assert proxy.failed > 2


async def test_a_worker_that_waits_to_become_able_can_be_stopped(
    context: WorkerContext, queue: JobsQueue, browser: Browser, proxy: FaultProxy
) -> None:
    proxy.fail(Fault.ACCESS_DENIED, matches=is_s3)
    waiting = asyncio.create_task(until_able(context, queue, math.inf))
    await asyncio.to_thread(proxy.wait_for_failures, 1)
    began = time.monotonic()
    context.stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", time.time()))
    assert not await waiting
    assert time.monotonic() - began < 4.5

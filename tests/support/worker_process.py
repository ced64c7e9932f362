"""Runs ``meetstems run`` in other processes with an embedded S3 and SQS, and reads what they store there."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psutil

from fixtures.replica.server import Replica
from tests.support.record_process import ROOT, settings_for
from worker.contracts.status import BotStatus, Result
from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.embedded_aws import Embedded, embedded_aws
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import NotFoundError, S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs.dispatch import dispatch
from worker.manifest.schema import Manifest

BOT = "bot-1"
VISIBILITY = 3
LEASE = 2
"""Seconds."""

Event = dict[str, Any]

s3_of = cache(s3_client)
sqs_of = cache(sqs_client)
"""One client per server: to make one takes long."""


class Cloud:
    """S3 and SQS for a test. ``url`` is the endpoint for workers: a proxy's, if there is one."""

    def __init__(self, embedded: Embedded, url: str = "") -> None:
        self.embedded = embedded
        self.url = url or str(embedded.aws.endpoint_url)
        retry = RetryPolicy(budget=20.0)
        self.store = S3Store(s3_of(embedded.aws), embedded.bucket, retry=retry)
        sqs = sqs_of(embedded.aws)
        self.jobs = JobsQueue(sqs, embedded.jobs_url, retry=retry)
        self._events_queue = JobsQueue(sqs, embedded.events_url, retry=retry)
        self._dead_letters = JobsQueue(sqs, embedded.dead_letters_url, retry=retry)
        self._events: list[Event] = []

    @property
    def keys(self) -> BotKeys:
        return bot_keys("", BOT)

    def dispatch(self, replica: Replica, **fields: object) -> None:
        body = {
            "bot_id": BOT,
            "meeting_link": replica.meeting_url,
            "bot_name": "Notes",
            "audio_separate_streams": True,
            **fields,
        }
        dispatch(self.jobs, msgspec.json.encode(body))

    def events(self) -> list[Event]:
        """All events so far, in the order in which they were received."""
        self._events += [msgspec.json.decode(body) for body in _drain(self._events_queue)]
        return self._events

    def event_names(self) -> list[str]:
        """The events' names in the order of their numbers."""
        return [event["event"] for event in sorted(self.events(), key=lambda event: int(event["sequence"]))]

    def results(self) -> list[Result]:
        return [msgspec.convert(event, Result) for event in self.events() if event["event"] == "bot.result"]

    def dead_letters(self) -> list[str]:
        return _drain(self._dead_letters)

    def waiting_jobs(self) -> int:
        """The number of jobs on the queue, visible or not."""
        wanted = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        answer = sqs_of(self.embedded.aws).get_queue_attributes(
            QueueUrl=self.embedded.jobs_url,
            AttributeNames=wanted,  # type: ignore[arg-type]
        )
        return sum(int(value) for value in answer["Attributes"].values())

    def manifest(self) -> Manifest:
        return msgspec.json.decode(self.store.get(self.keys.audio_streams).data, type=Manifest)

    def status(self) -> BotStatus | None:
        try:
            return msgspec.json.decode(self.store.get(self.keys.status).data, type=BotStatus)
        except NotFoundError:
            return None

    def objects(self) -> dict[str, float | None]:
        """Every key with the time of its last change."""
        return {listed.key.removeprefix(self.keys.folder): listed.modified for listed in self.store.list("")}

    def save(self, folder: Path) -> Path:
        """Copies the bot's files to ``folder``, and returns it."""
        for listed in self.store.list(self.keys.folder):
            path = folder / listed.key.removeprefix(self.keys.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.store.download(listed.key, path)
        return folder

    async def until(self, wanted: Callable[[], object], within: float = 40.0) -> None:
        """Waits until ``wanted`` is true."""
        async with asyncio.timeout(within):
            while not await asyncio.to_thread(wanted):  # noqa: ASYNC110 - it depends on another process
                await asyncio.sleep(0.05)

    def tape_parts(self) -> int:
        return sum("/tape/" in key for key in self.objects())


@contextmanager
def cloud() -> Iterator[Cloud]:
    with embedded_aws() as embedded:
        yield Cloud(embedded)


class Worker:
    """``meetstems run`` in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(
        cls,
        replica: Replica,
        cloud: Cloud,
        work: Path,
        *arguments: str,
        module: Sequence[str] = ("worker.cli", "run"),
        **environment: str,
    ) -> Worker:
        await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
        embedded = cloud.embedded
        assert embedded.aws.credentials is not None
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", *module, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={
                **os.environ,
                "MEETSTEMS_CHROMIUM_ARGS": shlex.join(settings_for(replica).chromium_args),
                "MEETSTEMS_AWS_ENDPOINT_URL": cloud.url,
                "MEETSTEMS_BUCKET": embedded.bucket,
                "MEETSTEMS_JOBS_QUEUE_URL": embedded.jobs_url,
                "MEETSTEMS_EVENTS_QUEUE_URL": embedded.events_url,
                "MEETSTEMS_WORK_DIR": str(work),
                "MEETSTEMS_VISIBILITY_SECONDS": str(VISIBILITY),
                "MEETSTEMS_LEASE_SECONDS": str(LEASE),
                "MEETSTEMS_RECEIVE_SECONDS": "10",
                "MEETSTEMS_PREFLIGHT_SECONDS": "0",
                "MEETSTEMS_MOST_ATTEMPTS": "3",
                "MEETSTEMS_LOG": "json",
                "AWS_ACCESS_KEY_ID": embedded.aws.credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": embedded.aws.credentials.secret_access_key,
                "AWS_DEFAULT_REGION": str(embedded.aws.region),
                **environment,
            },
        )
        return cls(process)

    async def finish(self, within: float = 90.0) -> int:
        """Waits for the end and returns the exit code. Prints the log, so that pytest shows it for a failed test."""
        async with asyncio.timeout(within):
            out, err = await self.process.communicate()
        print(out.decode(), err.decode(), sep="\n")
        self.log = err.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    async def kill(self) -> None:
        """Sends SIGKILL to the whole tree; to the worker first, so that it does not notice the end of the others."""
        if self.process.returncode is None:
            worker = psutil.Process(self.process.pid)
            tree = worker.children(recursive=True)
            worker.kill()
            for process in tree:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
        out, err = await self.process.communicate()
        print(out.decode(), err.decode(), "(killed)", sep="\n")


def _drain(queue: JobsQueue) -> list[str]:
    bodies = []
    while (delivery := queue.receive(0)) is not None:
        queue.delete(delivery.receipt)
        bodies.append(delivery.body)
    return bodies

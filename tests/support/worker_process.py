"""Runs ``meetstems run`` in other processes with an embedded S3 and SQS, and reads what they store there."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
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
from worker.states import State
from worker.tape.errors import TapeReadError
from worker.tape.events import FrameBatch, RecordingStarted, TapeEvent
from worker.tape.reader import TapeReader

BOT = "bot-1"
VISIBILITY = 3
LEASE = 2
"""Seconds."""

Event = dict[str, Any]

SHORTEST_WAIT = 0.05
LONGEST_WAIT = 0.25
"""Seconds between two looks at what a worker has done."""

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
        self._events += [msgspec.json.decode(body) for body in self._drain(self.embedded.events_url)]
        return self._events

    def event_names(self) -> list[str]:
        """The events' names in the order of their numbers."""
        return [event["event"] for event in sorted(self.events(), key=lambda event: int(event["sequence"]))]

    def results(self) -> list[Result]:
        return [msgspec.convert(event, Result) for event in self.events() if event["event"] == "bot.result"]

    def dead_letters(self) -> list[str]:
        return self._drain(self.embedded.dead_letters_url)

    def _drain(self, url: str) -> list[str]:
        """The bodies of all messages that wait; ten with each request, as there are hundreds of events."""
        sqs = sqs_of(self.embedded.aws)
        bodies = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
            "Messages"
        ):
            deleted = sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ],
            )
            assert not deleted.get("Failed")
            bodies += [message["Body"] for message in messages]
        return bodies

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

    async def until(self, wanted: Callable[[], object], within: float = 90.0) -> None:
        """Waits until ``wanted`` is true. Asks less often the longer it takes, since each question costs CPU time."""
        wait = SHORTEST_WAIT
        async with asyncio.timeout(within):
            while not await asyncio.to_thread(wanted):
                await asyncio.sleep(wait)
                wait = min(1.2 * wait, LONGEST_WAIT)

    def is_in(self, state: State, attempt: int = 1) -> bool:
        """Whether bot.json says that attempt number ``attempt`` is in ``state``."""
        status = self.status()
        return status is not None and (status.state, status.attempt) == (state, attempt)

    def is_recording(self, attempt: int = 1) -> bool:
        """Whether bot.json says that attempt number ``attempt`` records."""
        return self.is_in(State.IN_CALL_RECORDING, attempt)

    def tape_parts(self, attempt: int | None = None) -> int:
        """The parts in the bucket of one attempt, or of all. The waiting room is on the tape, too: they prove no recording."""
        folder = "/tape/" if attempt is None else f"attempts/{attempt:04d}/tape/"
        return sum(folder in key for key in self.objects())

    def has_recorded(self, attempt: int = 1) -> bool:
        """Whether packets that attempt number ``attempt`` has recorded are in the bucket, also after its worker's end."""
        events = self.tape(attempt)
        started = next((event.at for event in events if isinstance(event, RecordingStarted)), None)
        batches = (event for event in events if isinstance(event, FrameBatch))
        return started is not None and any(
            frame.arrival > started for batch in batches for frame in batch.frames
        )

    def tape(self, attempt: int = 1) -> list[TapeEvent]:
        """The events of the tape in the bucket of attempt number ``attempt``."""
        with TemporaryDirectory() as folder:
            for listed in self.store.list(self.keys.attempt(attempt).tape):
                self.store.download(listed.key, Path(folder) / PurePosixPath(listed.key).name)
            try:
                return list(TapeReader(Path(folder)))
            except TapeReadError:
                return []


@contextmanager
def cloud() -> Iterator[Cloud]:
    """S3 and SQS for the block. Workers that still run at its end, after a failure, are killed."""
    with embedded_aws() as embedded:
        try:
            yield Cloud(embedded)
        finally:
            for worker in _started:
                worker.send_kill()
            _started.clear()


_started: list[Worker] = []


class Worker:
    """``meetstems run`` in another process."""

    def __init__(self, process: asyncio.subprocess.Process, log_file: Path) -> None:
        self.process = process
        self._log_file = log_file
        self._paused: list[psutil.Process] = []

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
        # Nobody reads a pipe while the worker runs, and a full one would block it.
        log_file = work.with_name(f"{work.name}.log")
        embedded = cloud.embedded
        assert embedded.aws.credentials is not None
        log = await asyncio.to_thread(log_file.open, "wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", *module, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
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
        log.close()
        worker = cls(process, log_file)
        _started.append(worker)
        return worker

    @property
    def log(self) -> str:
        """What the worker has logged so far."""
        return self._log_file.read_text("utf-8", "replace")

    async def finish(self, within: float = 90.0) -> int:
        """Waits for the end and returns the exit code. Prints the log, so that pytest shows it for a failed test."""
        async with asyncio.timeout(within):
            out, _ = await self.process.communicate()
        print(out.decode(), self.log, sep="\n")
        assert self.process.returncode is not None
        return self.process.returncode

    async def drain(self, within: float = 90.0) -> int:
        """Sends SIGTERM, if the process has not ended yet; waits for the end and returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.finish(within)

    def pause(self) -> None:
        """Stops the worker, while its Chromium goes on."""
        self._pause([psutil.Process(self.process.pid)])

    def pause_tree(self) -> None:
        """Stops the worker and all processes that it started, as when the machine sleeps."""
        self._pause(self._tree())

    def resume(self) -> None:
        """Continues what was paused, the worker last."""
        for process in reversed(self._paused):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _pause(self, processes: list[psutil.Process]) -> None:
        self._paused = processes
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def _tree(self) -> list[psutil.Process]:
        """The worker first, then all processes that it started."""
        worker = psutil.Process(self.process.pid)
        return [worker, *worker.children(recursive=True)]

    def send_kill(self) -> None:
        """Sends SIGKILL to the whole tree, if it runs: to the worker first, so that it does not notice the others' end."""
        if self.process.returncode is None:
            with suppress(psutil.NoSuchProcess):
                for process in self._tree():
                    with suppress(psutil.NoSuchProcess):
                        process.kill()

    async def kill(self) -> None:
        """Kills the worker and all that it started, and waits for its end."""
        self.send_kill()
        out, _ = await self.process.communicate()
        print(out.decode(), self.log, "(killed)", sep="\n")

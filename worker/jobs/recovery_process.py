"""Recovery in a separate process at the lowest priority, so that the bot can rejoin the call meanwhile and loses no packet.

A thread is not enough: rendering holds the interpreter's lock for longer than the tap can wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec
import psutil

from worker.contracts.job import Job
from worker.delivery.aws_clients import Aws
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.patient_store import PatientStore
from worker.delivery.retries import RetryPolicy
from worker.errors import MeetstemsError
from worker.jobs.backend import open_results
from worker.jobs.recovery import recover, recover_videos
from worker.manifest.merge import RecordedAttempt
from worker.monitoring.logs import configure_logging
from worker.platforms.registry import Platform
from worker.settings import Encryption, WorkerSettings
from worker.video.transcoding import transcode

logger = logging.getLogger(__name__)

LOWEST_PRIORITY: Final = 19
"""Niceness. It applies within a container; between containers their CPU shares apply."""


_STOP: Final = b"stop\n"
"""The line on standard input that ends transcoding. A signal would reach a process that does not handle it yet."""

RecoveredPart = Literal["audio", "videos"]


class RecoveryError(MeetstemsError):
    """The earlier attempts' files could not be rendered or uploaded; the log of the process says why."""


class RecoveryTask(msgspec.Struct, frozen=True, kw_only=True):
    """The input of the process. ``attempts`` are the numbers of attempts that have ended, ``work`` is a folder for it.

    ``part`` is what is recovered: all but the videos, or these, in the folder of the former.
    """

    aws: Aws
    bucket: str | None
    data_folder: str | None
    encryption: Encryption | None
    retry_seconds: float
    prefix: str
    bot_id: str
    attempts: list[int]
    platform: Platform
    separate_audio: bool
    transcode_video: bool = False
    part: RecoveredPart = "audio"
    work: str
    log_json: bool | None


def recovery_task(
    aws: Aws,
    worker_settings: WorkerSettings,
    job: Job,
    attempts: list[int],
    work: Path,
    part: RecoveredPart = "audio",
) -> RecoveryTask:
    """The recovery of the ``attempts`` of a job's bot into the bucket, or the folder, of ``worker_settings``."""
    folder = worker_settings.data_folder
    return RecoveryTask(
        aws=aws,
        bucket=worker_settings.bucket,
        data_folder=None if folder is None else str(folder.absolute()),
        encryption=worker_settings.encryption,
        retry_seconds=worker_settings.retry_seconds,
        prefix=worker_settings.prefix,
        bot_id=job.bot_id,
        attempts=attempts,
        platform=job.platform,
        separate_audio=job.separate_audio,
        transcode_video=worker_settings.transcode_video,
        part=part,
        work=str(work),
        log_json=worker_settings.log_json,
    )


async def recover_in_process(
    task: RecoveryTask, stopped: asyncio.Future[Any] | None = None
) -> list[RecordedAttempt]:
    """Runs recover() or recover_videos() for ``task`` in a process; cancelling kills it, which loses nothing.

    Once ``stopped`` is done it transcodes nothing more, and uploads videos as they were sent. Raises RecoveryError and OSError.
    """
    if not task.attempts:
        return []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        stdin=PIPE,
        stdout=PIPE,
        # Ctrl-C must reach the worker only, which decides when this process ends.
        start_new_session=True,
    )
    try:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).nice(LOWEST_PRIORITY)
        return await _request(process, task, stopped)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _request(
    process: Process, task: RecoveryTask, stopped: asyncio.Future[Any] | None
) -> list[RecordedAttempt]:
    assert process.stdin is not None
    assert process.stdout is not None
    # Standard input stays open while this worker waits for the answer; see _follow.
    process.stdin.write(msgspec.json.encode(task) + b"\n")
    answering = asyncio.create_task(process.stdout.read())
    try:
        if stopped is not None:
            await asyncio.wait([answering, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                process.stdin.write(_STOP)
        answer = await answering
    finally:
        answering.cancel()
    exit_code = await process.wait()
    if exit_code != 0:
        raise RecoveryError(f"recovery of attempts {task.attempts}: ended with exit code {exit_code}")
    return msgspec.json.decode(answer, type=list[RecordedAttempt])


def main() -> int:
    """The process: a RecoveryTask in a line on standard input, the recorded attempts on standard output."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=RecoveryTask)
    stopping = threading.Event()
    threading.Thread(target=_follow, args=(sys.stdin.buffer, stopping), daemon=True).start()
    json_lines = task.log_json if task.log_json is not None else not sys.stderr.isatty()
    configure_logging(task.bot_id, None, sys.stderr, json_lines)
    results = WorkerSettings(
        bucket=task.bucket,
        data_folder=None if task.data_folder is None else Path(task.data_folder),
        encryption=task.encryption,
    )
    opened = open_results(results, task.aws, RetryPolicy(budget=task.retry_seconds))
    # A recovery that fails costs the job one of its few receives, so a refusal is waited out like an outage.
    store = PatientStore(opened, task.retry_seconds, threading.Event(), lambda _: None)
    try:
        recorded = _recovered(task, store, stopping)
    except (MeetstemsError, OSError) as error:
        logger.error("the earlier attempts cannot be recovered: %s", error)
        return 1
    except Exception:
        # Raised further it would end the interpreter in order, which waits for the thread; see below.
        logger.exception("the earlier attempts cannot be recovered: internal error")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(recorded))
    sys.stdout.buffer.flush()
    return 0


def _recovered(task: RecoveryTask, store: PatientStore, stopping: threading.Event) -> list[RecordedAttempt]:
    keys, work = bot_keys(task.prefix, task.bot_id), Path(task.work)
    if task.part == "audio":
        return recover(
            store,
            keys,
            task.attempts,
            work,
            platform=task.platform,
            separate_audio=task.separate_audio,
        )
    return recover_videos(
        store,
        keys,
        task.attempts,
        work,
        platform=task.platform,
        transcode=transcode if task.transcode_video else None,
        stopping=stopping,
    )


def _follow(parent: BinaryIO, stopping: threading.Event) -> None:
    """Sets ``stopping`` when ``parent`` says that it has to stop. Exits once ``parent`` is closed: a killed worker cannot end
    this process, and its successor does the same work."""
    while line := parent.readline():
        if line == _STOP:
            stopping.set()
    os._exit(1)


if __name__ == "__main__":
    exit_code = main()
    # The thread may be reading standard input, which a normal exit would wait for.
    os._exit(exit_code)

"""Runs bots as processes of this machine, a limited number at once; what has no room yet waits in a folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from worker.contracts.job import Job
from worker.delivery.folder_queue import FolderQueue
from worker.errors import MeetstemsError
from worker.server.dispatcher import Dispatcher, QueueDispatcher

logger = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at what waits and what has ended."""

PAUSE: Final = 10.0
"""Seconds before the next start after a worker that was not able to work."""

TO_END: Final = 90.0
"""Seconds that workers have to end after SIGTERM: more than MEETSTEMS_GRACE_SECONDS."""

_WORKED: Final = frozenset({0, 1})
"""Exit codes of ``meetstems run`` after a job, or without one; see worker.jobs.consumer."""

Start = Callable[[], "subprocess.Popen[bytes]"]
"""Starts a worker, which takes one job from the queue and ends."""


class BotProcesses(Dispatcher):
    """Starts a worker for each job that waits in ``queue``, while at most ``most`` are at work. Thread-safe.

    Workers live on when this process is killed. The next one counts them by the messages that they hold, and a job whose worker
    was killed as well waits again once its message is visible. ``close`` asks its own workers to hand their jobs back.
    """

    def __init__(self, queue: FolderQueue, most: int, start: Start) -> None:
        self._queue = queue
        self._dispatch = QueueDispatcher(queue)
        self._most = most
        self._start = start
        self._workers: list[subprocess.Popen[bytes]] = []
        self._not_before = 0.0
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bots", daemon=True)

    def submit(self, job: Job) -> None:
        """See Dispatcher."""
        self._dispatch.submit(job)
        self._wake.set()

    def start(self) -> None:
        """See Dispatcher."""
        self._thread.start()

    def close(self) -> None:
        """Ends the workers that this process started; what they recorded is kept, and their jobs wait again."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        working = [worker for worker in self._workers if worker.poll() is None]
        for worker in working:
            worker.terminate()
        deadline = time.monotonic() + TO_END
        for worker in working:
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.error("the worker %d has not ended; it goes on by itself", worker.pid)

    def start_workers(self) -> int:
        """Starts as many workers as there is room for, and returns how many."""
        self._reap()
        if time.monotonic() < self._not_before:
            return 0
        state = self._queue.state()
        own = {worker.pid for worker in self._workers}
        without_job = len(own - state.holders)
        room = self._most - len(own | state.holders)
        wanted = max(0, min(room, state.waiting - without_job))
        for _ in range(wanted):
            self._workers.append(self._start())
        return wanted

    def _reap(self) -> None:
        ended = [worker for worker in self._workers if worker.poll() is not None]
        self._workers = [worker for worker in self._workers if worker.returncode is None]
        for worker in ended:
            logger.info("the worker %d ended with %d", worker.pid, worker.returncode)
            if worker.returncode not in _WORKED:
                self._not_before = time.monotonic() + PAUSE

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            try:
                self.start_workers()
            except (MeetstemsError, OSError) as error:
                logger.error("no worker can be started, the next try is soon: %s", error)
            except Exception:
                # Without this thread no bot would ever be started.
                logger.exception("no worker can be started, the next try is soon")
            self._wake.wait(LOOK)


def worker_starter(data_folder: Path, environ: Mapping[str, str], log: IO[bytes]) -> Start:
    """Starts ``meetstems run`` with jobs and results in ``data_folder``, in a session of its own, so that Ctrl-C and an end of
    this process do not reach it. It writes its log to ``log``.
    """
    work = data_folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    environment = {
        **environ,
        "MEETSTEMS_DATA_DIR": str(data_folder.absolute()),
        "MEETSTEMS_WORK_DIR": environ.get("MEETSTEMS_WORK_DIR", str(work.absolute())),
        "MEETSTEMS_RECEIVE_SECONDS": "1",
    }
    # One port cannot be listened on by several workers.
    environment.pop("MEETSTEMS_METRICS_PORT", None)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "worker.cli", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )

    return start


def open_log(data_folder: Path) -> IO[bytes]:
    """The file of the workers' logs, to be added to."""
    data_folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_folder / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)

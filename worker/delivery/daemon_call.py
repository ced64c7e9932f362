"""Runs a call that may hang in a thread that does not hold up the end of the process, as a thread of a pool would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def call_in_daemon(call: Callable[[], T], name: str) -> Future[T]:
    """What ``call`` returns or raises, in a thread of this ``name``. Raises RuntimeError if the thread cannot be started."""
    result: Future[T] = Future()
    # It cannot be cancelled: the thread is at work until it ends.
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - who waits for it raises it
            result.set_exception(error)
        else:
            result.set_result(value)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result

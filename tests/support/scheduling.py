"""Keeps a process of tests in the usual scheduling class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Undoes what an encoder does to the thread that opens it: run as root, SVT-AV1 gives it the highest real-time priority,
    which the thread and all processes that it starts would keep, and nothing else would get a processor.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)

"""Ends a test process that does not go on, with the stacks of all its threads.

pytest-timeout raises in the test, which helps no more where a teardown waits for something that never comes, or where an event
loop takes the exception for a task's. Nothing then ends the run, and nothing names the test.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator
from typing import Final

import pytest

GRACE: Final = 120.0
"""Seconds beyond a test's timeout, for its teardown, and for all that is done after the last test."""


class HangWatchdog:
    """A plugin of pytest. ``timeout``: seconds of a test that has no timeout of its own.

    Under xdist the process is replaced, and the test is reported as one that crashed it.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        # The file of descriptor 2 is pytest's while a test runs.
        self._stderr = os.dup(2)

    def _watch(self, seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, file=self._stderr, exit=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Watches from the setup on."""
        own = item.get_closest_marker("timeout")
        self._watch((own.args[0] if own else self._timeout) + GRACE)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None]:
        """Watches anew: pytest itself ends the watch when a test fails."""
        self._watch(GRACE)
        yield

    def pytest_sessionfinish(self) -> None:
        """Watches the end of the process, which waits for threads."""
        self._watch(GRACE)

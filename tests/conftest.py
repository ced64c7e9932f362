"""Settings of all tests."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Generator, Iterator
from urllib.request import getproxies_environment

import pytest
from hypothesis import settings

from tests.support.hang_watchdog import HangWatchdog
from worker.monitoring.logs import OUR_LOGGER

# Tests talk to servers on this machine only, which a proxy cannot reach.
for scheme in getproxies_environment():
    for variable in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
        os.environ.pop(variable, None)

WITHOUT_BYTECODE = "TESTS_WITHOUT_BYTECODE"
"""Set where modules change faster than their compiled files can be told apart."""

# Images of Python set it. Each of the hundreds of processes that tests start would compile the same modules again, and each
# worker of xdist all tests: 20 s of CPU.
if not os.environ.get(WITHOUT_BYTECODE) and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False

REPEATABLE = "TESTS_REPEATABLE"
"""Set where each run has the same cases."""

# Where these are set, pytest shows the whole difference of what is not equal. Of two recordings that takes hours, which no
# timeout ends: Hypothesis takes its exception for one more failure, and tries on.
for variable in ("CI", "BUILD_NUMBER"):
    if os.environ.pop(variable, ""):
        os.environ[REPEATABLE] = "1"

# CI must not fail by chance on unchanged code; developers' runs look for new cases.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable" if os.environ.get(REPEATABLE) else "exploring")


def pytest_configure(config: pytest.Config) -> None:
    """Adds the watchdog, which is not one of the plugins that are installed."""
    config.pluginmanager.register(HangWatchdog(float(config.getini("timeout"))))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests last as long as the process: to look for garbage among them takes a third of the collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _logging_is_configured_for_one_test_only() -> Iterator[None]:
    """A command that runs within a test configures logging for its process, which is that of the tests."""
    root, ours = logging.getLogger(), logging.getLogger(OUR_LOGGER)
    handlers, levels = set(root.handlers), (root.level, ours.level)
    yield
    for handler in set(root.handlers) - handlers:
        if not type(handler).__module__.startswith("_pytest."):
            root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])

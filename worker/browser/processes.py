"""The processes of a browser, for measuring their CPU time and memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import psutil


class BrowserProcesses(NamedTuple):
    """Process ids. ``driver`` is Playwright's (Node.js), ``chromium`` the browser's with all its children."""

    driver: list[int]
    chromium: list[int]


def browser_processes(worker: int | None = None) -> BrowserProcesses:
    """The processes that the process ``worker`` (default: this one) started through Playwright."""
    children = psutil.Process(os.getpid() if worker is None else worker).children()
    drivers = [child for child in children if _is_driver(child)]
    return BrowserProcesses(
        driver=[driver.pid for driver in drivers],
        chromium=[process.pid for driver in drivers for process in _descendants(driver)],
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time of these processes so far; a process that has ended counts 0."""
    return sum(_cpu_seconds(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    """Whether the process runs. False for one that has ended, also while it is a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_children(pid: int) -> None:
    """Kills all descendants of the process, but not the process itself."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _is_driver(process: psutil.Process) -> bool:
    try:
        return "run-driver" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system

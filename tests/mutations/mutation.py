"""One fault to put into the code."""

from __future__ import annotations

from typing import Final, NamedTuple

BROWSER: Final = "tests/browser/"


class Mutation(NamedTuple):
    """``breaks``: what no longer works. ``old`` occurs exactly once in ``file`` and is replaced by ``new``.

    ``tests`` are the quick tests that may notice it, in this order: files, or names as pytest takes them. ``browser`` are run
    only if those do not.
    """

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    browser: tuple[str, ...] = (f"{BROWSER}test_run.py", f"{BROWSER}test_run_faults.py")

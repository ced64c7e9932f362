"""Puts one mutation after the other into a copy of the tree, and shows which tests notice: `make mutate`.

Arguments: parts of names of mutations to run; without any: all. ``--quick`` leaves out the browser tests. The exit code is 1 if
a mutation survives, or if a test fails without one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutations.mutation import Mutation
from tests.mutations.mutations import MUTATIONS

ROOT: Final = Path(__file__).parents[2]

PASSED: Final = 0
FAILED: Final = 1
"""pytest's exit codes (https://docs.pytest.org/en/stable/reference/exit-codes.html); others mean that no test was run."""

LONGEST: Final = 1200.0
"""Seconds for one run. A mutation may make a test wait for ever, which is noticed as well."""


class Outcome(NamedTuple):
    """``by`` names the test file or, for a survivor, is empty."""

    mutation: Mutation
    by: str
    seconds: float


class TestsFailedError(Exception):
    """A test fails without a mutation, or cannot be run with one."""


class Tree:
    """A copy of the committed and uncommitted files, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passing: set[str] = set()
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = ROOT / name, folder / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        # For tests that look for tools there.
        for name in (".venv", "node_modules"):
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)

    def try_out(self, mutation: Mutation, *, browser: bool) -> Outcome:
        """Raises TestsFailedError."""
        began = time.monotonic()
        tests = [*mutation.tests, *(mutation.browser if browser else ())]
        path = self._folder / mutation.file
        original = path.read_text("utf-8")
        for test in tests:
            self._must_pass(test)
            path.write_text(original.replace(mutation.old, mutation.new), "utf-8")
            try:
                exit_code = self._pytest(test)
            finally:
                path.write_text(original, "utf-8")
            if exit_code > FAILED:
                raise TestsFailedError(f"{mutation.breaks}: {test}: pytest ended with exit code {exit_code}")
            # Less than 0: a signal that the mutation lets through ended pytest itself.
            if exit_code != PASSED:
                return Outcome(mutation, test, time.monotonic() - began)
        return Outcome(mutation, "", time.monotonic() - began)

    def _must_pass(self, test: str) -> None:
        if test not in self._passing and self._pytest(test) != PASSED:
            raise TestsFailedError(f"{test}: fails without a mutation")
        self._passing.add(test)

    def _pytest(self, test: str) -> int:
        # The working directory comes first in Python's path, before the installed package.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
        try:
            run = subprocess.run(command, cwd=self._folder, capture_output=True, timeout=LONGEST, check=False)
        except subprocess.TimeoutExpired:
            return FAILED
        if run.returncode > FAILED:
            print(run.stdout.decode()[-2000:], file=sys.stderr)
        return run.returncode


def chosen(words: Sequence[str]) -> list[Mutation]:
    """The mutations with one of ``words`` in their name or file; all without words."""
    return [
        each for each in MUTATIONS if not words or any(word in f"{each.breaks} {each.file}" for word in words)
    ]


def table(outcomes: Iterable[Outcome]) -> str:
    """A line for each mutation."""
    return "\n".join(
        f"{'caught' if by else 'SURVIVED':9}{seconds:6.1f} s  {mutation.breaks}  ({by or mutation.file})"
        for mutation, by, seconds in outcomes
    )


def main(arguments: Sequence[str]) -> int:
    """Prints each outcome as it comes."""
    words = [each for each in arguments if not each.startswith("--")]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="meetstems-mutations-") as folder:
        tree = Tree(Path(folder))
        for mutation in chosen(words):
            outcomes.append(tree.try_out(mutation, browser="--quick" not in arguments))
            print(table(outcomes[-1:]), flush=True)
    survivors = sum(not each.by for each in outcomes)
    print(f"{len(outcomes) - survivors} of {len(outcomes)} mutations are caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Each contract of import-linter in pyproject.toml catches what it is there for: a copy of the worker breaks it once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
CONTRACTS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]
NAMES: Final = {contract["id"]: contract["name"] for contract in CONTRACTS}

BREACHES: Final = [
    ("floors", "worker/tape/reader.py", "import worker.cli.display"),
    ("floors", "worker/stems/placement.py", "import worker.platforms.links"),
    ("floors", "worker/recording/recorder.py", "import worker.monitoring.metrics"),
    ("floors", "worker/no_floor/__init__.py", ""),
    ("pure", "worker/lifecycle/ending.py", "import psutil"),
    ("pure", "worker/audio/opus.py", "import rich.text"),
    ("pure", "worker/platforms/registry.py", "import worker.platforms.call"),
    ("pure", "worker/platforms/teams/roster.py", "import worker.platforms.page_driver"),
    ("pure", "worker/jobs/job_outcome.py", "import worker.recording.session"),
    ("platforms-apart", "worker/platforms/meet/rules.py", "import worker.platforms.teams.signs"),
    ("platforms-doors", "worker/recording/session.py", "import worker.platforms.meet.call"),
    ("stems", "worker/recording/session.py", "import worker.stems.separate_stems"),
    ("playwright", "worker/jobs/finish.py", "import playwright.async_api"),
    ("aws", "worker/jobs/finish.py", "import boto3"),
    ("terminal", "worker/monitoring/metrics.py", "import rich.console"),
    ("codecs", "worker/stems/stem.py", "import numpy"),
    ("tapes", "worker/jobs/recovery.py", "import mcap.reader"),
    ("http", "worker/jobs/dispatch.py", "import litestar"),
    ("no-circles", "worker/stems/speaker_track.py", "import worker.stems.placement"),
]
"""A contract, a module, and an import in it that the contract forbids."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    shutil.copytree(ROOT / "worker", folder / "worker", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken_in(folder: Path) -> set[str]:
    """The ids of the contracts that are broken in ``folder``."""
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = {each for each, name in NAMES.items() if f"{name} BROKEN" in checked.stdout}
    assert bool(broken) == (checked.returncode != 0), checked.stdout + checked.stderr
    return broken


def test_the_worker_keeps_all_contracts(copy: Path) -> None:
    assert broken_in(copy) == set()


def test_every_contract_is_broken_once() -> None:
    assert {contract for contract, _, _ in BREACHES} == NAMES.keys()


@pytest.mark.parametrize(("contract", "module", "line"), BREACHES)
def test_a_breach_is_caught(contract: str, module: str, line: str, copy: Path) -> None:
    path = copy / module
    before = path.read_text("utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n", "utf-8")
    try:
        assert contract in broken_in(copy)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, "utf-8")

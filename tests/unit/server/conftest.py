from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.api import Api
from worker.server import client_groups, command_box


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


@pytest.fixture(autouse=True)
def _no_waiting_for_bots(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are none. Tests in which there are some wait for them."""
    monkeypatch.setattr(command_box, "ACKNOWLEDGED_WITHIN", 0.0)
    monkeypatch.setattr(command_box, "LOOK", 0.005)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/unit/delivery/test_folder_store.py tests what is on the disk; here it would only cost time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _no_two_addresses_in_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which ones are is chance."""
    monkeypatch.setattr(client_groups, "GROUPS", 1 << 64)

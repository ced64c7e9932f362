from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from worker.browser import virtual_display as module
from worker.browser.virtual_display import DisplayError, virtual_display


def put_xvfb(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = folder / "Xvfb"
    executable.write_text(f"#!/bin/bash\n{script}\n")
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


async def test_virtual_display_yields_the_display_that_xvfb_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Xvfb is started with "-displayfd <number>" first.
    script = f'echo "$@" > {tmp_path}/arguments; echo $$ > {tmp_path}/pid; echo 42 >&"$2"; exec sleep 60'
    put_xvfb(tmp_path, script, monkeypatch)
    async with virtual_display() as display:
        assert display == ":42"
        assert "-nolisten tcp" in (tmp_path / "arguments").read_text()
        pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_missing_xvfb_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DisplayError, match=r"no Xvfb.*apt install xvfb"):
        async with virtual_display():
            pass


async def test_the_error_quotes_an_xvfb_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_xvfb(tmp_path, "echo first >&2; echo '(EE) no keyboard' >&2; exit 1", monkeypatch)
    with pytest.raises(DisplayError, match=r"Xvfb did not start: \(EE\) no keyboard$"):
        async with virtual_display():
            pass


async def test_an_xvfb_that_cannot_be_run_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_xvfb(tmp_path, "", monkeypatch)
    (tmp_path / "Xvfb").write_bytes(b"\x7fELF")
    with pytest.raises(DisplayError, match="cannot be run: Exec format error"):
        async with virtual_display():
            pass


async def test_an_xvfb_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_xvfb(tmp_path, f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done", monkeypatch)
    monkeypatch.setattr(module, "START_TIMEOUT", 0.5)
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    async with asyncio.timeout(10):
        with pytest.raises(DisplayError, match="did not start: it printed nothing"):
            async with virtual_display():
                pass
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)

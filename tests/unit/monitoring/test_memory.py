from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from worker.monitoring.memory import PROC, cgroup_memory, memory_in_use, process_memory, tree_memory


@pytest.fixture
def container(tmp_path: Path) -> tuple[Path, Path]:
    """A cgroup file system and a /proc as a container with a limit of 2 GB shows them."""
    cgroups, proc = tmp_path / "cgroup", tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/\n")
    cgroups.mkdir()
    (cgroups / "memory.max").write_text("2000000000\n")
    (cgroups / "memory.current").write_text("900000000\n")
    (cgroups / "memory.stat").write_text("anon 600000000\nactive_file 100000000\ninactive_file 200000000\n")
    return cgroups, proc


def test_cgroup_memory_excludes_inactive_file_pages(container: tuple[Path, Path]) -> None:
    assert cgroup_memory(*container) == 700_000_000


def test_cgroup_memory_follows_the_path_of_the_cgroup(container: tuple[Path, Path]) -> None:
    cgroups, proc = container
    (proc / "self" / "cgroup").write_text("1:name=systemd:/x\n0::/kubepods/pod1\n")
    assert cgroup_memory(cgroups, proc) is None
    (cgroups / "kubepods" / "pod1").mkdir(parents=True)
    for name in ("memory.max", "memory.current", "memory.stat"):
        (cgroups / name).rename(cgroups / "kubepods" / "pod1" / name)
    assert cgroup_memory(cgroups, proc) == 700_000_000


@pytest.mark.parametrize(
    ("file", "content"),
    [("memory.max", "max\n"), ("memory.current", "many\n"), ("memory.stat", None), ("memory.max", None)],
)
def test_cgroup_memory_returns_none_without_a_limit_or_a_figure(
    container: tuple[Path, Path], file: str, content: str | None
) -> None:
    cgroups, proc = container
    (cgroups / file).unlink()
    if content is not None:
        (cgroups / file).write_text(content)
    assert cgroup_memory(cgroups, proc) is None


def test_older_cgroups_are_none(container: tuple[Path, Path]) -> None:
    cgroups, proc = container
    (proc / "self" / "cgroup").write_text("4:memory:/docker/1\n")
    assert cgroup_memory(cgroups, proc) is None


def test_what_processes_share_counts_once() -> None:
    own = process_memory(os.getpid(), PROC)
    assert 0 < own <= psutil.Process().memory_info().rss * 1.1
    hold = "import sys; data = bytearray(50_000_000); print(len(data), flush=True); sys.stdin.read()"
    before = tree_memory()
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        grown = tree_memory() - before
        process.communicate()
    assert 50_000_000 <= grown < 80_000_000
    assert memory_in_use() > 0


def test_resident_memory_counts_where_the_kernel_has_no_pss(tmp_path: Path) -> None:
    assert process_memory(os.getpid(), tmp_path) == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert process_memory(2**22 + 1, tmp_path) == 0

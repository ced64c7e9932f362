"""As a user without rights, under the seccomp profile, Chromium runs with its sandbox on."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.tools import KUBERNETES
from worker.browser.launch import find_chromium
from worker.browser.virtual_display import SCREEN
from worker.settings import BrowserSettings

PROFILE = KUBERNETES / "seccomp" / "meetstems.json"
DANGEROUS = {"bpf", "init_module", "kexec_load", "mount", "ptrace", "reboot", "io_uring_setup", "keyctl"}

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("seccomp") is None, reason="no libseccomp, which loads the profile here"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user can write; pytest's folders belong to root alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path


def dump_page(home: Path, without: str = "") -> subprocess.CompletedProcess[str]:
    """Makes Chromium print a page under the profile, without one of its system calls."""
    chromium = find_chromium(BrowserSettings.from_environment(os.environ))
    if os.getuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in Path(chromium).parents):
        pytest.skip(f"only root can run {chromium}; the profile is tested as another user")
    return subprocess.run(
        [
            *(sys.executable, str(Path(__file__).with_name("under_seccomp.py")), str(PROFILE), without),
            *(chromium, "--headless=new", "--disable-gpu", f"--user-data-dir={home / 'profile'}"),
            *("--dump-dom", "data:text/html,<p>hello"),
        ],
        env={"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_chromium_runs_with_its_sandbox(home: Path) -> None:
    done = dump_page(home)
    assert "<p>hello</p>" in done.stdout, done.stderr


def test_the_sandbox_fails_without_chroot(home: Path) -> None:
    """Chromium's sandbox needs chroot, which is why the profile allows it."""
    done = dump_page(home, without="chroot")
    assert "<p>hello</p>" not in done.stdout
    assert "sys_chroot" in done.stderr


def test_the_profile_refuses_dangerous_and_unlisted_calls() -> None:
    profile = json.loads(PROFILE.read_bytes())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }
    assert {"clone", "setns", "unshare", "chroot"} <= allowed
    assert not DANGEROUS & allowed
    # Kubernetes reads profiles by the OCI runtime specification, which ignores Docker's conditions.
    assert all(rule.keys() <= {"names", "action", "errnoRet"} for rule in profile["syscalls"])


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb here (apt install xvfb)")
def test_xvfb_runs_under_the_profile(home: Path) -> None:
    with subprocess.Popen(
        [
            *(sys.executable, str(Path(__file__).with_name("under_seccomp.py")), str(PROFILE), ""),
            *("Xvfb", "-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp"),
        ],
        env={"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin"},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as xvfb:
        assert xvfb.stdout is not None
        display = xvfb.stdout.readline().strip()
        xvfb.terminate()
        assert display.isdecimal(), xvfb.communicate()[1]

"""Under the seccomp profile, without rights, Chromium runs with its sandbox on."""

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
    """A folder that anybody can write; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path


def dump_page(home: Path, without: str = "") -> subprocess.CompletedProcess[str]:
    """Lets Chromium print a page under the profile, less one system call."""
    chromium = find_chromium(BrowserSettings.from_environment(os.environ))
    if os.getuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in Path(chromium).parents):
        pytest.skip(f"{chromium} is root's alone; the profile is tried as another user")
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


def test_the_sandbox_needs_what_the_profile_adds(home: Path) -> None:
    """Without chroot its processes cannot shut themselves in: this is why the profile does not stop at clone."""
    done = dump_page(home, without="chroot")
    assert "<p>hello</p>" not in done.stdout
    assert "sys_chroot" in done.stderr


def test_the_profile_refuses_by_default_and_what_is_dangerous() -> None:
    profile = json.loads(PROFILE.read_bytes())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }
    assert {"clone", "setns", "unshare", "chroot"} <= allowed
    assert not DANGEROUS & allowed
    # Kubernetes reads a profile as the OCI runtime specification has it: Docker's conditions would be passed over.
    assert all(rule.keys() <= {"names", "action", "errnoRet"} for rule in profile["syscalls"])


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb here (apt install xvfb)")
def test_the_screen_of_a_headed_chromium_runs(home: Path) -> None:
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

"""Writes deploy/requirements.txt and deploy/requirements-build.txt: what the image installs, with the hashes of its wheels.

The versions are those of requirements.lock; the hashes are the package index's, for both of the image's architectures. Run it
with .venv/bin/python from the root of the repository after a change of requirements.lock or of the dependencies.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]

ARCHITECTURES: Final = ("x86_64", "aarch64")
TAGS: Final = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""Wheels that run on Debian 12 (glibc 2.36)."""

PYTHON: Final = "3.11"

HEAD: Final = "# Made by scripts/lock_image.py: do not edit.\n"


def resolved(requirements: Sequence[str], architecture: str) -> list[dict[str, Any]]:
    """What pip would install for ``requirements``."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--dry-run", "--ignore-installed", "--report", str(report), "--target", folder),
            *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON),
            *("--abi", f"cp{PYTHON.replace('.', '')}", "--abi", "abi3", "--abi", "none"),
            *(word for tag in TAGS for word in ("--platform", f"{tag}_{architecture}")),
            *("-c", str(ROOT / "requirements.lock"), *requirements),
        ]
        subprocess.run(command, check=True)
        installed: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["install"]
    return installed


def locked(requirements: Sequence[str]) -> Iterable[str]:
    """The lines of a requirements file, one for each package and one for each hash."""
    hashes: dict[str, set[str]] = {}
    for architecture in ARCHITECTURES:
        for package in resolved(requirements, architecture):
            pin = f"{package['metadata']['name']}=={package['metadata']['version']}"
            hashes.setdefault(pin, set()).add(package["download_info"]["archive_info"]["hashes"]["sha256"])
    for pin in sorted(hashes, key=str.lower):
        yield " \\\n".join([pin, *(f"    --hash=sha256:{each}" for each in sorted(hashes[pin]))]) + "\n"


def main() -> None:
    """Writes both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for name, requirements in (
        ("requirements.txt", project["project"]["dependencies"]),
        ("requirements-build.txt", project["build-system"]["requires"]),
    ):
        (ROOT / "deploy" / name).write_text(HEAD + "".join(locked(requirements)), "utf-8")


if __name__ == "__main__":
    main()

"""Checks the Dockerfile by a linter and by its text; tests have no container engine to build it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.deploy.tools import DEPLOY, ROOT, run, tool

DOCKERFILE = DEPLOY / "Dockerfile"
LAST_STAGE = DOCKERFILE.read_text("utf-8").split("\nFROM ")[-1]


def test_the_linter_finds_nothing() -> None:
    run(tool("hadolint"), "--strict-labels", "--failure-threshold", "info", str(DOCKERFILE))


def test_the_image_runs_as_an_ordinary_user_under_an_init() -> None:
    assert re.search(r"^USER 10001:10001$", LAST_STAGE, re.MULTILINE)
    assert '\nENTRYPOINT ["/usr/bin/tini", "--", "meetstems"]\nCMD ["run"]\n' in LAST_STAGE


def test_chromiums_sandbox_stays_on() -> None:
    assert "no-sandbox" not in DOCKERFILE.read_text("utf-8")


def test_the_dockerignore_allows_exactly_what_the_dockerfile_copies() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()[:-1]}
    assert names == allowed
    assert all((ROOT / name).exists() for name in names)


def test_both_stages_are_built_from_the_image_that_a_build_pins() -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-\S+$", text, re.MULTILINE)


def test_every_package_is_installed_by_its_hash_or_without_an_index() -> None:
    lines = DOCKERFILE.read_text("utf-8").replace("\\\n", " ").splitlines()
    commands = [
        part for line in lines for part in line.split("&&") if re.search(r"/pip (install|wheel) ", part)
    ]
    assert len(commands) == 4
    for command in commands:
        assert "--require-hashes" in command or "--no-index" in command, command


class Locked(NamedTuple):
    version: str
    hashes: list[str]


def locked(name: str) -> dict[NormalizedName, Locked]:
    """The packages of a requirements file with hashes, by canonical name."""
    text = (DEPLOY / name).read_text("utf-8").replace("\\\n", " ")
    packages: dict[NormalizedName, Locked] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            pin, *hashes = line.split()
            package, version = pin.split("==")
            packages[canonicalize_name(package)] = Locked(version, hashes)
    return packages


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_package_of_the_image_has_hashes_and_no_address(name: str) -> None:
    assert "://" not in (DEPLOY / name).read_text("utf-8")
    for package, pinned in locked(name).items():
        assert pinned.hashes, package
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in pinned.hashes), package


def test_the_images_versions_are_those_of_the_lock() -> None:
    """After a change of either run scripts/lock_image.py."""
    lock: dict[str, str] = {
        canonicalize_name(package): version
        for package, version in (
            line.split("==") for line in (ROOT / "requirements.lock").read_text("utf-8").split()
        )
    }
    for package, pinned in locked("requirements.txt").items():
        assert lock[package] == pinned.version, package


def test_the_image_has_all_packages_that_the_worker_needs_and_no_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed: set[str] = set()
    left = [Requirement(text) for text in project["dependencies"]]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name not in needed and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            needed.add(name)
            left += [Requirement(text) for text in importlib.metadata.requires(name) or []]
    assert locked("requirements.txt").keys() == needed


def test_the_images_build_tools_fit_the_project() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    tools = locked("requirements-build.txt")
    for text in build:
        requirement = Requirement(text)
        assert requirement.specifier.contains(tools[canonicalize_name(requirement.name)].version)


def test_the_image_tries_what_it_consists_of() -> None:
    smoke_test = LAST_STAGE[LAST_STAGE.index("USER ") :]
    commands = {path.stem for path in (ROOT / "worker" / "cli").glob("*.py")} & {
        "record",
        "replay",
        "run",
        "streams",
        "watch",
    }
    assert len(commands) == 5
    for command in commands:
        assert f"worker.cli.{command}" in smoke_test
    for tried in ("meetstems --help", "playwright --version", '"$MEETSTEMS_CHROMIUM" --version'):
        assert tried in smoke_test


def build_image(folder: Path, digest: str) -> subprocess.CompletedProcess[str]:
    """Runs scripts/build-image with a docker that says ``digest`` and prints what it is asked to build."""
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = build ] && echo "$@" || echo "{digest}"\n', "utf-8")
    docker.chmod(0o755)
    return subprocess.run(
        [str(ROOT / "scripts" / "build-image"), "example/meetstems:1"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_image_builds_from_the_digest_of_the_base_image(tmp_path: Path) -> None:
    done = build_image(tmp_path, f"sha256:{'0a' * 32}")
    assert done.returncode == 0, done.stderr
    assert f"--build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:{'0a' * 32} " in done.stdout
    assert "-f deploy/Dockerfile" in done.stdout
    assert "-t example/meetstems:1 ." in done.stdout


@pytest.mark.parametrize("digest", ["", "sha256:0a", "latest"])
def test_make_image_builds_nothing_without_a_digest(digest: str, tmp_path: Path) -> None:
    done = build_image(tmp_path, digest)
    assert done.returncode == 1
    assert "build" not in done.stdout
    assert "expected sha256:" in done.stderr

"""Checks the Dockerfile by a linter and by its text; tests have no container engine to build it."""

from __future__ import annotations

import re

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

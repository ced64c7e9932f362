"""Files that are kept by hand or generated, and must agree with one another."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc  # type: ignore[import-untyped]

from worker.platforms.meet import collections_pb2

ROOT = Path(__file__).parents[2]


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+", line) for line in lines)
    names = [re.sub(r"[-_.]+", "-", line.split("==", maxsplit=1)[0]).lower() for line in lines]
    assert len(names) == len(set(names))


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    for name, pattern in {
        "CHANGELOG.md": r"^## (\S+) — \d{4}-\d\d-\d\d$",
        "docs/deploy.md": r"IMAGE=registry\.example\.com/meetstems:(\S+)",
        "deploy/k8s/overlays/production/kustomization.yaml": r"^ +newTag: (\S+)$",
    }.items():
        found = re.search(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE)
        assert found is not None, name
        assert found[1] == version, name


def test_every_pattern_of_package_data_matches_a_file() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = [(package, each) for package, listed in tools["package-data"].items() for each in listed]
    assert [each for each in patterns if not any((ROOT / each[0]).glob(each[1]))] == []


def test_the_roster_module_was_generated_from_its_schema(tmp_path: Path) -> None:
    """Where this fails, run scripts/generate-protobuf."""
    out = tmp_path / "schema.bin"
    schema = "worker/platforms/meet/collections.proto"
    assert protoc.main(["protoc", f"-I{ROOT}", f"--descriptor_set_out={out}", str(ROOT / schema)]) == 0
    (current,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    generated = descriptor_pb2.FileDescriptorProto.FromString(collections_pb2.DESCRIPTOR.serialized_pb)
    for file in (current, generated):
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert generated == current


@pytest.mark.parametrize(
    "script",
    ["setup", "setup-development", "lint", "demo", "demo-queue", "demo-live", "npm", "generate-protobuf"],
)
def test_scripts_can_be_run(script: str) -> None:
    path = ROOT / "scripts" / script
    assert path.stat().st_mode & 0o111
    assert path.read_text("utf-8").startswith("#!/usr/bin/env bash\n")


def test_the_local_overlay_runs_the_moto_that_tests_run_against() -> None:
    lock = re.search(r"^moto==([^\s;\\]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    overlay = (ROOT / "deploy/k8s/overlays/local/moto.yaml").read_text("utf-8")
    image = re.search(r"^ +image: motoserver/moto:([^\s@]+)", overlay, re.MULTILINE)
    assert lock is not None
    assert image is not None
    assert image[1] == lock[1]

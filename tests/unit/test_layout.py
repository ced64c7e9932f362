"""The layout of the worker: its root, the docstrings of its packages, and its unit tests."""

from __future__ import annotations

import ast
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
WORKER: Final = ROOT / "worker"
MODULES: Final = sorted(
    path for path in WORKER.rglob("*.py") if path.name != "__init__.py" and "_pb2" not in path.name
)
PACKAGES: Final = sorted(path.parent for path in WORKER.rglob("__init__.py"))
OF_NO_MODULE: Final = {
    "jobs/test_bad_consumers.py",
    "rendering/test_fuzzed_tapes.py",
    "rendering/test_golden_tapes.py",
    "server/page/test_hostile_visitors.py",
    "server/test_accepted_jobs.py",
    "server/test_artifact_deletion.py",
    "server/test_separate_video.py",
    "server/test_serve_webhooks.py",
    "server/test_two_keys.py",
    "server/test_plain_live.py",
    "server/test_unreadable_bots.py",
    "server/test_wrong_live_fields.py",
    "streaming/test_slow_names.py",
    "stems/test_honest_senders.py",
    "streaming/test_live_places.py",
    "streaming/test_live_tapes.py",
    "streaming/test_live_truth.py",
}
"""Unit tests that are of a package as a whole."""


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def pure_modules() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    names: list[str] = next(each for each in contracts if each["id"] == "pure")["source_modules"]
    return names


def test_the_root_holds_packages_and_at_most_six_modules() -> None:
    modules = [path.name for path in WORKER.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 6, modules


@pytest.mark.parametrize("package", PACKAGES, ids=dotted)
def test_an_init_module_has_a_docstring_and_no_code(package: Path) -> None:
    tree = ast.parse((package / "__init__.py").read_text("utf-8"))
    assert len(tree.body) == 1, "expected a docstring alone: re-exports hide what is imported from where"
    sign = ast.get_docstring(tree)
    assert sign
    if package != WORKER:
        assert "Door" in sign
        assert "Floor: " in sign


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_only_modules_that_the_contract_covers_are_called_pure(module: Path) -> None:
    covered = any(
        fnmatch(dotted(module), name) or fnmatch(dotted(module), f"{name}.*") for name in pure_modules()
    )
    # The lowest floor imports nothing but the standard library.
    lowest = module.parent == WORKER and module.stem != "settings"
    if "(pure" in docstring(module).split("\n\n")[0]:
        assert covered or lowest


def test_no_unit_test_of_the_worker_imports_another() -> None:
    tests = ROOT / "tests" / "unit"
    found = [
        (path.relative_to(tests).as_posix(), node.module)
        for path in tests.rglob("*.py")
        if path.relative_to(tests).parts[0] != "replica"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and fnmatch(node.module or "", "tests.unit.*test_*")
    ]
    assert found == [], "expected what tests share in tests/support"


def test_unit_tests_mirror_the_package() -> None:
    tests = ROOT / "tests" / "unit"
    strangers = [
        name
        for path in tests.rglob("test_*.py")
        if path.parent != tests
        and (name := path.relative_to(tests).as_posix()).split("/")[0] != "replica"
        and not (WORKER / path.parent.relative_to(tests) / path.name.removeprefix("test_")).is_file()
    ]
    assert set(strangers) == OF_NO_MODULE

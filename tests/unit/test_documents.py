"""What documents, docstrings, comments and strings mention must exist: links, paths, modules and what is in them."""

from __future__ import annotations

import pytest

from tests.support.mentions import (
    ROOT,
    anchors,
    code_names,
    code_paths,
    comments_and_strings,
    doors,
    dotted_names,
    is_code_name_missing,
    is_link_dead,
    is_name_missing,
    is_path_missing,
    links,
    paths,
    prose,
    tracked,
)

DOCUMENTS = tracked("*.md")

TEXTS = tracked(
    "*",
    ":!*.lock",
    ":!*package-lock.json",
    ":!*.opus",
    ":!*.mcap",
    ":!*.msgpack",
    f":!{__name__.replace('.', '/')}.py",
)
"""Without this file: it names what does not exist."""

PACKAGES = sorted({name.rpartition("/")[0] for name in tracked("worker/*/__init__.py")})

ALLOWED = {
    "worker/no_floor/__init__.py": "tests/unit/test_import_rules.py: a package that breaks a rule",
    "worker.platforms.example": "tests/browser/test_third_platform.py: is added to a copy of the worker",
    "worker.platforms.example.call": "the same",
    "worker.platforms.example.roster": "the same",
    "worker.platforms.example.signs": "the same",
    "worker.d.ts": "a file beside browser_scripts/tsconfig.worker.json",
    "worker.onmessage": "JavaScript in tests/browser: the page's Web Worker",
    "worker.recovery_process": "CHANGELOG.md: the name in 0.1.0",
    "worker.tests": "a logger's name in tests/unit/monitoring/test_logs.py",
}
"""What texts may mention although it does not exist here, and what it is."""


FOREIGN = {
    "CreateContainerError": "a state of Kubernetes",
    "POD": "a placeholder",
    "PodEvictionFailure": "an error of EKS",
    "Runtime.addBinding": "a command of Chromium's protocol",
    "Runtime.enable": "the same",
}
"""Names that documents mention in backticks and that are not ours."""


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_documents_lead_somewhere(document: str) -> None:
    assert [link for link in links(read(document)) if is_link_dead(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_in_backticks_exist(document: str) -> None:
    named = code_paths(document, read(document))
    assert [path for path in named if path not in ALLOWED and is_path_missing(path, document)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_in_backticks_exist(document: str) -> None:
    named = code_names(read(document))
    assert [each for each in named if each not in FOREIGN and is_code_name_missing(each)] == []


def test_paths_in_all_texts_exist() -> None:
    named = [(name, path) for name in TEXTS for path in paths(prose(name))]
    assert [each for each in named if each[1] not in ALLOWED and is_path_missing(each[1])] == []


def test_dotted_names_in_all_texts_resolve() -> None:
    # In JavaScript, worker is an object.
    texts = [name for name in TEXTS if not name.endswith((".js", ".ts"))]
    named = [(name, dotted) for name in texts for dotted in dotted_names(prose(name))]
    assert [each for each in named if each[1] not in ALLOWED and is_name_missing(each[1])] == []


def test_the_doors_that_packages_name_exist() -> None:
    named = [door for package in PACKAGES for door in doors(package)]
    assert len(named) > len(PACKAGES)
    assert [door for door in named if is_name_missing(door)] == []


def test_every_exception_is_still_needed() -> None:
    mentioned = {each for name in TEXTS for each in (*paths(prose(name)), *dotted_names(prose(name)))}
    assert ALLOWED.keys() - mentioned == set()
    assert FOREIGN.keys() - {name for document in DOCUMENTS for name in code_names(read(document))} == set()


def test_links_are_found_outside_code_only() -> None:
    text = '[a](b.md) [c](https://d) ![e](f.png) `[g](h.md)`\n```\n[i](j.md)\n```\n[k](#l) [m](n.md#o "p")'
    assert links(text) == ["b.md", "f.png", "#l", "n.md#o"]


def test_anchors_are_those_of_github() -> None:
    text = "# What it does\n## `worker.x` & [you](y.md)?\n```\n# no heading\n```\n## Again\n### Again\n"
    assert anchors(text) == {"what-it-does", "workerx--you", "again", "again-1"}


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("runbook.md", False),
        ("../README.md#try-it", False),
        ("../docs", False),
        ("#steps", False),
        ("README.md", True),
        ("../README.md#try-that", True),
        ("#stepping", True),
        ("../..", True),
        ("../../README.md", True),
    ],
)
def test_links_are_followed_from_their_document(link: str, dead: bool) -> None:
    assert is_link_dead("docs/deploy.md", link) is dead


def test_paths_are_found_in_backticks() -> None:
    text = "`worker/tape/` `meet/site.py --fast` `worker/none.py` `x.py` `a/b` `tape/*.mcap` worker/c.py `voices.py`"
    found = code_paths("fixtures/replica/README.md", text)
    assert found == ["worker/tape/", "meet/site.py", "worker/none.py", "x.py", "voices.py"]
    assert [path for path in found if is_path_missing(path, "fixtures/replica/README.md")] == [
        "worker/none.py",
        "x.py",
    ]


def test_paths_are_found_in_texts() -> None:
    text = "See worker/tape/events.py, docs/none.md. Not {x}worker/a.py, ./tests/b.py, or worker/tape; scripts/*, tests/."
    found = paths(text)
    assert found == ["worker/tape/events.py", "docs/none.md", "scripts/*", "tests/"]
    assert [path for path in found if is_path_missing(path)] == ["docs/none.md"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("worker.tape", False),
        ("worker.tape.events", False),
        ("worker.tape.events.TapeStarted.platform", False),
        ("worker.jobs.attempt.Attempt.number", False),
        ("worker.reasons.Reason.TAP_DEAF.value", False),
        ("worker.cli.__main__", False),
        ("worker.cli.__main__.main", True),
        ("worker.tapes", True),
        ("worker.tape.event", True),
        ("worker.tape.events.TapeBegun", True),
        ("worker.jobs.attempt.Attempt.nummer", True),
        ("worker.jobs.attempt.Attempt.number.size", True),
    ],
)
def test_dotted_names_resolve_to_modules_and_attributes(name: str, missing: bool) -> None:
    assert is_name_missing(name) is missing


def test_names_of_code_are_found_in_backticks() -> None:
    text = "`TapeWriter` `Lifecycle.left` `run_job` `judge()` `KILLS=20` `a/b_c.py` `joining` Plain `README.md` `TAPE_VERSION`"
    assert code_names(text) == ["TapeWriter", "Lifecycle.left", "run_job", "judge", "TAPE_VERSION"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("TapeWriter", False),
        ("TapWorker", False),
        ("Lifecycle.update_view", False),
        ("Attempt.number", False),
        ("meetstems_restarts_total", False),
        ("BROWSER_WORKERS", False),
        ("TapeWriterr", True),
        ("Lifecycle.saw", True),
        ("Nobody.see", True),
        ("run_jobs", True),
        ("meetstems_reboots_total", True),
    ],
)
def test_names_of_code_are_looked_up(name: str, missing: bool) -> None:
    assert is_code_name_missing(name) is missing


def test_dotted_names_are_found_whole() -> None:
    text = "worker.tape.events.Frame. (worker.cli) a/worker.js my.worker.x ``worker.stems.gate``; worker.platforms.*.roster()"
    assert dotted_names(text) == [
        "worker.tape.events.Frame",
        "worker.cli",
        "worker.stems.gate",
        "worker.platforms",
    ]


def test_python_is_read_without_its_code() -> None:
    source = '"""A."""\nimport worker.b\nC = "worker.c"  # worker.d\nE = f"worker.e {C}"\nworker.f = r\'worker.g\'\n'
    assert dotted_names(comments_and_strings(source)) == [f"worker.{letter}" for letter in "cdeg"]
    assert "worker.cli" in dotted_names(prose("worker/cli/__main__.py"))
    assert "sys.exit" not in prose("worker/cli/__main__.py")


def test_decisions_have_unique_numbers_and_are_listed_in_order() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    listed = [
        line for line in (folder / "README.md").read_text("utf-8").splitlines() if line.startswith("| [")
    ]
    assert [line.split("]")[0].removeprefix("| [") for line in listed] == [name[:4] for name in names]
    assert all(f"({name})" in line for name, line in zip(names, listed, strict=True))

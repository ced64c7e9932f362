"""What the repository's texts mention (links, paths, dotted names), and whether it exists."""

from __future__ import annotations

import importlib
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")

_PACKAGES = "worker|fixtures|browser_scripts|tests"
_DOTTED = re.compile(rf"(?<![\w./*-])(?:{_PACKAGES})(?:\.[A-Za-z_]\w*)+")
_PATH = re.compile(rf"(?<![\w./*}}-])(?:{_PACKAGES}|deploy|docs|scripts)/(?:[\w./*-]*[\w*/])?")
_SOURCE = re.compile(r"[\w-]\.(?:py|js|ts|toml|md|sh|yaml|proto)$")
_NAME = re.compile(r"[A-Z]\w+(?:\.\w+)?|[a-z]+_\w+|[a-z_]+\(\)")
_CLASS_LINE = re.compile(r"^class (\w+)\b", re.MULTILINE)
_DOORS = re.compile(r"\bDoors?\b(.*?)(?:\bFloor:|\Z)", re.DOTALL)


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """Files of the repository that match any of git's ``patterns``; also new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(sorted({name for name in listed if (ROOT / name).is_file()}))


def links(markdown: str) -> list[str]:
    """The targets of a document's links within the repository: ``path``, ``path#heading`` or ``#heading``."""
    text = _CODE.sub("", _FENCE.sub("", markdown))
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z][a-z+.-]*:", link)]


def anchors(markdown: str) -> set[str]:
    """What ``#…`` may name in a document: its headings, as GitHub writes them; the second of a name ends in ``-1``."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", markdown)):
        words = _LINK_TEXT.sub(r"\1", heading).replace("`", "").strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = 0
        while (unique := f"{anchor}-{count}" if count else anchor) in found:
            count += 1
        found.add(unique)
    return found


def is_link_dead(document: str, link: str) -> bool:
    """Whether ``link`` in ``document`` (a path from the root) leads nowhere."""
    path, _, anchor = link.partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text("utf-8"))


def code_paths(document: str, markdown: str) -> list[str]:
    """The words in backticks that look like paths of the repository: they begin with a folder that is at the root or beside the
    document, or end as a source file does.
    """
    homes = (ROOT, (ROOT / document).parent)
    words = [word for code in _CODE.findall(_FENCE.sub("", markdown)) for word in code.split()]
    return [
        word
        for word in words
        if re.fullmatch(r"[\w.*][\w./*-]*", word)
        and (
            _SOURCE.search(word)
            or ("/" in word and any((home / word.split("/")[0]).is_dir() for home in homes))
        )
    ]


def code_names(markdown: str) -> list[str]:
    """The words in backticks that look like names in code: ``TapeWriter``, ``Metrics.observe``, ``run_job``, ``judge()``."""
    words = [word for code in _CODE.findall(_FENCE.sub("", markdown)) for word in code.split()]
    return [word.removesuffix("()") for word in words if _NAME.fullmatch(word) and not _SOURCE.search(word)]


def doors(package: str) -> list[str]:
    """The doors that the docstring of a package's ``__init__.py`` names, as dotted names from the root."""
    text = (ROOT / package / "__init__.py").read_text("utf-8")
    named = [
        door
        for part in _DOORS.findall(text)
        for door in re.findall(r"``([a-z][\w.]*)``", re.sub(r"\([^)]*\)", "", part))
    ]
    return [f"{package.replace('/', '.')}.{door}" for door in named]


def paths(text: str) -> list[str]:
    """Everything in a text that looks like a path from the repository's root."""
    return [
        path for path in _PATH.findall(text) if path.endswith(("/", "*")) or "." in path.rsplit("/", 1)[1]
    ]


def dotted_names(text: str) -> list[str]:
    """Every dotted name of a module of the repository in a text, or of something in one."""
    return _DOTTED.findall(text)


@cache
def prose(name: str) -> str:
    """A file's text; of Python only comments and strings, for its code is checked by others."""
    text = (ROOT / name).read_text("utf-8", errors="replace")
    return comments_and_strings(text) if name.endswith(".py") else text


def comments_and_strings(source: str) -> str:
    """The comments and strings of a Python module, docstrings among them."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    return "\n".join(token.string.strip("\"'") for token in tokens if token.type in kinds)


def is_path_missing(path: str, document: str = "") -> bool:
    """Whether neither the root nor the document's own folder has ``path``, which may hold ``*``.

    The name of a file alone may be that of any file.
    """
    if "/" not in path and any(name.rpartition("/")[2] == path for name in tracked("*")):
        return False
    homes = {ROOT, (ROOT / document).parent}
    return not any(any(home.glob(path)) if "*" in path else (home / path).exists() for home in homes)


def is_name_missing(name: str) -> bool:
    """Whether a dotted name is neither a module nor an attribute of the longest module that it begins with.

    Modules are looked up as files; only one of which an attribute is named is imported, ``__main__`` never.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        if place.is_dir() or place.with_suffix(".py").is_file():
            return bool(parts[length:]) and (
                parts[length - 1] == "__main__" or not _has(".".join(parts[:length]), parts[length:])
            )
    return True


@cache
def _homes_of_classes() -> dict[str, list[str]]:
    """The modules that define a class of each name."""
    homes: dict[str, list[str]] = {}
    for name in tracked("worker/*.py", "fixtures/*.py"):
        for defined in _CLASS_LINE.findall((ROOT / name).read_text("utf-8")):
            homes.setdefault(defined, []).append(name.removesuffix(".py").replace("/", "."))
    return homes


@cache
def _words_of_code() -> set[str]:
    """Every word of every file that is no document and that does not name what is not there."""
    places = (
        "worker",
        "fixtures",
        "browser_scripts",
        "tests",
        "deploy",
        "scripts",
        "pyproject.toml",
        "Makefile",
    )
    binary = (":!*.mcap", ":!*.opus", ":!*.msgpack")
    texts = tracked(*places, ":!*.md", *binary, ":!tests/unit/test_documents.py")
    return {word for name in texts for word in re.findall(r"\w+", (ROOT / name).read_text("utf-8"))}


def is_code_name_missing(name: str) -> bool:
    """Whether no file holds the name, or, of a class and its attribute, whether no class of that name has it.

    The code has metrics' names without namespace and ``_total``.
    """
    kind, _, attribute = name.partition(".")
    homes = _homes_of_classes().get(kind, [])
    if attribute and homes:
        return all(is_name_missing(f"{home}.{name}") for home in homes)
    bare = name.removeprefix("meetstems_").removesuffix("_total")
    return bool(attribute) or not {name, bare} & _words_of_code()


def _has(module: str, attributes: list[str]) -> bool:
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    for attribute in attributes:
        if hasattr(found, attribute):
            found = getattr(found, attribute)
        else:
            # A field of a class without a default.
            return attribute in _fields(found) and attribute == attributes[-1]
    return True


def _fields(found: object) -> Iterator[str]:
    for kind in getattr(found, "__mro__", ()):
        yield from getattr(kind, "__annotations__", {})

"""The key of a server for one machine: made at its first start, and kept in its folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from worker.server.keys import Limits, Workspace, key_sha256

NAME: Final = "local"
KEY_FILE: Final = "key"
KEYS_FILE: Final = "keys.json"

_KEY_BYTES: Final = 24

_UNLIMITED: Final = 1_000_000
"""Requests a minute: nobody shares this server."""


def local_key(data_folder: Path) -> tuple[str, Path]:
    """The key, and the file of keys that has it. Both files can be read by their owner alone. Raises OSError."""
    data_folder.mkdir(parents=True, exist_ok=True)
    path = data_folder / KEY_FILE
    try:
        key = path.read_text("utf-8").strip()
    except FileNotFoundError:
        key = ""
    if not key:
        key = secrets.token_urlsafe(_KEY_BYTES)
        _write(path, f"{key}\n".encode())
    limits = Limits(create=_UNLIMITED, list=_UNLIMITED, retrieve=_UNLIMITED)
    workspace = Workspace(name=NAME, sha256=key_sha256(key), limits=limits)
    _write(data_folder / KEYS_FILE, msgspec.json.encode([workspace]))
    return key, data_folder / KEYS_FILE


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)

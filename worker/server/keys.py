"""The keys of the API: a file with a name, the SHA-256 of the key, and limits for each."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from worker.errors import InputError, cause

logger = logging.getLogger(__name__)

DEFAULT_LIMITS: Final[Mapping[str, int]] = {"create": 60, "list": 60, "retrieve": 300}
"""Requests a minute, for each key: Recall.ai's limits for each workspace. MeetStream publishes none."""

_PerMinute = Annotated[int, Meta(ge=1, le=1_000_000)]


class KeysError(InputError):
    """The file of the keys cannot be used; the message says why."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests a minute: that create bots, that list, and all others. None: DEFAULT_LIMITS."""

    create: _PerMinute | None = None
    list: _PerMinute | None = None
    retrieve: _PerMinute | None = None

    def of(self, kind: str) -> int:
        """The limit for requests of ``kind``, a name of DEFAULT_LIMITS."""
        given: int | None = getattr(self, kind)
        return DEFAULT_LIMITS[kind] if given is None else given


class Workspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a key stands for. Bots belong to the workspace ``name``, which several keys may share; ``sha256`` is the key's."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$(?!\n)")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$(?!\n)")]
    limits: Limits = Limits()


class Keys:
    """The keys of the file ``path``: a JSON list of Workspace. It is read again when it changes.

    A changed file that cannot be read is logged, and the keys stay as they were. Raises KeysError at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._workspaces = _read(path)

    def find(self, key: str) -> Workspace | None:
        """Whom ``key`` stands for; None: nobody. Takes the same time whichever key it is, and however far it is right."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for workspace in self.workspaces():
            if hmac.compare_digest(workspace.sha256.lower(), digest) and found is None:
                found = workspace
        return found

    def workspaces(self) -> list[Workspace]:
        """Whom the keys stand for that are valid at the moment."""
        self._reload()
        return self._workspaces

    def _reload(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._workspaces = _read(self._path)
        except KeysError as error:
            logger.error("the keys stay as they were: %s", error)
        else:
            logger.info("%d keys are read", len(self._workspaces))


def key_sha256(key: str) -> str:
    """What the file has of ``key``."""
    return hashlib.sha256(key.encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None where it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _read(path: Path) -> list[Workspace]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Workspace])
    except OSError as error:
        raise KeysError(f"MEETSTEMS_API_KEYS_FILE={str(path)!r}: cannot be read: {cause(error)}") from error
    except msgspec.DecodeError as error:
        raise KeysError(
            f'MEETSTEMS_API_KEYS_FILE={str(path)!r}: {error}; expected a JSON list of {{"name": …, "sha256": …}}'
        ) from error

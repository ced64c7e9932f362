"""What the API keeps of a bot, and where.

::

    {prefix}bots/{bot_id}/record.json                               the request, its workspace, and whether it was dispatched
    {prefix}workspaces/{name}/bots/{hour}/{moment}-{bot_id}         one entry a bot, the newest first
                              idempotency/{hash}.json               the bot that a request with this key made
                              deduplication/{hash}.json             the bot that has this deduplication_key
    {prefix}due/{minute}/{bot_id}                                   jobs that are to be dispatched, the earliest first

``hour`` and ``moment`` count down, so that a listing in order of keys has the newest bots first, and a page of it costs one
request however many bots there are.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from worker.contracts.job import Job, Vendor
from worker.contracts.meetstream import read_meetstream
from worker.contracts.recall import read_recall
from worker.delivery.bucket_layout import bot_keys

JSON: Final = "application/json"

_END: Final = 10**13
"""Milliseconds since the Unix epoch, in the year 2286; moments count down from here."""
_HOUR: Final = 3_600_000
"""Milliseconds."""


class BotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``record.json``. Times are in Unix seconds. ``body`` is the create-bot body with the bot's id.

    ``claimed_until``: until then one server alone dispatches the job. ``dispatched_at``: None while the job is not on the
    queue, and can be changed.
    """

    bot_id: str
    workspace: str
    vendor: Vendor
    body: dict[str, Any]
    created_at: float
    claimed_until: float = 0.0
    dispatched_at: float | None = None

    def job(self) -> Job:
        """The job of ``body``. Raises JobError for one that an earlier version took and this one does not."""
        read = read_meetstream if self.vendor == "meetstream" else read_recall
        return read(self.body, lambda: self.bot_id)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """An object that leads to a bot. ``sha256`` is of what belongs to it: a body, or a meeting. ``at`` is in Unix seconds."""

    bot_id: str
    sha256: str
    at: float


class Waiting(NamedTuple):
    """Bots that are not dispatched yet: how many, how many of them are due, and for how many seconds the oldest has been."""

    scheduled: int
    due: int
    oldest: float


class ApiKeys:
    """The keys of objects of the API under ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        start = prefix.strip("/")
        self._start = f"{start}/" if start else ""

    def record(self, bot_id: str) -> str:
        """Raises LayoutError for what is no bot id."""
        return f"{bot_keys(self._prefix, bot_id).folder}record.json"

    def bots(self, workspace: str) -> str:
        """The prefix of the entries of a workspace's bots."""
        return f"{self._start}workspaces/{workspace}/bots/"

    def entry(self, record: BotRecord) -> str:
        """The entry of a bot."""
        moment = _END - int(record.created_at * 1000)
        return f"{self.bots(record.workspace)}{moment // _HOUR:07d}/{moment:013d}-{record.bot_id}"

    def idempotency(self, workspace: str, path: str, key: str) -> str:
        """The reference of a request's Idempotency-Key, which counts for one path."""
        return f"{self._start}workspaces/{workspace}/idempotency/{_hash(path, key)}.json"

    def deduplication(self, workspace: str, key: str) -> str:
        """The reference of a deduplication_key."""
        return f"{self._start}workspaces/{workspace}/deduplication/{_hash(key)}.json"

    @property
    def due(self) -> str:
        """The prefix of the jobs that are to be dispatched."""
        return f"{self._start}due/"

    def due_entry(self, bot_id: str, at: float) -> str:
        """A job that is to be dispatched at ``at``, in Unix seconds."""
        return f"{self.due}{int(at // 60):010d}/{bot_id}"

    def due_before(self, at: float) -> str:
        """The key after those of all jobs that are due before ``at`` or within its minute."""
        return f"{self.due}{int(at // 60) + 1:010d}/"


def due_before(key: str) -> float | None:
    """The end of the minute of a due entry, in Unix seconds; None for another key."""
    minute = key.split("/")[-2]
    return (int(minute) + 1) * 60.0 if minute.isascii() and minute.isdecimal() else None


def bot_id_of_entry(key: str) -> str:
    """The bot of an entry, or of a due entry."""
    name = key.rpartition("/")[2]
    return name.partition("-")[2] if name[:13].isdecimal() and name[13:14] == "-" else name


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()

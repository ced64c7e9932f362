"""What the API keeps of a bot, and where.

::

    {prefix}bots/{bot_id}/record.json                               the request, its workspace, and whether it was dispatched
    {prefix}workspaces/{name}/bots/{hour}/{moment}-{bot_id}         one entry a bot, the newest first
                              idempotency/{hash}.json               the bot that a request with this key made
                              deduplication/{hash}.json             the bot that has this deduplication_key
    {prefix}due/{minute}/{bot_id}                                   jobs that are to be dispatched, the earliest first
    {prefix}expiring/{hour}/{bot_id}                                bots whose data may be due for deletion, the earliest first

``hour`` and ``moment`` of a workspace count down, so that a listing in order of keys has the newest bots first, and a page of
it costs one request however many bots there are.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from worker.contracts.job import Job, Vendor
from worker.contracts.json_body import JobError
from worker.contracts.meetstream import read_meetstream
from worker.contracts.recall import read_recall
from worker.contracts.status import BotStatus
from worker.delivery.bucket_layout import bot_keys
from worker.platforms.registry import PLATFORMS

JSON: Final = "application/json"

_END: Final = 10**13
"""Milliseconds since the Unix epoch, in the year 2286; moments count down from here."""
_HOUR: Final = 3_600_000
"""Milliseconds."""


QUEUE_KEEPS: Final = 14 * 86_400.0
"""Seconds for which SQS keeps a message at most (its MessageRetentionPeriod)."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """That a bot's data is deleted. Times are in Unix seconds.

    ``at`` is when that was decided: by a request, or because its retention had passed (``is_expired``). ``forget``: nothing of
    the bot is left, not even in lists. ``claimed_until``: until then one server alone deletes. ``done_at``: None before all is
    removed and reported. ``status`` is bot.json as it was, ``started_at`` what the manifest said (ISO 8601), None: nothing.
    ``expiring_before`` is BotRecord's ``expiring_at`` before.
    """

    at: float
    status: BotStatus
    started_at: str | None = None
    expiring_before: float | None = None
    is_expired: bool = False
    forget: bool = False
    claimed_until: float = 0.0
    done_at: float | None = None


class BotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``record.json``. Times are in Unix seconds. ``body`` is the create-bot body with the bot's id.

    ``claimed_until``: until then one server alone dispatches the job. ``dispatched_at``: None while the job is not on the
    queue, and can be changed. ``expiring_at``: the moment of the bot's entry among those that expire, None: it has none.
    ``references`` are the keys of the references that its request made. ``deleted_kinds`` are artifacts that were deleted by
    themselves, by their kind, with the time. ``artifact_metadata`` are what users noted about artifacts, by their kind.
    ``deletion`` None: its data is kept.
    """

    bot_id: str
    workspace: str
    vendor: Vendor
    body: dict[str, Any]
    created_at: float
    claimed_until: float = 0.0
    dispatched_at: float | None = None
    expiring_at: float | None = None
    references: list[str] = []
    deleted_kinds: dict[str, float] = {}
    artifact_metadata: dict[str, dict[str, Any]] = {}
    deletion: Deletion | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether the API knows the bot no more."""
        return self.deletion is not None and self.deletion.forget

    @property
    def message_until(self) -> float | None:
        """Until when a queue may have the job of a deleted bot that never began (Unix seconds); None: no queue has it."""
        if self.deletion is None or self.deletion.status.attempt > 0:
            return None
        if self.dispatched_at is not None:
            return self.dispatched_at + QUEUE_KEEPS
        return self.claimed_until + QUEUE_KEEPS if self.claimed_until > self.deletion.at else None

    def without_request(self) -> BotRecord:
        """The record without anything that the request said. Its job is one for another call."""
        try:
            platform = self.job().platform
        except JobError:
            platform = next(iter(PLATFORMS))
        link = PLATFORMS[platform].example_link
        field = "meeting_link" if self.vendor == "meetstream" else "meeting_url"
        body = {field: link, "bot_id": self.bot_id}
        return msgspec.structs.replace(self, body=body, references=[], artifact_metadata={})

    def readable(self) -> BotRecord:
        """The record, without its request if that is one that this version does not take."""
        try:
            self.job()
        except JobError:
            return self.without_request()
        return self

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

    def all_of(self, bot_id: str) -> tuple[str, ...]:
        """The prefixes of everything that belongs to one bot alone, but for entries and references."""
        return (bot_keys(self._prefix, bot_id).folder,)

    @property
    def expiring(self) -> str:
        """The prefix of the bots whose data may be due for deletion."""
        return f"{self._start}expiring/"

    def expiring_entry(self, bot_id: str, at: float) -> str:
        """A bot that is to be looked at, whether its data is due for deletion, at ``at``, in Unix seconds."""
        return f"{self.expiring}{int(at // 3600):08d}/{bot_id}"

    def expiring_before(self, at: float) -> str:
        """The key after those of all bots that are to be looked at before ``at`` or within its hour."""
        return f"{self.expiring}{int(at // 3600) + 1:08d}/"

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

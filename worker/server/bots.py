"""The bots of a workspace: made, listed, read, changed and cancelled. Blocks; nothing here knows of HTTP."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from worker.contracts.bot_facts import BotFacts
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.recall_documents import AUDIO_MIXED, AUDIO_SEPARATE, VIDEO_SEPARATE
from worker.contracts.status import result_event
from worker.contracts.streams_document import mixed_only
from worker.delivery.bucket_layout import BotKeys, LayoutError, bot_keys
from worker.delivery.errors import DeliveryError, UnavailableError
from worker.delivery.event_sinks import EventSink, NoEvents
from worker.delivery.object_store import (
    LARGEST_PAGE,
    Listed,
    NotFoundError,
    PagedStore,
    PreconditionFailedError,
)
from worker.jobs.bot_claim import BotIdTakenError
from worker.jobs.cancel import cancel_job
from worker.jobs.reporter import read_status
from worker.jobs.result_file import read_result
from worker.jobs.start_limits import JOIN_LEAD
from worker.manifest.meeting_schema import Meeting
from worker.manifest.merge_meetings import merge_meetings
from worker.manifest.merge_videos import only_videos
from worker.manifest.schema import Manifest
from worker.safe_text import printable
from worker.server.dispatcher import Dispatcher
from worker.server.records import (
    JSON,
    ApiKeys,
    BotRecord,
    Reference,
    Waiting,
    bot_id_of_entry,
    due_before,
)

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)

LEAD: Final = JOIN_LEAD
"""Seconds before ``join_at`` at which a job goes to the queue: enough for a new node, the image and Chromium."""

CLAIM: Final = 30.0
"""Seconds for which one server alone dispatches a job. One that was killed meanwhile is followed by another then."""

_READERS: Final = 16
"""Parallel reads of a page's bots."""

_DISPATCHERS: Final = 16
"""Parallel dispatches: each takes five requests one after the other, and at a full hour thousands of jobs are due at once."""

_TO_SEND: Final = 5.0
"""Seconds for which an answer waits until its event is on the queue."""

_DELETED: Final = "The speakers' files were deleted."

_NO_EVENTS: Final = NoEvents()

UNREADABLE: Final = (JobError, msgspec.DecodeError)
"""What is raised where a file in the store is not what this version writes."""


class Found(NamedTuple):
    """A record and its ETag."""

    record: BotRecord
    etag: str


class Page(NamedTuple):
    """Some bots of a list, the newest first. ``next_entry``: where the next page begins after; None: there is none."""

    bots: list[BotFacts]
    next_entry: str | None


class BotBusyError(Exception):
    """A worker has the bot, or it can no longer be changed."""


class Bots:
    """All bots. ``clock`` returns Unix seconds. Thread-safe; every method blocks, and raises what the store raises.

    ``events`` gets what no worker reports: that a bot was cancelled before it joined.
    """

    def __init__(
        self,
        store: PagedStore,
        prefix: str,
        dispatcher: Dispatcher,
        clock: Callable[[], float],
        events: EventSink = _NO_EVENTS,
    ) -> None:
        self.store = store
        self.keys = ApiKeys(prefix)
        self.prefix = prefix
        self._events = events
        self._dispatcher = dispatcher
        self._clock = clock
        self._readers = ThreadPoolExecutor(_READERS, "bots")
        self._dispatchers = ThreadPoolExecutor(_DISPATCHERS, "due")

    def keys_of(self, bot_id: str) -> BotKeys:
        """The keys of what workers write about a bot."""
        return bot_keys(self.prefix, bot_id)

    def create(self, workspace: str, job: Job, references: Sequence[str] = ()) -> BotFacts:
        """Makes the bot and, if it is to join soon, dispatches its job. The same job again changes nothing. ``references`` are
        the keys of what ``remember`` made for it.

        A server that is killed meanwhile leaves an entry of a due job, and another one goes on.
        """
        now = self._clock()
        due = self._due(job, now)
        expiring_at = _expiring_at(job, due)
        record = BotRecord(
            bot_id=job.bot_id,
            workspace=workspace,
            vendor=job.vendor,
            body={**job.body, "bot_id": job.bot_id},
            created_at=now,
            claimed_until=now + CLAIM,
            expiring_at=expiring_at,
            references=list(references),
        )
        if expiring_at is not None:
            # First, so that no bot is kept for ever because a server was killed. An entry without its bot is removed in time.
            self.expire(job.bot_id, expiring_at)
        is_new = True
        try:
            etag = self.write(record, if_absent=True)
        except PreconditionFailedError:
            found = self.found(job.bot_id)
            if found is None:
                raise
            is_new = False
            record, etag = found
            due = self._due(job, record.created_at)
        due_entry = self.keys.due_entry(job.bot_id, due)
        if record.dispatched_at is None:
            self._put(due_entry, Reference(bot_id=job.bot_id, sha256="", at=due))
        self._put(self.keys.entry(record), Reference(bot_id=job.bot_id, sha256="", at=record.created_at))
        if record.dispatched_at is None and due <= now:
            try:
                record = self._dispatch(Found(record, etag), due_entry)
            except DeliveryError as error:
                # The bot is made and its job is kept; a refusal now would make the client send another one.
                logger.warning("the job of %s is dispatched later: %s", job.bot_id, error)
        # No worker can have written more of a new bot than that it begins.
        return _facts_of_new(record) if is_new else self.facts_of(record)

    def known(self, bot_id: str) -> BotRecord | None:
        """The bot's record, whosever it is; None if there is none."""
        try:
            found = self.found(bot_id)
        except LayoutError:
            return None
        return None if found is None else found.record

    def find(self, workspace: str, bot_id: str) -> BotRecord | None:
        """The bot's record; None if there is none, it belongs to another workspace, or is being deleted without a trace."""
        try:
            found = self.found(bot_id)
        except (LayoutError, NotFoundError):
            return None
        if found is None or found.record.workspace != workspace or found.record.is_forgotten:
            return None
        return found.record

    def facts(self, workspace: str, bot_id: str, *, with_manifest: bool = True) -> BotFacts | None:
        """What is known of a bot; None as ``find``."""
        record = self.find(workspace, bot_id)
        return None if record is None else self.facts_of(record, with_manifest=with_manifest)

    def meeting(self, facts: BotFacts) -> Meeting | None:
        """Who was in the call and what was written; None if nothing was recorded. A document that cannot be read is logged, and
        as if it were not there.

        ``facts`` are with the manifest, which alone tells of recordings from before meeting.json was written.
        """
        if facts.manifest is None:
            return None
        meeting = self._readable(self.keys_of(facts.bot_id).meeting, Meeting)
        return merge_meetings(facts.manifest, []) if meeting is None else meeting

    def page(
        self,
        workspace: str,
        after: str,
        limit: int,
        *,
        with_manifest: bool = False,
        known: Mapping[str, BotFacts] = MappingProxyType({}),
    ) -> Page:
        """``limit`` bots, fewer where some were just deleted or cannot be read, which is logged: they hide no others.
        ``after``: a ``next_entry``, empty for the first page. ``known``: bots by their ids that are not read again.
        """
        prefix = self.keys.bots(workspace)
        entries = self.store.page(prefix, f"{prefix}{after}" if after else "", limit)

        def read(entry: Listed) -> BotFacts | None:
            bot_id = bot_id_of_entry(entry.key)
            if bot_id in known:
                return known[bot_id]
            try:
                return self.facts(workspace, bot_id, with_manifest=with_manifest)
            except UNREADABLE as error:
                logger.error("the bot %s cannot be listed: %s", printable(bot_id), printable(str(error)))
                return None

        facts = self._readers.map(read, entries)
        last = entries[-1].key.removeprefix(prefix) if len(entries) == limit else None
        return Page([each for each in facts if each is not None], last)

    def each(self, workspace: str, *, with_manifest: bool = False) -> Iterator[BotFacts]:
        """All bots, the newest first, read as they are needed. Costs as much as there are bots."""
        after: str | None = ""
        while after is not None:
            bots, after = self.page(workspace, after, 50, with_manifest=with_manifest)
            yield from bots

    def count(self, workspace: str) -> int:
        """How many bots there are: one request for each thousand of them."""
        prefix = self.keys.bots(workspace)
        total, after = 0, ""
        while entries := self.store.page(prefix, after, LARGEST_PAGE):
            total += len(entries)
            after = entries[-1].key
        return total

    def skip(self, workspace: str, count: int) -> str | None:
        """The entry after which the bot with this number (from 0) follows; None if there are not as many."""
        prefix = self.keys.bots(workspace)
        after = ""
        while count > 0:
            entries = self.store.page(prefix, after, min(count, LARGEST_PAGE))
            if not entries:
                return None
            count -= len(entries)
            after = entries[-1].key
        return after.removeprefix(prefix)

    def change(self, record: BotRecord, job: Job) -> BotFacts:
        """Replaces the job of a bot that is not dispatched. Raises BotBusyError, and JobError where its job cannot be read."""
        found = self.undispatched(record)
        before = self.due_entry(record)
        due = self._due(job, record.created_at)
        entry = self.keys.due_entry(record.bot_id, due)
        expiring_at, expiring_before = _expiring_at(job, due), found.record.expiring_at
        body = {**job.body, "bot_id": job.bot_id}
        changed = msgspec.structs.replace(found.record, body=body, expiring_at=expiring_at)
        if expiring_at is not None:
            self.expire(record.bot_id, expiring_at)
        self._put(entry, Reference(bot_id=record.bot_id, sha256="", at=due))
        try:
            self.write(changed, if_match=found.etag)
        except PreconditionFailedError as error:
            raise BotBusyError from error
        if before != entry:
            self.store.delete(before)
        self.expire_no_more(changed, expiring_before)
        return self.facts_of(changed)

    def note(self, record: BotRecord, kind: str, metadata: dict[str, Any]) -> BotFacts | None:
        """Replaces the metadata of the bot's artifact of ``kind``; None if the bot was deleted meanwhile."""
        while (found := self.found(record.bot_id)) is not None and not found.record.is_forgotten:
            noted = {**found.record.artifact_metadata, kind: metadata}
            changed = msgspec.structs.replace(found.record, artifact_metadata=noted)
            with suppress(PreconditionFailedError):
                self.write(changed, if_match=found.etag)
                return self.facts_of(changed)
        return None

    def cancel(self, record: BotRecord) -> bool:
        """Ends a bot that no worker has begun, so that it never joins; False if a worker has it, or it has ended.

        A job that this version cannot read is ended, too: no worker of this version runs it.
        """
        if record.deletion is not None:
            # Nothing says any more that it has ended.
            return False
        try:
            job = record.readable().job()
            cancelled = cancel_job(self.store, self.keys_of(record.bot_id), job, self._clock())
        except BotIdTakenError:
            # A worker has received the job that cannot be read here.
            return False
        except (NotFoundError, PreconditionFailedError):
            # Another request cancels or deletes the bot at the same moment.
            cancelled = False
        if self.remove_if_deleted(record.bot_id):
            return False
        if cancelled and record.dispatched_at is None:
            self.remove_due_entry(record)
        if cancelled and (result := read_result(self.store, self.keys_of(record.bot_id))) is not None:
            self._report(result_event(result))
        return cancelled

    def remove_if_deleted(self, bot_id: str) -> bool:
        """Whether the bot is deleted, or is being deleted; then removes what was written about it meanwhile.

        To be called after a write to the bot's folder that no lease guards: the deletion may have looked before it.
        """
        found = self.found(bot_id)
        if found is not None and (found.record.deletion is None or found.record.message_until is not None):
            # What is left of a bot whose job is on a queue keeps workers from it, and has nothing of the user.
            return found.record.deletion is not None
        kept = self.keys.record(bot_id)
        for prefix in self.keys.all_of(bot_id):
            for item in self.store.list(prefix):
                if item.key != kept:
                    self.store.delete(item.key)
        return True

    def dispatch_due(self) -> int:
        """Dispatches all jobs that are due, and those that a killed server left; returns how many."""
        dispatched, after = 0, ""
        before = self.keys.due_before(self._clock())
        while entries := self.store.page(self.keys.due, after, LARGEST_PAGE):
            due = [entry.key for entry in entries if entry.key < before]
            dispatched += sum(self._dispatchers.map(self._dispatch_entry, due))
            if len(due) < len(entries):
                break
            after = entries[-1].key
        return dispatched

    def waiting(self) -> Waiting:
        """Counts bots with one request for each thousand. An entry names a minute: a bot counts as due from its end on."""
        now = self._clock()
        scheduled, due, oldest, after = 0, 0, 0.0, ""
        while entries := self.store.page(self.keys.due, after, LARGEST_PAGE):
            scheduled += len(entries)
            for entry in entries:
                by = due_before(entry.key)
                if by is not None and by <= now:
                    due += 1
                    oldest = max(oldest, now - by)
            after = entries[-1].key
        return Waiting(scheduled, due, oldest)

    def remember(self, key: str, bot_id: str, sha256: str) -> Reference | None:
        """Makes the reference ``key`` to a bot; returns None then, or the reference that is there already."""
        reference = Reference(bot_id=bot_id, sha256=sha256, at=self._clock())
        try:
            self._put(key, reference, if_absent=True)
        except PreconditionFailedError:
            return self._read(key, Reference)[0]
        return None

    def forget(self, key: str) -> None:
        """Removes a reference."""
        self.store.delete(key)

    def reference(self, key: str) -> Reference | None:
        """The reference ``key``, None where there is none."""
        try:
            return self._read(key, Reference)[0]
        except NotFoundError:
            return None

    def expire(self, bot_id: str, at: float) -> None:
        """Has the bot looked at, whether its data is due for deletion, at ``at`` (Unix seconds)."""
        self._put(self.keys.expiring_entry(bot_id, at), Reference(bot_id=bot_id, sha256="", at=at))

    def expire_no_more(self, record: BotRecord, at: float | None) -> None:
        """Removes the bot's entry among those that expire at ``at``, where its record names another one or none."""
        if at is None:
            return
        entry = self.keys.expiring_entry(record.bot_id, at)
        named = record.expiring_at
        if named is None or self.keys.expiring_entry(record.bot_id, named) != entry:
            self.store.delete(entry)

    def due_entry(self, record: BotRecord) -> str:
        """The key under which the bot waits, if it does, until its job is dispatched."""
        return self.keys.due_entry(record.bot_id, self._due(record.job(), record.created_at))

    def remove_due_entry(self, record: BotRecord) -> None:
        """Removes the bot from those that wait. That of a job which cannot be read is removed when it is due."""
        try:
            entry = self.due_entry(record)
        except JobError as error:
            logger.error("the job of %s cannot be read: %s", record.bot_id, printable(str(error)))
            return
        self.store.delete(entry)

    def found(self, bot_id: str) -> Found | None:
        """The bot's record, whoever's it is; None if there is none. Raises LayoutError."""
        try:
            record, etag = self._read(self.keys.record(bot_id), BotRecord)
        except NotFoundError:
            return None
        return Found(record, etag)

    def undispatched(self, record: BotRecord) -> Found:
        """The bot's record as it is, which nobody dispatches soon. Raises BotBusyError and NotFoundError."""
        found = self.found(record.bot_id)
        if found is None:
            raise NotFoundError(f"bot {record.bot_id}: was deleted meanwhile")
        try:
            is_soon = self._due(found.record.job(), found.record.created_at) <= self._clock()
        except JobError:
            # No server of this version dispatches it.
            is_soon = False
        if found.record.dispatched_at is not None or found.record.deletion is not None or is_soon:
            raise BotBusyError
        return found

    def write(self, record: BotRecord, **conditions: Any) -> str:
        """Writes the record and returns its ETag; ``conditions`` are those of ObjectStore.put."""
        return self._put(self.keys.record(record.bot_id), record, **conditions)

    def _dispatch_entry(self, key: str) -> bool:
        """Returns whether the entry's job was dispatched. What is wrong with it is logged and holds up no other; raises
        UnavailableError, which would hit them all.
        """
        bot_id, now = bot_id_of_entry(key), self._clock()
        try:
            found = self.found(bot_id)
            if found is None or found.record.dispatched_at is not None or found.record.deletion is not None:
                self.store.delete(key)
                return False
            if found.record.claimed_until > now:
                return False
            if self._due(found.record.job(), found.record.created_at) > now:
                # It was changed to a later time.
                return False
            claimed = msgspec.structs.replace(found.record, claimed_until=now + CLAIM)
            etag = self.write(claimed, if_match=found.etag)
            self._dispatch(Found(claimed, etag), key)
        except PreconditionFailedError:
            return False
        except UnavailableError:
            raise
        except (*UNREADABLE, LayoutError, DeliveryError) as error:
            logger.error("the job of %s cannot be dispatched: %s", printable(bot_id), printable(str(error)))
            return False
        return True

    def _dispatch(self, found: Found, due_entry: str) -> BotRecord:
        """Hands over a job that is claimed. Killed between the two, a server hands it over twice, which leases sort out."""
        self._dispatcher.submit(found.record.job())
        done = msgspec.structs.replace(found.record, dispatched_at=self._clock(), claimed_until=0.0)
        self.write(done, if_match=found.etag)
        self.store.delete(due_entry)
        return done

    def _report(self, event: dict[str, Any]) -> None:
        self._events.send(event)
        if not self._events.drain(_TO_SEND):
            logger.warning("an event of %s is sent later", event["bot_id"])

    def _due(self, job: Job, created_at: float) -> float:
        """When the job goes to the queue, in Unix seconds."""
        return created_at if job.join_at is None else max(created_at, job.join_at - LEAD)

    def facts_of(self, record: BotRecord, *, with_manifest: bool = True) -> BotFacts:
        """What is known of the bot of ``record``; a manifest that cannot be read is logged, and as if it were not there."""
        keys = self.keys_of(record.bot_id)
        deletion = record.deletion
        status = read_status(self.store, keys)[1] if deletion is None else deletion.status
        is_read = with_manifest and status is not None and deletion is None
        manifest = self._readable(keys.audio_streams, Manifest) if is_read else None
        if manifest is not None:
            manifest = _without(manifest, record.deleted_kinds)
        return BotFacts(
            job=record.job(),
            created_at=record.created_at,
            is_dispatched=record.dispatched_at is not None,
            status=status,
            manifest=manifest,
            media_deleted_at=None if deletion is None else deletion.at,
            started_before=None if deletion is None else deletion.started_at,
            media_expired=deletion is not None and deletion.is_expired,
            deleted_kinds=record.deleted_kinds,
            artifact_metadata=record.artifact_metadata,
        )

    def _read(self, key: str, kind: type[T]) -> tuple[T, str]:
        stored = self.store.get(key)
        return msgspec.json.decode(stored.data, type=kind), stored.etag

    def _readable(self, key: str, kind: type[T]) -> T | None:
        try:
            return self._read(key, kind)[0]
        except NotFoundError:
            return None
        except msgspec.DecodeError as error:
            logger.error("%s cannot be read: %s", key, printable(str(error)))
            return None

    def _put(self, key: str, value: msgspec.Struct, **conditions: Any) -> str:
        return self.store.put(key, msgspec.json.encode(value), content_type=JSON, **conditions)


def _facts_of_new(record: BotRecord) -> BotFacts:
    return BotFacts(
        job=record.job(), created_at=record.created_at, is_dispatched=record.dispatched_at is not None
    )


def _without(manifest: Manifest, kinds: Collection[str]) -> Manifest:
    """``manifest`` without the files of these kinds of artifacts."""
    if AUDIO_SEPARATE in kinds:
        manifest = msgspec.structs.replace(mixed_only(manifest), message=_DELETED)
    if AUDIO_MIXED in kinds:
        recording = msgspec.structs.replace(manifest.recording, mixed_audio=None)
        if recording.parts:
            parts = [msgspec.structs.replace(part, mixed_audio=None) for part in recording.parts]
            recording = msgspec.structs.replace(recording, parts=parts)
        manifest = msgspec.structs.replace(manifest, recording=recording)
    if VIDEO_SEPARATE in kinds:
        manifest = only_videos(manifest, ())
    return manifest


def _expiring_at(job: Job, due: float) -> float | None:
    """When to look first whether the data of a bot that is due at ``due`` has expired; None: never."""
    return None if job.retention is None else due + job.retention


def body_sha256(body: bytes) -> str:
    """Of a request's body as it was sent."""
    return hashlib.sha256(body).hexdigest()

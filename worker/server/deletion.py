"""Deletes what there is of bots: when asked, and at the end of their retention. Blocks; nothing here knows of HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from worker.contracts.deletion_events import deletion_events
from worker.contracts.recall_documents import (
    AUDIO_MIXED,
    AUDIO_SEPARATE,
    DELETED,
    PARTICIPANT_EVENTS,
    VIDEO_SEPARATE,
)
from worker.contracts.status import AUDIO_SUCCESS, VIDEO_IN_PROGRESS, BotStatus
from worker.delivery.bucket_layout import LayoutError
from worker.delivery.errors import DeliveryError, UnavailableError
from worker.delivery.event_sinks import EventSink
from worker.delivery.lease import LeaseDamagedError, seconds_held
from worker.delivery.object_store import LARGEST_PAGE, PreconditionFailedError
from worker.jobs.bot_claim import JOB_FILE
from worker.jobs.reporter import read_status
from worker.jobs.result_file import RESULT_FILE, read_result
from worker.rendering.output import (
    AUDIO_FILE,
    MEETING_FILE,
    STREAMS_FOLDER,
    TAPE_FOLDER,
    TIMELINE_FILE,
    VIDEO_FOLDER,
)
from worker.safe_text import printable
from worker.server.bots import UNREADABLE, BotBusyError, Bots, Found
from worker.server.records import JSON, BotRecord, Deletion, bot_id_of_entry

logger = logging.getLogger(__name__)

CLAIM: Final = 120.0
"""Seconds for which one server alone deletes a bot's data. One that was killed meanwhile is followed by another then."""

LATER: Final = 3600.0
"""Seconds until a bot that is still at work is looked at again."""

AUDIO_PATIENCE: Final = 3600.0
"""Seconds after the end of a bot for which its audio and video may still come although no worker holds its lease: the one that
recovered them may only be cut off from the store."""

REPORT: Final = 10.0
"""Seconds that the events about a deletion have to be taken by their queue."""

MOST_ROUNDS: Final = 20
"""Rounds of listing and removing, of which the last one has to find nothing."""

_REMOVERS: Final = 16
"""Parallel requests of one deletion."""


_ARTIFACT_FILES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        AUDIO_SEPARATE: re.compile(rf"/attempts/\d+/files/{STREAMS_FOLDER}/"),
        VIDEO_SEPARATE: re.compile(rf"/attempts/\d+/files/{VIDEO_FOLDER}/"),
        AUDIO_MIXED: re.compile(rf"/attempts/\d+/files/{re.escape(AUDIO_FILE)}$"),
        PARTICIPANT_EVENTS: re.compile(
            rf"/({re.escape(MEETING_FILE)}|attempts/\d+/files/{re.escape(TIMELINE_FILE)})$"
        ),
    }
)
"""The keys that only one kind of artifact is made of. Of the others, no file is kept."""

_TAPE: Final = re.compile(rf"/attempts/\d+/{TAPE_FOLDER}/")


class UnfinishedDeletionError(UnavailableError):
    """Something of a bot is left, or its deletion was not reported; another pass goes on."""


class Deletions:
    """Deletes bots' data. ``events`` takes what is reported, ``clock`` returns Unix seconds. Thread-safe; blocks; raises what
    the store raises.

    What is decided is written into the bot's record before anything is removed, and the bot has an entry among those that
    expire until all is done: a deletion that was interrupted is completed by the next ``look`` of any server.
    """

    def __init__(self, bots: Bots, events: EventSink, clock: Callable[[], float]) -> None:
        self._bots = bots
        self._events = events
        self._clock = clock
        self._removers = ThreadPoolExecutor(_REMOVERS, "deletions")

    def delete_media(self, record: BotRecord) -> int:
        """Removes all that was recorded and kept, and returns how many objects that were; the bot stays in lists, with its
        states. Raises BotBusyError while it works.
        """
        return self._delete(record, forget=False)

    def forget(self, record: BotRecord) -> int:
        """As ``delete_media``, and the bot is known no more."""
        return self._delete(record, forget=True)

    def delete_artifact(self, record: BotRecord, kind: str) -> None:
        """Removes the files of one kind of artifact (worker.contracts.recall_documents.ARTIFACTS), and the tape, which has the
        content of all of them; the others stay. Raises BotBusyError while the bot works.

        The record says so at last: an interrupted deletion is gone on with when it is asked for again.
        """
        keys = self._bots.keys_of(record.bot_id)
        status = read_status(self._bots.store, keys)[1]
        if record.deletion is not None:
            return
        if status is None or self._is_at_work(record, status):
            raise BotBusyError
        self._remove_listed(
            record.bot_id, (keys.attempts, keys.meeting), lambda key: _is_of_artifact(key, kind)
        )
        if kind not in record.deleted_kinds:
            events = deletion_events(self._bots.facts_of(record), record.workspace, self._clock())
            self._report(record, [event for event in events if event["event"] == f"{kind}.{DELETED}"])
        while (found := self._bots.found(record.bot_id)) is not None and found.record.deletion is None:
            deleted = {**found.record.deleted_kinds, kind: self._clock()}
            with suppress(PreconditionFailedError):
                self._bots.write(
                    msgspec.structs.replace(found.record, deleted_kinds=deleted), if_match=found.etag
                )
                return

    def withdraw(self, record: BotRecord) -> None:
        """Removes a bot that is not dispatched. Raises BotBusyError."""
        found = self._bots.undispatched(record)
        claimed = msgspec.structs.replace(found.record, claimed_until=self._clock() + CLAIM)
        try:
            self._bots.write(claimed, if_match=found.etag)
        except PreconditionFailedError as error:
            raise BotBusyError from error
        self._remove(claimed, frozenset())
        self._drop(claimed)

    def look(self) -> int:
        """Deletes the data of all bots whose retention is over, goes on with what was interrupted, and returns how many bots
        that were. What is wrong with one is logged and holds up no other; raises UnavailableError, which would hit them all.
        """
        self._bots.store.remove_unfinished()
        now = self._clock()
        done, after = 0, ""
        before = self._bots.keys.expiring_before(now)
        while entries := self._bots.store.page(self._bots.keys.expiring, after, LARGEST_PAGE):
            for entry in entries:
                if entry.key >= before:
                    return done
                done += self._look_at(entry.key, now)
            after = entries[-1].key
        return done

    def _look_at(self, entry: str, now: float) -> bool:
        bot_id = bot_id_of_entry(entry)
        try:
            found = self._bots.found(bot_id)
            if found is None or not self._is_entry_of(found.record, entry):
                self._bots.store.delete(entry)
                return False
            return self._go_on(found, now)
        except (PreconditionFailedError, BotBusyError):
            # Another server is at it.
            return False
        except UnfinishedDeletionError as error:
            logger.warning("the deletion of %s goes on later: %s", printable(bot_id), error)
            return False
        except UnavailableError:
            raise
        except (*UNREADABLE, LayoutError, DeliveryError, ValueError) as error:
            logger.error("%s cannot be looked at for deletion: %s", printable(bot_id), printable(str(error)))
            return False

    def _is_entry_of(self, record: BotRecord, entry: str) -> bool:
        at = record.expiring_at
        return at is not None and self._bots.keys.expiring_entry(record.bot_id, at) == entry

    def _go_on(self, found: Found, now: float) -> bool:
        record = found.record
        if (record.expiring_at or 0.0) > now:
            # An entry counts for an hour, which is not over.
            return False
        if (deletion := record.deletion) is not None:
            if deletion.claimed_until > now:
                return False
            claimed = msgspec.structs.replace(deletion, claimed_until=now + CLAIM)
            marked = msgspec.structs.replace(record, deletion=claimed)
            self._complete(Found(marked, self._bots.write(marked, if_match=found.etag)))
            return True
        facts = self._bots.facts_of(record, with_manifest=False)
        if facts.status is None or facts.expires_at is None or self._is_at_work(record, facts.status):
            self._move_entry(found, now + LATER)
            return False
        if facts.expires_at > now:
            self._move_entry(found, facts.expires_at)
            return False
        self._begin(found, facts.status, is_expired=True)
        return True

    def _delete(self, record: BotRecord, *, forget: bool) -> int:
        found = self._bots.found(record.bot_id)
        if found is None:
            return 0
        if (deletion := found.record.deletion) is not None:
            return self._begin(found, deletion.status, forget=forget)
        status = self._status_at_end(found.record)
        if (found := self._bots.found(record.bot_id)) is None:
            self._bots.remove_if_deleted(record.bot_id)
            return 0
        return self._begin(found, status, forget=forget)

    def _status_at_end(self, record: BotRecord) -> BotStatus:
        """The last bot.json of a bot, which is cancelled if no worker has begun it. Raises BotBusyError while it works."""
        keys = self._bots.keys_of(record.bot_id)
        _, status = read_status(self._bots.store, keys)
        if status is None and self._bots.cancel(record):
            _, status = read_status(self._bots.store, keys)
        if status is None or self._is_at_work(record, status):
            raise BotBusyError
        return status

    def _is_at_work(self, record: BotRecord, status: BotStatus) -> bool:
        """Whether a worker may still write something of the bot: it can be reported before audio and video are recovered."""
        if not status.reported:
            return True
        now = self._clock()
        ended = datetime.fromisoformat(status.updated_at).timestamp()
        is_final = status.audio_status == AUDIO_SUCCESS and status.video_status != VIDEO_IN_PROGRESS
        if not is_final and now < ended + AUDIO_PATIENCE:
            return True
        try:
            return seconds_held(self._bots.store, self._bots.keys_of(record.bot_id).lease, now) > 0
        except LeaseDamagedError as error:
            logger.error("taken for expired, since the bot has ended: %s", error)
            return False

    def _begin(
        self, found: Found, status: BotStatus, *, is_expired: bool = False, forget: bool = False
    ) -> int:
        """Decides the deletion, and does it. Raises BotBusyError where another server does."""
        now = self._clock()
        before = found.record.deletion
        if before is not None and before.claimed_until > now:
            raise BotBusyError
        if before is None:
            started_at = self._bots.facts_of(found.record.readable()).started_at
            before = Deletion(
                at=now,
                status=status,
                started_at=started_at,
                expiring_before=found.record.expiring_at,
                is_expired=is_expired,
            )
        deletion = msgspec.structs.replace(before, forget=forget or before.forget, claimed_until=now + CLAIM)
        marked = msgspec.structs.replace(found.record, deletion=deletion)
        try:
            found = self._move_entry(Found(marked, found.etag), now)
        except PreconditionFailedError as error:
            raise BotBusyError from error
        return self._complete(found)

    def _complete(self, found: Found) -> int:
        """Removes what is to be removed, reports it, and says so in the record; or removes that, too."""
        record, deletion = found.record, found.record.deletion
        assert deletion is not None
        now = self._clock()
        until = record.message_until
        kept = self._tombstone(record) if until is not None and until > now else frozenset()
        removed = self._remove(record, kept)
        self._bots.expire_no_more(record, deletion.expiring_before)
        if deletion.done_at is None:
            facts = self._bots.facts_of(record.readable())
            self._report(record, deletion_events(facts, record.workspace, deletion.at))
        if deletion.forget:
            self._bots.store.delete(self._bots.keys.entry(record))
            if not kept:
                self._drop(record)
                return removed + 1
            record = record.without_request()
        done = msgspec.structs.replace(
            deletion, done_at=now if deletion.done_at is None else deletion.done_at, claimed_until=0.0
        )
        finished = Found(msgspec.structs.replace(record, deletion=done), found.etag)
        self._move_entry(finished, until if kept else None)
        return removed

    def _tombstone(self, record: BotRecord) -> frozenset[str]:
        """What makes a worker that still receives the job end it at once; nothing in it is the user's."""
        keys = self._bots.keys_of(record.bot_id)
        result_key = f"{keys.folder}{RESULT_FILE}"
        try:
            result = read_result(self._bots.store, keys)
        except msgspec.DecodeError as error:
            # A worker cannot read the empty one either, and so does not begin.
            logger.error("%s cannot be read: %s", result_key, printable(str(error)))
            self._bots.store.put(result_key, b"{}", content_type=JSON)
            result = None
        if result is not None and result.custom_attributes:
            body = msgspec.json.encode(msgspec.structs.replace(result, custom_attributes={}, ignored=[]))
            self._bots.store.put(result_key, body, content_type=JSON)
        return frozenset({f"{keys.folder}{JOB_FILE}", keys.status, result_key})

    def _remove(self, record: BotRecord, kept: frozenset[str]) -> int:
        """Removes everything but the record and ``kept``, until a listing shows that nothing else is left."""
        store, keys = self._bots.store, self._bots.keys
        self._bots.remove_due_entry(record)
        for key in record.references:
            if self._leads_to(record, key):
                store.delete(key)
        kept = kept | {keys.record(record.bot_id)}
        return self._remove_listed(record.bot_id, keys.all_of(record.bot_id), lambda key: key not in kept)

    def _remove_listed(self, bot_id: str, prefixes: Iterable[str], is_removed: Callable[[str], bool]) -> int:
        """Removes objects of these prefixes until a listing shows none that ``is_removed``; returns how many."""
        store, removed = self._bots.store, 0
        for _ in range(MOST_ROUNDS):
            listed = [item.key for prefix in prefixes for item in store.list(prefix)]
            left = [key for key in listed if is_removed(key)]
            if not left:
                return removed
            list(self._removers.map(store.delete, left))
            removed += len(left)
        raise UnfinishedDeletionError(f"bot {bot_id}: objects appear again and again")

    def _leads_to(self, record: BotRecord, key: str) -> bool:
        """Whether the reference ``key`` is the bot's; one that cannot be read leads nowhere else."""
        try:
            reference = self._bots.reference(key)
        except msgspec.DecodeError as error:
            logger.error("%s cannot be read: %s", key, printable(str(error)))
            return True
        return reference is not None and reference.bot_id == record.bot_id

    def _report(self, record: BotRecord, events: list[dict[str, Any]]) -> None:
        if not events:
            return
        lost = self._events.lost
        for event in events:
            self._events.send(event)
        # Others wait for theirs at the same time, and one that was lost may be of any of them.
        if not self._events.drain(REPORT) or self._events.lost > lost:
            raise UnfinishedDeletionError(f"bot {record.bot_id}: its deletion is not reported yet")

    def _drop(self, record: BotRecord) -> None:
        """Removes what leads to the bot; its record last but one, so that an interrupted deletion is gone on with."""
        self._bots.store.delete(self._bots.keys.entry(record))
        self._bots.store.delete(self._bots.keys.record(record.bot_id))
        if record.expiring_at is not None:
            self._bots.store.delete(self._bots.keys.expiring_entry(record.bot_id, record.expiring_at))

    def _move_entry(self, found: Found, at: float | None) -> Found:
        """Writes the record, with its entry among those that expire at ``at``, None: without one. Raises
        PreconditionFailedError if the record has changed.

        An entry is there before the record names it, and as long as the record names it.
        """
        record = found.record
        if at is not None:
            self._bots.expire(record.bot_id, at)
        moved = msgspec.structs.replace(record, expiring_at=at)
        etag = self._bots.write(moved, if_match=found.etag)
        self._bots.expire_no_more(moved, record.expiring_at)
        return Found(moved, etag)


def _is_of_artifact(key: str, kind: str) -> bool:
    own = _ARTIFACT_FILES.get(kind)
    return _TAPE.search(key) is not None or (own is not None and own.search(key) is not None)

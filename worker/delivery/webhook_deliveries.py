"""Deliveries of webhooks, kept in the store until they are done, and with the bot afterwards.

::

    {prefix}bots/{bot_id}/deliveries/{id}.json                      one event for one endpoint, with all attempts
    {prefix}webhooks/due/{minute}/{moment}~{endpoint}~{bot_id}~{id} when it is to be sent, the earliest first
    {prefix}webhooks/detached/{bot_id}/{id}.json                    a delivery about a bot that is deleted, until it is done

A delivery is made once however often its event is taken, since its id follows from bot, endpoint and event. It is the webhook's
id (https://www.standardwebhooks.com), so a receiver knows a repetition. One server at a time sends it, the one that wrote
``claimed_until``; after that another one may.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.object_store import LARGEST_PAGE, NotFoundError, PagedStore, PreconditionFailedError
from worker.safe_text import printable

logger = logging.getLogger(__name__)

SCHEDULE: Final = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0)
"""Seconds before each try, after the one before: Recall.ai's, whose webhooks are Svix's
(https://docs.svix.com/retries)."""

CLAIM: Final = 30.0
"""Seconds for which one server alone sends a delivery: twice the time of an attempt. After a kill another one goes on then."""

MOST_ATTEMPTS: Final = 50
"""Attempts that are kept of a delivery; of more, which somebody asked for, the first are dropped."""

MOST_LISTED: Final = 1000
"""Deliveries that are listed of a bot."""

_JSON: Final = "application/json"
_READERS: Final = 16
"""Parallel reads of one list."""
_CONFLICTS: Final = 10
"""Bound on the conflicts of one write."""

State: TypeAlias = Literal["pending", "delivered", "failed"]
Form: TypeAlias = Literal["meetstream", "recall"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``at`` is in Unix seconds. ``status`` is of the answer, None without one; ``error`` says then why.

    ``answer`` is the beginning of the answer's body, printable.
    """

    at: float
    status: int | None = None
    error: str | None = None
    milliseconds: int = 0
    answer: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it. A redirect is no success, as it is not followed."""
        return self.status is not None and 200 <= self.status < 300


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint. Times are in Unix seconds.

    ``endpoint`` is what its secret is looked up by; ``url`` can hold credentials, so it is not for logs. ``body`` is sent as it
    is. ``order`` sorts what was made at once. ``tries`` counts since it was made or asked for again; ``next_at``: when it
    is tried next, None: no more. ``detached``: its bot was deleted before it was made.
    """

    id: str
    bot_id: str
    workspace: str
    endpoint: str
    url: str
    form: Form
    event: str
    body: str
    created_at: float
    order: int = 0
    state: State = "pending"
    tries: int = 0
    next_at: float | None = None
    claimed_until: float = 0.0
    detached: bool = False
    attempts: list[Attempt] = []


class Claimed(NamedTuple):
    """A delivery that this server alone may send, and its ETag."""

    delivery: Delivery
    etag: str


class Due(NamedTuple):
    """An entry of the list by time."""

    key: str
    at: float
    endpoint: str
    bot_id: str
    id: str


def delivery_id(bot_id: str, endpoint: str, event_key: str) -> str:
    """The same for the same event and endpoint."""
    digest = hashlib.sha256("\0".join((bot_id, endpoint, event_key)).encode("utf-8", "surrogatepass"))
    return f"msg_{digest.hexdigest()[:32]}"


def endpoint_id(*parts: str) -> str:
    """A short name of an endpoint, which is no secret although its URL may hold one."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def after_attempt(delivery: Delivery, attempt: Attempt) -> Delivery:
    """``delivery`` with one more try: delivered, failed, or with the time of the next try. Pure."""
    tries = delivery.tries + 1
    attempts = [*delivery.attempts, attempt][-MOST_ATTEMPTS:]
    done = msgspec.structs.replace(delivery, tries=tries, attempts=attempts, claimed_until=0.0, next_at=None)
    if attempt.is_success:
        return msgspec.structs.replace(done, state="delivered")
    if tries >= len(SCHEDULE):
        return msgspec.structs.replace(done, state="failed")
    ended = attempt.at + attempt.milliseconds / 1000
    return msgspec.structs.replace(done, state="pending", next_at=ended + SCHEDULE[tries])


class WebhookDeliveries:
    """All deliveries. Thread-safe; every method blocks, and raises what the store raises. ``clock`` returns Unix seconds."""

    def __init__(self, store: PagedStore, prefix: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock
        start = prefix.strip("/")
        self._start = f"{start}/webhooks/" if start else "webhooks/"

    def add(self, delivery: Delivery) -> Claimed | None:
        """Keeps a new delivery, claimed by the caller; None if it is there already, which is as good.

        Once this returns, some server sends it. After a kill the event comes again, and this finishes what is missing.
        """
        now = self._clock()
        new = msgspec.structs.replace(delivery, next_at=now, claimed_until=now + CLAIM)
        try:
            etag = self._put(new, if_absent=True)
        except PreconditionFailedError:
            there = self._read(new.bot_id, new.id)
            if there is not None and there.delivery.next_at is not None:
                self._put_due(there.delivery)
            return None
        self._put_due(new)
        return Claimed(new, etag)

    def claim(self, bot_id: str, webhook_id: str) -> Claimed | None:
        """The delivery, for the caller alone to send; None if it is not due, done, gone, or another server's."""
        there = self._read(bot_id, webhook_id)
        now = self._clock()
        if there is None or there.delivery.next_at is None:
            return None
        if there.delivery.next_at > now or there.delivery.claimed_until > now:
            return None
        return self._claim(there, now)

    def reclaim(self, claimed: Claimed) -> Claimed | None:
        """The claim for as long as a new one; None if another server has the delivery, or it is gone."""
        return self._claim(claimed, self._clock())

    def record(self, claimed: Claimed, attempt: Attempt) -> Delivery | None:
        """Writes down an attempt and when the next one is; None if the delivery was deleted meanwhile."""
        there: Claimed | None = claimed
        for _ in range(_CONFLICTS):
            if there is None:
                self._store.delete(self._due_key(claimed.delivery))
                return None
            after = after_attempt(there.delivery, attempt)
            try:
                self._put(after, if_match=there.etag)
            except PreconditionFailedError:
                there = self._read(claimed.delivery.bot_id, claimed.delivery.id)
                continue
            self._move_due(there.delivery, after)
            if after.detached and after.next_at is None:
                self._store.delete(self._key(after))
            return after
        raise PreconditionFailedError(f"{claimed.delivery.id}: changed {_CONFLICTS} times meanwhile")

    def put_back(self, claimed: Claimed, seconds: float) -> None:
        """Makes a delivery due in ``seconds``, without a try; not if it was changed meanwhile, by whom it is due then."""
        later = msgspec.structs.replace(claimed.delivery, next_at=self._clock() + seconds, claimed_until=0.0)
        try:
            self._put(later, if_match=claimed.etag)
        except PreconditionFailedError:
            return
        self._move_due(claimed.delivery, later)

    def give_up(self, claimed: Claimed, why: str) -> None:
        """Ends a delivery that cannot be sent any more, since there is no such endpoint."""
        attempt = Attempt(at=self._clock(), error=why)
        last = msgspec.structs.replace(claimed.delivery, tries=len(SCHEDULE))
        self.record(Claimed(last, claimed.etag), attempt)

    def send_again(self, bot_id: str, webhook_id: str) -> Delivery | None:
        """Makes a delivery due now, with the whole schedule before it; None if there is none."""
        for _ in range(_CONFLICTS):
            there = self._read(bot_id, webhook_id)
            if there is None:
                return None
            again = msgspec.structs.replace(
                there.delivery, state="pending", tries=0, next_at=self._clock(), claimed_until=0.0
            )
            try:
                self._put(again, if_match=there.etag)
            except PreconditionFailedError:
                continue
            self._move_due(there.delivery, again)
            return again
        raise PreconditionFailedError(f"{webhook_id}: changed {_CONFLICTS} times meanwhile")

    def get(self, bot_id: str, webhook_id: str) -> Delivery | None:
        """A delivery about a bot that is there; None without it."""
        there = self._read_at(self._bot(bot_id), webhook_id)
        return None if there is None else there.delivery

    def of_bot(self, bot_id: str) -> list[Delivery]:
        """A bot's deliveries in the order in which they were made, MOST_LISTED at most."""
        folder = self._bot(bot_id)
        listed = self._store.page(folder, "", MOST_LISTED)
        ids = [item.key.removeprefix(folder).removesuffix(".json") for item in listed]
        with ThreadPoolExecutor(_READERS, "deliveries") as readers:
            found = list(readers.map(lambda each: self.get(bot_id, each), ids))
        deliveries = [each for each in found if each is not None]
        return sorted(deliveries, key=lambda each: (each.created_at, each.order, each.id))

    def forget(self, bot_id: str) -> None:
        """Removes a bot's deliveries; their entries are tidied once they are due."""
        for item in self._store.list(self._bot(bot_id)):
            self._store.delete(item.key)

    def due(self, now: float, after: str = "") -> Iterator[Due]:
        """The entries of all deliveries that are due at ``now``, the earliest first; ``after``: only those behind this key."""
        folder = f"{self._start}due/"
        while listed := self._store.page(folder, after, LARGEST_PAGE):
            for item in listed:
                entry = _read_due(item.key)
                if entry is None:
                    logger.error("an entry of the webhooks that are due cannot be read and is dropped")
                    self._store.delete(item.key)
                elif entry.at > now:
                    return
                else:
                    yield entry
            after = listed[-1].key
            if len(listed) < LARGEST_PAGE:
                return

    def tidy(self, entry: Due) -> None:
        """Removes an entry whose delivery is done, gone, or due at another time, which then gets its own. A server that was
        killed in the middle of a change leaves such ones.
        """
        there = self._read(entry.bot_id, entry.id)
        if there is None or there.delivery.next_at is None:
            self._store.delete(entry.key)
        elif self._due_key(there.delivery) != entry.key:
            self._put_due(there.delivery)
            self._store.delete(entry.key)

    def _claim(self, there: Claimed, now: float) -> Claimed | None:
        claimed = msgspec.structs.replace(there.delivery, claimed_until=now + CLAIM)
        try:
            return Claimed(claimed, self._put(claimed, if_match=there.etag))
        except PreconditionFailedError:
            return None

    def _bot(self, bot_id: str) -> str:
        return deliveries_folder(bot_keys(self._prefix, bot_id))

    def _detached(self, bot_id: str) -> str:
        return f"{self._start}detached/{bot_id}/"

    def _key(self, delivery: Delivery) -> str:
        folder = self._detached(delivery.bot_id) if delivery.detached else self._bot(delivery.bot_id)
        return f"{folder}{delivery.id}.json"

    def _read(self, bot_id: str, webhook_id: str) -> Claimed | None:
        return self._read_at(self._bot(bot_id), webhook_id) or self._read_at(
            self._detached(bot_id), webhook_id
        )

    def _read_at(self, folder: str, webhook_id: str) -> Claimed | None:
        try:
            stored = self._store.get(f"{folder}{webhook_id}.json")
            return Claimed(msgspec.json.decode(stored.data, type=Delivery), stored.etag)
        except NotFoundError:
            return None
        except msgspec.DecodeError as error:
            logger.error("the delivery %s cannot be read: %s", printable(webhook_id), error)
            return None

    def _put(self, delivery: Delivery, *, if_absent: bool = False, if_match: str | None = None) -> str:
        return self._store.put(
            self._key(delivery),
            msgspec.json.encode(delivery),
            content_type=_JSON,
            if_absent=if_absent,
            if_match=if_match,
        )

    def _due_key(self, delivery: Delivery) -> str:
        moment = int((delivery.next_at or 0.0) * 1000)
        name = f"{moment:013d}~{delivery.endpoint}~{delivery.bot_id}~{delivery.id}"
        return f"{self._start}due/{moment // 60_000:010d}/{name}"

    def _put_due(self, delivery: Delivery) -> None:
        self._store.put(self._due_key(delivery), b"{}", content_type=_JSON)

    def _move_due(self, before: Delivery, after: Delivery) -> None:
        """In this order, so that after a kill in between an entry is there, which ``tidy`` corrects."""
        if after.next_at is not None:
            self._put_due(after)
        if before.next_at is not None and (
            after.next_at is None or self._due_key(before) != self._due_key(after)
        ):
            self._store.delete(self._due_key(before))


def deliveries_folder(keys: BotKeys) -> str:
    """The prefix of a bot's deliveries."""
    return f"{keys.folder}deliveries/"


def _read_due(key: str) -> Due | None:
    moment, _, rest = key.rpartition("/")[2].partition("~")
    parts = rest.split("~")
    if not moment.isdecimal() or len(parts) != 3:
        return None
    return Due(key, int(moment) / 1000, *parts)

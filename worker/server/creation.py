"""Makes a bot once, also if the request is sent again."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from worker.contracts.bot_facts import BotFacts
from worker.contracts.job import Job
from worker.contracts.json_body import JobError, read_json, type_name
from worker.contracts.validation import check
from worker.jobs.start_limits import check_lengths
from worker.platforms.links import parse_link
from worker.server.bots import CLAIM, Bots
from worker.server.demo_link import with_demo_link
from worker.server.errors import ApiError, bad_body
from worker.settings import DemoMeeting

T = TypeVar("T", bound=msgspec.Struct)

LONGEST_KEY: Final = 255
"""Characters of an Idempotency-Key."""

ReadJob = Callable[[dict[str, Any], Callable[[], str]], Job]
"""A vendor's reader of create-bot bodies: worker.contracts.meetstream.read_meetstream or recall.read_recall."""


class Kind(Enum):
    """What became of the request."""

    MADE = "made"
    REPLAYED = "replayed"
    """A request with this key has made the bot before."""
    DIFFERS = "differs"
    """A request with this key had another body."""
    IN_FLIGHT = "in_flight"
    """A request with this key is being worked on, or was a moment ago."""
    DUPLICATE = "duplicate"
    """There is a bot with this deduplication key in this meeting."""
    OTHER_MEETING = "other_meeting"
    """There is a bot with this deduplication key in another meeting."""


class Creation(NamedTuple):
    """``facts`` are of the bot, None where there is none to tell of."""

    kind: Kind
    facts: BotFacts | None


class Request(NamedTuple):
    """A request to make a bot. ``path`` and ``key`` (the Idempotency-Key, None: none) say whether it is the same as another
    one, for ``kept`` seconds. ``deduplication``: the key of one bot in one meeting, None: none.
    """

    workspace: str
    path: str
    key: str | None
    kept: float
    body: bytes
    job: Job
    deduplication: str | None = None


def read_body(body: bytes, demo: DemoMeeting | None = None) -> dict[str, Any]:
    """A JSON object, in which the link to ``demo`` is the one that bots join. Raises ApiError. An id that the caller chose
    could be another's, so it is dropped.
    """
    try:
        values = read_json(body)
        if not isinstance(values, dict):
            raise JobError(f"job: {type_name(values)}; expected a JSON object")
    except JobError as error:
        raise bad_body(error) from error
    return with_demo_link({name: value for name, value in values.items() if name != "bot_id"}, demo)


def read_job(
    values: dict[str, Any], read: ReadJob, bot_id: str | None = None, kept: Collection[str] = ()
) -> Job:
    """The job in ``values``, of a new bot without ``bot_id``. ``kept`` are fields that an earlier request set, and that are
    not refused for what live streams demand of them. Raises ApiError.
    """
    try:
        job = read(values, lambda: bot_id or str(uuid.uuid4()))
        check_lengths(job)
        for fault in job.live_faults:
            if fault.field[0] not in kept:
                raise JobError(fault.message, field=fault.field)
    except JobError as error:
        raise bad_body(error) from error
    return job


def read_form(values: dict[str, Any], form: type[T]) -> T:
    """``values`` as a ``form``. Raises ApiError."""
    try:
        return check(values, form)
    except JobError as error:
        raise bad_body(error) from error


def create_once(bots: Bots, request: Request, now: float) -> Creation:
    """Makes the bot unless an earlier request has; ``now`` is in Unix seconds."""
    if request.key is not None:
        if not 0 < len(request.key) <= LONGEST_KEY:
            raise ApiError(400, f"Idempotency-Key: expected 1 to {LONGEST_KEY} characters")
        earlier = _replayed(bots, request, now)
        if isinstance(earlier, Creation):
            return earlier
        if earlier is not None:
            # The server that began was killed: its bot is finished.
            request = request._replace(job=msgspec.structs.replace(request.job, bot_id=earlier))
    if request.deduplication is not None and (found := _duplicate(bots, request, now)) is not None:
        return found
    return Creation(Kind.MADE, bots.create(request.workspace, request.job, _references(bots, request)))


def _references(bots: Bots, request: Request) -> list[str]:
    """The keys of the references that lead to the request's bot."""
    references = []
    if request.key is not None:
        references.append(bots.keys.idempotency(request.workspace, request.path, request.key))
    if request.deduplication is not None:
        references.append(bots.keys.deduplication(request.workspace, request.deduplication))
    return references


def _replayed(bots: Bots, request: Request, now: float) -> Creation | str | None:
    """What an earlier request with this key made; a bot's id that it was not able to make; None: there was none."""
    key = bots.keys.idempotency(request.workspace, request.path, request.key or "")
    sha256 = hashlib.sha256(request.body).hexdigest()
    earlier = bots.remember(key, request.job.bot_id, sha256)
    if earlier is not None and now - earlier.at > request.kept:
        bots.forget(key)
        earlier = bots.remember(key, request.job.bot_id, sha256)
    if earlier is None:
        return None
    facts = bots.facts(request.workspace, earlier.bot_id)
    if earlier.sha256 != sha256:
        return Creation(Kind.DIFFERS, facts)
    if facts is not None:
        return Creation(Kind.REPLAYED, facts)
    return Creation(Kind.IN_FLIGHT, None) if now - earlier.at < CLAIM else earlier.bot_id


def _duplicate(bots: Bots, request: Request, now: float) -> Creation | None:
    key = bots.keys.deduplication(request.workspace, request.deduplication or "")
    address = parse_link(request.job.meeting_url).address
    meeting = hashlib.sha256(repr((address.shown, address.secrets)).encode()).hexdigest()
    earlier = bots.remember(key, request.job.bot_id, meeting)
    if earlier is None or earlier.bot_id == request.job.bot_id:
        return None
    facts = bots.facts(request.workspace, earlier.bot_id)
    if facts is None and now - earlier.at >= CLAIM:
        # Its bot was deleted, or never made.
        bots.forget(key)
        bots.remember(key, request.job.bot_id, meeting)
        return None
    return Creation(Kind.DUPLICATE if earlier.sha256 == meeting else Kind.OTHER_MEETING, facts)

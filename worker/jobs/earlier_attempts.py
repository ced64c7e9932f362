"""A quick look at earlier attempts: what the bot must know before it joins the call again."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from worker.delivery.bucket_layout import AttemptKeys, BotKeys
from worker.delivery.object_store import Listed, NotFoundError, ObjectStore
from worker.jobs.attempt_numbers import attempts_of
from worker.manifest.meeting_schema import MeetingLog
from worker.manifest.schema import Manifest
from worker.reasons import read_reason
from worker.rendering.output import MANIFEST_FILE, MEETING_FILE
from worker.tape.errors import TapeReadError
from worker.tape.events import Batch, RecordingEnded, RecordingStarted, TapeEvent
from worker.tape.reader import read_tape

NOT_ENDED: Final = "cut_off"
"""The ``ended_reason`` of a recording whose tape has no end: its worker was killed."""

AT_ONCE: Final = 8
"""Parts that are downloaded in parallel. The end is within the last of them, as leaving a call takes seconds only."""


class Earlier(NamedTuple):
    """The earlier attempts' numbers, ascending; the seconds they recorded together; why the last recording ended, if any.

    ``active_until`` is when the last of them was at work, in Unix seconds: the time of the newest event on its tape, but not
    later than the tape's newest part was stored. A tape without a readable event counts from that part; None without any part.
    ``parts`` is the number of parts of each attempt's tape.
    """

    numbers: list[int]
    recorded_seconds: float
    ended_reason: str | None
    active_until: float | None = None
    parts: Mapping[int, int] = MappingProxyType({})

    @property
    def meeting_may_go_on(self) -> bool:
        """Whether the bot has to join the call: nothing was recorded yet, or the last recording was cut off."""
        if self.ended_reason is None or self.ended_reason == NOT_ENDED:
            return True
        reason = read_reason(self.ended_reason)
        return reason is not None and reason.is_cut_off


class _Glance(NamedTuple):
    """One attempt. ``ended_reason`` None: it recorded nothing. ``newest`` is the time of the newest event that is known."""

    seconds: float = 0.0
    ended_reason: str | None = None
    newest: float | None = None


def look_back(store: ObjectStore, keys: BotKeys, work: Path) -> Earlier:
    """Reads the manifests; of tapes without one, downloads the first and the last parts into ``work``, a new or empty folder.

    Blocks, though not for as long as rendering takes. Raises what the store raises, and OSError.
    """
    numbers = attempts_of(store, keys)
    tapes = {number: store.list(keys.attempt(number).tape) for number in numbers}
    glances = {
        number: _glance(store, keys.attempt(number), tape, work / f"attempt-{number:04d}")
        for number, tape in tapes.items()
    }
    reasons = [glance.ended_reason for glance in glances.values() if glance.ended_reason is not None]
    active = [_active_until(glances[number], tape) for number, tape in tapes.items()]
    return Earlier(
        numbers,
        sum(glance.seconds for glance in glances.values()),
        reasons[-1] if reasons else None,
        max((at for at in active if at is not None), default=None),
        {number: len(tape) for number, tape in tapes.items()},
    )


def _active_until(glance: _Glance, tape: list[Listed]) -> float | None:
    """When an attempt was last at work. A part that its worker left on the disk may be stored days later, so the tape's own
    time counts; no event is newer than its part, so a clock that was wrong cannot prolong a meeting.
    """
    stored = max((part.modified for part in tape if part.modified is not None), default=None)
    known = [at for at in (glance.newest, stored) if at is not None]
    return min(known, default=None)


def grown_attempts(store: ObjectStore, keys: BotKeys, earlier: Earlier) -> list[int]:
    """The attempts whose tapes have more parts than when ``look_back`` saw them: their workers were paused, not killed.

    Blocks; raises what the store raises.
    """
    return [
        number
        for number, count in earlier.parts.items()
        if len(store.list(keys.attempt(number).tape)) > count
    ]


def manifest_of(store: ObjectStore, keys: AttemptKeys) -> Manifest | None:
    """The attempt's manifest, None if there is none yet. Raises what the store raises."""
    try:
        return msgspec.json.decode(store.get(keys.file(MANIFEST_FILE)).data, type=Manifest)
    except NotFoundError:
        return None


def meeting_log_of(store: ObjectStore, keys: AttemptKeys) -> MeetingLog | None:
    """The attempt's meeting.json, None if there is none. Raises what the store raises, and DecodeError."""
    try:
        return msgspec.json.decode(store.get(keys.file(MEETING_FILE)).data, type=MeetingLog)
    except NotFoundError:
        return None


def download_parts(store: ObjectStore, parts: list[Listed], folder: Path) -> None:
    """Downloads parts of a tape into ``folder``, under their names. Raises what the store raises, and OSError."""
    folder.mkdir(parents=True, exist_ok=True)

    def download(part: Listed) -> None:
        store.download(part.key, folder / PurePosixPath(part.key).name)

    with ThreadPoolExecutor(AT_ONCE, "download") as pool:
        list(pool.map(download, parts))


def _glance(store: ObjectStore, keys: AttemptKeys, parts: list[Listed], work: Path) -> _Glance:
    manifest = manifest_of(store, keys)
    if manifest is not None:
        recording = manifest.recording
        ended = datetime.fromisoformat(recording.started_at).timestamp() + recording.duration_seconds
        return _Glance(recording.duration_seconds, recording.ended_reason, ended)
    if not parts:
        return _Glance()
    started = _started(store, parts, work)
    last = _events(store, parts[-AT_ONCE:], work / "last")
    newest = max((_time_of(event) for event in last), default=started)
    if started is None or newest is None:
        return _Glance(newest=newest)
    for event in reversed(last):
        if isinstance(event, RecordingEnded):
            return _Glance(max(0.0, event.at - started), event.reason, newest)
    return _Glance(max(0.0, newest - started), NOT_ENDED, newest)


def _started(store: ObjectStore, parts: list[Listed], work: Path) -> float | None:
    """When the recording began, in Unix seconds. The waiting room before it can take hundreds of small parts."""
    for first in range(0, len(parts), AT_ONCE):
        for event in _events(store, parts[first : first + AT_ONCE], work / f"from-{first}"):
            if isinstance(event, RecordingStarted):
                return event.at
    return None


def _events(store: ObjectStore, parts: list[Listed], folder: Path) -> list[TapeEvent]:
    download_parts(store, parts, folder)
    try:
        return list(read_tape(folder))
    except TapeReadError:
        # Recovery logs what is wrong with the tape.
        return []


def _time_of(event: TapeEvent) -> float:
    if isinstance(event, Batch):
        return max((frame.arrival for frame in event.frames), default=0.0)
    return event.at

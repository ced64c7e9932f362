"""Reads a tape: every event in written order, one part in memory at a time.

Content that cannot be read is skipped and reported in ``TapeReader.warnings``; only a folder without a tape, or with one of a
newer version, is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from mcap.records import Channel, Header

from worker.tape import codec
from worker.tape.codec import LoggedEvent
from worker.tape.errors import NewerTapeError, NotATapeError, TapeNotFoundError, TapeReadError
from worker.tape.events import TAPE_VERSION, Batch, TapeEvent
from worker.tape.mcap_records import DamagedError, Message, TornError, records
from worker.tape.parts import METADATA, MOST_PART_BYTES, PART_PATTERN, PROFILE, VERSION_KEY, part_number

MOST_TAPE_SECONDS: Final = 7 * 24 * 3600.0
"""Bound on what a tape spans. A message that claims to be further from the first is not believed."""

MOST_UNREADABLE: Final = 1000
"""Bound on the unreadable messages of a part; the rest of it is not read."""


def read_tape(folder: Path) -> Iterator[TapeEvent]:
    """All events of the tape in ``folder``, in written order. Raises TapeReadError (see TapeReader)."""
    return iter(TapeReader(folder))


class TapeDamage(NamedTuple):
    """Something that cannot be read. ``sound``: sound may be missing."""

    warning: str
    sound: bool


class TapeReader:
    """One pass over the tape in ``folder``.

    Raises TapeNotFoundError at once if there are no parts. Iterating raises NotATapeError if no part is a tape's,
    NewerTapeError for a newer version, TapeReadError if a file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        """One line for each part that cannot be read in full, and one for missing parts."""
        self.damage: list[TapeDamage] = []
        """The same without a torn last part, which only says that the recording was cut off."""
        self.torn = False
        """Whether the last part lacks its end: the recording was cut off, or is still running."""
        self._folder = folder
        self._parts = _find_parts(folder)
        self._recognized = False
        self._span = _Span()

    def __iter__(self) -> Iterator[TapeEvent]:
        return (event for _, event in self.logged_events())

    def logged_events(self) -> Iterator[LoggedEvent]:
        """Every event with its log time; the errors are those of iterating."""
        self._warn_of_missing_parts()
        for path in self._parts:
            yield from self._read_part(path)
        if not self._recognized:
            raise NotATapeError(
                f"tape {self._folder}: is not a tape of meetstems: {'; '.join(self.warnings)}"
            )

    def _warn_of_missing_parts(self) -> None:
        numbers = {part_number(path) for path in self._parts}
        last = part_number(self._parts[-1]) or 0
        missing = [number for number in range(last) if number not in numbers]
        if missing:
            self._add_damage(f"{len(missing)} parts are missing, the first is part {missing[0]}")

    def _add_damage(self, warning: str, *, sound: bool = True) -> None:
        self.warnings.append(warning)
        self.damage.append(TapeDamage(warning, sound))

    def _read_part(self, path: Path) -> Iterator[LoggedEvent]:
        part = _PartReader(self._folder, self._span)
        try:
            yield from part.events(_load(path))
        except TornError as torn:
            self.torn = path == self._parts[-1]
            if self.torn:
                self.warnings.append(f"{path.name}: is torn: {torn}")
            else:
                self._add_damage(f"{path.name}: is torn: {torn}")
            # A torn last part counts even without a header: the writer may have been killed while it opened the part.
            self._recognized |= self.torn
        except DamagedError as damage:
            self._add_damage(f"{path.name}: is damaged: {damage}")
        self._recognized |= part.recognized
        if part.unreadable:
            warning = f"{path.name}: {part.unreadable} messages cannot be read: {part.first_unreadable}"
            self._add_damage(warning, sound=part.unreadable_frames > 0)


class _Span:
    """The time that a tape can span, from its first message on whose own time is that of the log."""

    def __init__(self) -> None:
        self._first: float | None = None

    def check(self, logged: float, event: TapeEvent) -> None:
        """Raises msgspec.ValidationError if the message is not of the tape's time."""
        if not isinstance(event, Batch):
            at = event.at
        elif self._first is None and event.frames:
            at = event.frames[0].arrival
        else:
            # Frames that are too early or too late are left out one by one where they are placed.
            at = logged
        first = at if self._first is None else self._first
        for name, seconds in (("log time", logged), ("time", at)):
            if not abs(seconds - first) <= MOST_TAPE_SECONDS:
                raise msgspec.ValidationError(
                    f"its {name}, {seconds:.0f}, is over a week from the tape's first"
                )
        self._first = first


class _PartReader:
    """Turns the records of one part into events."""

    def __init__(self, folder: Path, span: _Span) -> None:
        self.recognized = False
        self.unreadable = 0
        self.unreadable_frames = 0
        self._span = span
        self.first_unreadable = ""
        self._folder = folder
        self._decoders: dict[int, Callable[[memoryview], TapeEvent]] = {}

    def events(self, content: bytes) -> Iterator[LoggedEvent]:
        for record in records(content):
            if isinstance(record, Message):
                # Later versions may add topics without incrementing the tape's version.
                decoder = self._decoders.get(record.channel)
                if decoder is None:
                    continue
                try:
                    event = decoder(record.data)
                    logged = codec.log_seconds(record.log_time)
                    self._span.check(logged, event)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    self._count(error)
                    self.unreadable_frames += decoder is codec.decode_frames
                    continue
                yield LoggedEvent(logged, event)
            elif isinstance(record, Header):
                self._recognize(record)
            elif isinstance(record, Channel):
                if record.topic in codec.DECODERS:
                    self._decoders[record.id] = codec.DECODERS[record.topic]
            elif record.name == METADATA:
                self._check_version(record.metadata.get(VERSION_KEY, ""))

    def _count(self, error: Exception) -> None:
        if not self.unreadable:
            self.first_unreadable = str(error)
        self.unreadable += 1
        if self.unreadable > MOST_UNREADABLE:
            raise DamagedError(f"more than {MOST_UNREADABLE} of its messages cannot be read")

    def _recognize(self, header: Header) -> None:
        if header.profile != PROFILE:
            raise DamagedError(f"its MCAP profile is {header.profile!r}, expected {PROFILE!r}")
        self.recognized = True

    def _check_version(self, version: str) -> None:
        if not re.fullmatch("[0-9]{1,9}", version):
            raise DamagedError(f"its version is {version!r}, expected a number")
        if int(version) > TAPE_VERSION:
            raise NewerTapeError(
                f"tape {self._folder}: has version {version}, expected at most {TAPE_VERSION}; a newer meetstems wrote it"
            )


def _find_parts(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise TapeNotFoundError(f"tape {folder}: is not a folder, expected the tape folder of a recording")
    parts = [path for path in folder.glob(PART_PATTERN) if part_number(path) is not None and path.is_file()]
    if not parts:
        raise TapeNotFoundError(f"tape {folder}: is empty, expected files like part-000000.mcap")
    return sorted(parts, key=lambda path: part_number(path) or 0)


def _load(path: Path) -> bytes:
    """What ``path`` holds, or as much of it as shows that it is too large."""
    try:
        with path.open("rb") as part:
            # One byte more than there is: memory for MOST_PART_BYTES would cost more than the reading.
            return part.read(min(os.fstat(part.fileno()).st_size, MOST_PART_BYTES) + 1)
    except OSError as error:
        raise TapeReadError(f"tape {path}: cannot be read: {error.strerror}") from error

"""Reads a tape: every event in written order, one part in memory at a time.

Content that cannot be read is skipped and reported in ``TapeReader.warnings``; only a folder without a tape, or with one of a
newer version, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from mcap.records import Channel, Header

from worker.tape import codec
from worker.tape.codec import LoggedEvent
from worker.tape.errors import NewerTapeError, NotATapeError, TapeNotFoundError, TapeReadError
from worker.tape.events import TAPE_VERSION, TapeEvent
from worker.tape.mcap_records import DamagedError, Message, TornError, records
from worker.tape.parts import METADATA, PART_PATTERN, PROFILE, VERSION_KEY, part_number

_DECODERS: dict[str, Callable[[bytes], TapeEvent]] = {
    codec.FRAMES: codec.decode_frames,
    codec.EVENTS: codec.decode_event,
}


def read_tape(folder: Path) -> Iterator[TapeEvent]:
    """All events of the tape in ``folder``, in written order. Raises TapeReadError (see TapeReader)."""
    return iter(TapeReader(folder))


class TapeReader:
    """One pass over the tape in ``folder``.

    Raises TapeNotFoundError at once if there are no parts. Iterating raises NotATapeError if no part is a tape's,
    NewerTapeError for a newer version, TapeReadError if a file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        """One line for each part that cannot be read in full, and one for missing parts."""
        self.torn = False
        """Whether the last part lacks its end: the recording was cut off, or is still running."""
        self._folder = folder
        self._parts = _find_parts(folder)
        self._recognized = False

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
            self.warnings.append(f"{len(missing)} parts are missing, the first is part {missing[0]}")

    def _read_part(self, path: Path) -> Iterator[LoggedEvent]:
        part = _PartReader(self._folder)
        try:
            yield from part.events(_load(path))
        except TornError as torn:
            self.torn = path == self._parts[-1]
            self.warnings.append(f"{path.name}: is torn: {torn}")
            # A torn last part counts even without a header: the writer may have been killed while it opened the part.
            self._recognized |= self.torn
        except DamagedError as damage:
            self.warnings.append(f"{path.name}: is damaged: {damage}")
        self._recognized |= part.recognized
        if part.unreadable:
            self.warnings.append(
                f"{path.name}: {part.unreadable} messages cannot be read: {part.first_unreadable}"
            )


class _PartReader:
    """Turns the records of one part into events."""

    def __init__(self, folder: Path) -> None:
        self.recognized = False
        self.unreadable = 0
        self.first_unreadable = ""
        self._folder = folder
        self._decoders: dict[int, Callable[[bytes], TapeEvent]] = {}

    def events(self, content: bytes) -> Iterator[LoggedEvent]:
        for record in records(content):
            if isinstance(record, Message):
                # Later versions may add topics without incrementing the tape's version.
                decoder = self._decoders.get(record.channel)
                if decoder is None:
                    continue
                try:
                    event = decoder(record.data)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    self._count(error)
                    continue
                yield LoggedEvent(codec.log_seconds(record.log_time), event)
            elif isinstance(record, Header):
                self._recognize(record)
            elif isinstance(record, Channel):
                if record.topic in _DECODERS:
                    self._decoders[record.id] = _DECODERS[record.topic]
            elif record.name == METADATA:
                self._check_version(record.metadata.get(VERSION_KEY, ""))

    def _count(self, error: Exception) -> None:
        if not self.unreadable:
            self.first_unreadable = str(error)
        self.unreadable += 1

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
    try:
        return path.read_bytes()
    except OSError as error:
        raise TapeReadError(f"tape {path}: cannot be read: {error.strerror}") from error

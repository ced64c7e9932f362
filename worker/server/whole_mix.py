"""The mix of a recording that was interrupted: one WAV of all its parts, with silence where the bot was not in the call.

Nothing of it is stored. Where each byte comes from follows from the manifest and the lengths of the parts' files, so any range
of it can be sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from worker.audio.opus import SAMPLE_RATE
from worker.audio.wav import HEADER_BYTES, SAMPLE_BYTES, header
from worker.delivery.object_store import PagedStore
from worker.manifest.schema import Manifest, RecordedPart
from worker.server.byte_ranges import ByteRange

_SILENCE: Final = bytes(256 * 1024)


class MixPart(NamedTuple):
    """A part's file. ``start`` and ``length`` are in bytes: where its samples begin in the whole, and how many it has."""

    key: str
    start: int
    length: int


class WholeMix(NamedTuple):
    """A WAV with ``length`` bytes of samples: those of ``parts``, which are in order, and silence around them."""

    parts: tuple[MixPart, ...]
    length: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return HEADER_BYTES + self.length

    @property
    def samples(self) -> int:
        """At 48 kHz."""
        return self.length // SAMPLE_BYTES

    @property
    def etag(self) -> str:
        """Changes with the parts."""
        return f'"{hashlib.sha256(repr(self).encode()).hexdigest()[:32]}"'

    def blocks(self, store: PagedStore, wanted: ByteRange) -> Iterator[bytes]:
        """The bytes ``wanted`` of the file, in blocks that fit into memory. Raises what the store raises."""
        start, end = wanted.start, wanted.start + wanted.length
        yield header(self.length)[start:end]
        at = max(0, start - HEADER_BYTES)
        end -= HEADER_BYTES
        for part in self.parts:
            yield from _silence(at, min(part.start, end))
            at = max(at, min(part.start, end))
            stop = min(part.start + part.length, end)
            if at < stop:
                yield from store.blocks(part.key, HEADER_BYTES + at - part.start, stop - at)
                at = stop
        yield from _silence(at, end)


def whole_mix(manifest: Manifest, folder: str, store: PagedStore) -> WholeMix | None:
    """The mix of a recording of several parts, whose files are in ``folder`` of the store; None if no part has one. Blocks."""
    sized = [
        (part, key, size)
        for part in manifest.recording.parts or ()
        if part.mixed_audio is not None
        and (size := _size(store, key := f"{folder}{part.mixed_audio}")) >= HEADER_BYTES
    ]
    return _laid_out(sized, manifest.recording.duration_seconds) if sized else None


def _laid_out(sized: Iterable[tuple[RecordedPart, str, int]], duration: float) -> WholeMix:
    """``sized``: each part with the key and the bytes of its file; ``duration``: of the whole recording, in seconds."""
    parts: list[MixPart] = []
    end = _bytes_of(duration)
    for part, key, size in sorted(sized, key=lambda each: each[0].start_seconds):
        start = _bytes_of(part.start_seconds)
        length = (size - HEADER_BYTES) // SAMPLE_BYTES * SAMPLE_BYTES
        if parts:
            before = parts[-1]
            parts[-1] = before._replace(length=min(before.length, start - before.start))
        parts.append(MixPart(key, start, length))
        end = max(end, start + length)
    return WholeMix(tuple(parts), end)


def _bytes_of(seconds: float) -> int:
    return max(0, round(seconds * SAMPLE_RATE)) * SAMPLE_BYTES


def _size(store: PagedStore, key: str) -> int:
    return next((item.size for item in store.page(key, "", 1) if item.key == key), 0)


def _silence(start: int, end: int) -> Iterator[bytes]:
    while start < end:
        block = _SILENCE[: end - start]
        yield block
        start += len(block)

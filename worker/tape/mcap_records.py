"""Reads the MCAP records of one part, so that a torn or damaged file yields all records before the damage (pure).

The framing of records (opcode u8, length u64 little-endian, content) is read here and not with mcap.stream_reader, which
accepts a short read at the end of a torn file as a whole record.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from typing import Final, NamedTuple, TypeVar

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, DataEnd, Header, Metadata
from mcap.writer import MCAP0_MAGIC
from zstandard import ZstdDecompressor

from worker.tape.parts import MOST_PART_BYTES

MAGIC: Final = MCAP0_MAGIC

_FRAMING: Final = struct.Struct("<BQ")
_MESSAGE: Final = struct.Struct("<HIQQ")
_CHUNK: Final = struct.Struct("<QQQII")
"""Start and end time, size and checksum of the unpacked records, length of the compression's name."""
_LENGTH: Final = struct.Struct("<Q")
_MOST_RECORDS: Final = 200_000
"""Bound on the records of a part; four seconds of a call are some hundreds."""
_MOST_OTHERS: Final = 10_000
"""Bound on the headers, metadata and channels of a part; the writer makes four."""
_MOST_OTHER_BYTES: Final = 64 * 1024
_MESSAGE_OPCODE: Final = int(Opcode.MESSAGE)

Parsed = TypeVar("Parsed")


class Message(NamedTuple):
    """One message: its channel's number, its log time in nanoseconds since the Unix epoch, and its content."""

    channel: int
    log_time: int
    data: memoryview


Record = Header | Metadata | Channel | Message


class TornError(Exception):
    """The bytes end in the middle of a record, or before the footer."""


class DamagedError(Exception):
    """A record contradicts the format, or its checksum does not match."""


def records(part: bytes) -> Iterator[Record]:
    """The records that a tape uses, in order; ends without an error only if the part is complete.

    Raises TornError if the bytes end too early, DamagedError if they are not MCAP or fail their checksum; both only after
    all readable records have been yielded.
    """
    if not part.startswith(MAGIC):
        if MAGIC.startswith(part):
            raise TornError("it ends within its first bytes")
        raise DamagedError("it does not begin as an MCAP file")
    if len(part) > MOST_PART_BYTES:
        raise DamagedError(f"it has more than {MOST_PART_BYTES} bytes")
    complete = yield from _Part().walk(memoryview(part), len(MAGIC))
    if not complete:
        raise TornError("its end is missing")


class _Part:
    """Reads the records of one part within bounds: chunks of some bytes may claim to hold any number of them."""

    def __init__(self) -> None:
        self._unpacked = 0
        self._records = 0
        self._others = 0

    def walk(self, data: memoryview, start: int, *, in_chunk: bool = False) -> Generator[Record, None, bool]:
        """Yields the records from ``start`` on; returns whether the footer was reached."""
        offset, size = start, len(data)
        while offset < size:
            content = offset + _FRAMING.size
            if content > size:
                raise TornError("it ends within a record")
            opcode, length = _FRAMING.unpack_from(data, offset)
            end = content + length
            if end > size:
                raise TornError("it ends within a record")
            self._records += 1
            if self._records > _MOST_RECORDS:
                raise DamagedError(f"it has more than {_MOST_RECORDS} records")
            if opcode == _MESSAGE_OPCODE:
                if length < _MESSAGE.size:
                    raise DamagedError(
                        f"a message record has {length} bytes, at least {_MESSAGE.size} were expected"
                    )
                channel, _sequence, log_time, _publish_time = _MESSAGE.unpack_from(data, content)
                yield Message(channel, log_time, data[content + _MESSAGE.size : end])
            elif opcode == Opcode.CHUNK:
                if in_chunk:
                    raise DamagedError("a chunk is within a chunk")
                # A tape is written without chunks, but tools that repair or merge MCAP files write them.
                yield from self.walk(self._unpack(data[content:end]), 0, in_chunk=True)
            elif opcode == Opcode.DATA_END:
                crc = _parse(DataEnd.read, data[content:end]).data_section_crc
                if crc not in (0, zlib.crc32(data[:offset])):
                    raise DamagedError("its checksum does not match")
            elif opcode == Opcode.FOOTER:
                return True
            elif opcode in _PARSERS:
                self._count_other(length)
                yield _parse(_PARSERS[opcode], data[content:end])
            offset = end
        return False

    def _count_other(self, length: int) -> None:
        self._others += 1
        if self._others > _MOST_OTHERS or length > _MOST_OTHER_BYTES:
            raise DamagedError("its headers, metadata or channels are more than any writer makes")

    def _unpack(self, chunk: memoryview) -> memoryview:
        """The records in a chunk record. Raises DamagedError."""
        try:
            _start, _end, size, crc, name_length = _CHUNK.unpack_from(chunk)
            name_end = _CHUNK.size + name_length
            compression = bytes(chunk[_CHUNK.size : name_end])
            (length,) = _LENGTH.unpack_from(chunk, name_end)
        except struct.error as error:
            raise DamagedError(f"a chunk cannot be read: {error}") from error
        packed = chunk[name_end + _LENGTH.size :]
        self._unpacked += size
        if length != len(packed) or self._unpacked > MOST_PART_BYTES:
            raise DamagedError(f"a chunk of {len(chunk)} bytes claims to hold {size}")
        unpack = _UNPACKERS.get(compression)
        if unpack is None:
            raise DamagedError(f"a chunk's compression is {compression[:20]!r}, which is not known")
        try:
            records = memoryview(unpack(packed, size))
        except Exception as error:  # on garbage the libraries raise errors of several kinds
            raise DamagedError(f"a chunk cannot be unpacked: {error}") from error
        if len(records) != size:
            raise DamagedError(f"a chunk of {len(chunk)} bytes does not hold the {size} that it claims")
        if crc not in (0, zlib.crc32(records)):
            raise DamagedError("a chunk's checksum does not match")
        return records


_PARSERS: Final[dict[int, Callable[[ReadDataStream], Record]]] = {
    Opcode.HEADER: Header.read,
    Opcode.METADATA: Metadata.read,
    Opcode.CHANNEL: Channel.read,
}


def _unpack_zstd(packed: memoryview, size: int) -> bytes:
    # Asked for a byte more than was claimed, so that a bomb shows without being unpacked.
    return ZstdDecompressor(max_window_size=MOST_PART_BYTES).stream_reader(packed).read(size + 1)


def _unpack_lz4(packed: memoryview, size: int) -> bytes:
    records: bytes = LZ4FrameDecompressor().decompress(packed, max_length=size + 1)
    return records


_UNPACKERS: Final[dict[bytes, Callable[[memoryview, int], bytes | memoryview]]] = {
    b"": lambda packed, size: packed,
    b"zstd": _unpack_zstd,
    b"lz4": _unpack_lz4,
}


def _parse(parser: Callable[[ReadDataStream], Parsed], content: memoryview) -> Parsed:
    try:
        return parser(ReadDataStream(BytesIO(content)))
    except Exception as error:  # on garbage the library raises any error of its parts
        raise DamagedError(f"a record cannot be read: {error}") from error

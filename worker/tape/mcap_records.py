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

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, DataEnd, Header, Metadata
from mcap.stream_reader import get_chunk_data_stream
from mcap.writer import MCAP0_MAGIC

MAGIC: Final = MCAP0_MAGIC

_FRAMING: Final = struct.Struct("<BQ")
_MESSAGE: Final = struct.Struct("<HIQQ")
_MESSAGE_OPCODE: Final = int(Opcode.MESSAGE)

Parsed = TypeVar("Parsed")


class Message(NamedTuple):
    """One message: its channel's number, its log time in nanoseconds since the Unix epoch, and its content."""

    channel: int
    log_time: int
    data: bytes


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
    complete = yield from _walk(part, len(MAGIC))
    if not complete:
        raise TornError("its end is missing")


def _walk(data: bytes, start: int) -> Generator[Record, None, bool]:
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
        if opcode == _MESSAGE_OPCODE:
            if length < _MESSAGE.size:
                raise DamagedError(
                    f"a message record has {length} bytes, at least {_MESSAGE.size} were expected"
                )
            channel, _sequence, log_time, _publish_time = _MESSAGE.unpack_from(data, content)
            yield Message(channel, log_time, data[content + _MESSAGE.size : end])
        elif opcode == Opcode.CHUNK:
            # A tape is written without chunks, but tools that repair or merge MCAP files write them.
            yield from _walk(_parse(_unpacked, data[content:end]), 0)
        elif opcode == Opcode.DATA_END:
            crc = _parse(DataEnd.read, data[content:end]).data_section_crc
            if crc not in (0, zlib.crc32(memoryview(data)[:offset])):
                raise DamagedError("its checksum does not match")
        elif opcode == Opcode.FOOTER:
            return True
        elif opcode in _PARSERS:
            yield _parse(_PARSERS[opcode], data[content:end])
        offset = end
    return False


_PARSERS: Final[dict[int, Callable[[ReadDataStream], Record]]] = {
    Opcode.HEADER: Header.read,
    Opcode.METADATA: Metadata.read,
    Opcode.CHANNEL: Channel.read,
}


def _unpacked(stream: ReadDataStream) -> bytes:
    content, length = get_chunk_data_stream(Chunk.read(stream), validate_crc=True)
    return content.read(length)


def _parse(parser: Callable[[ReadDataStream], Parsed], content: bytes) -> Parsed:
    try:
        return parser(ReadDataStream(BytesIO(content)))
    except Exception as error:  # on garbage the library raises any error of its parts
        raise DamagedError(f"a record cannot be read: {error}") from error

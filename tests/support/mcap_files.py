"""MCAP files as other programs write them."""

from __future__ import annotations

import io

from mcap.writer import CompressionType, Writer

from tests.support.tape_samples import EPOCH
from worker.tape.events import TAPE_VERSION
from worker.tape.parts import METADATA, PROFILE, VERSION_KEY


def an_mcap(
    profile: str = PROFILE,
    version: str = str(TAPE_VERSION),
    messages: list[tuple[str, bytes]] | None = None,
    chunked: bool = False,
    compression: CompressionType = CompressionType.ZSTD,
) -> bytes:
    """An MCAP file as another program might write it."""
    stream = io.BytesIO()
    writer = Writer(stream, use_chunking=chunked, compression=compression)
    writer.start(profile=profile)
    if version:
        writer.add_metadata(METADATA, {VERSION_KEY: version})
    topics = dict.fromkeys(("events", "frames", "video", *(topic for topic, _ in messages or [])))
    channels = {topic: writer.register_channel(topic, "", 0) for topic in topics}
    for topic, data in messages or []:
        writer.add_message(channels[topic], round(EPOCH * 1e9), data, round(EPOCH * 1e9))
    writer.finish()  # type: ignore[no-untyped-call]
    return stream.getvalue()

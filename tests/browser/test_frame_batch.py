"""The page's MessagePack, decoded by Python."""

from __future__ import annotations

import base64
from importlib import resources

import msgspec
import pytest

from worker.browser.launch import BrowserSession, new_context
from worker.tape.events import Frame, FrameBatch

WRITE = """([source, frames, document, sequence, dropped]) => {
  const batch = new (new Function(`${source}; return FrameBatch;`)())(1_000_000);
  return [1, 2].map((round) => {
    for (const { receiver, payload, ...metadata } of frames) {
      batch.append(receiver, { getMetadata: () => metadata, data: new Uint8Array(payload).buffer }, 500 * round);
    }
    return batch.close(document, sequence, dropped);
  });
}"""

BARE = Frame(
    receiver=0,
    ssrc=0,
    csrcs=(),
    sequence=0,
    timestamp=0,
    payload_type=0,
    mime_type="",
    audio_level=None,
    arrival=1000.5,
    captured=None,
    payload=b"",
)
FULL = Frame(
    receiver=300,
    ssrc=0xFFFFFFFF,
    csrcs=tuple(range(0x7FFFFFFF, 0x7FFFFFFF + 15)),
    sequence=0xFFFF,
    timestamp=0xFFFFFFFF,
    payload_type=111,
    mime_type="audio/opus",
    audio_level=0.25,
    arrival=1002.0,
    captured=1001.0,
    payload=bytes(range(256)) * 200,
)


def script_of(*names: str) -> str:
    folder = resources.files("browser_scripts")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)


def chromium_frame(frame: Frame) -> dict[str, object]:
    metadata: dict[str, object] = {"receiver": frame.receiver, "payload": list(frame.payload)}
    if frame is BARE:
        return metadata
    return metadata | {
        "synchronizationSource": frame.ssrc,
        "contributingSources": list(frame.csrcs),
        "sequenceNumber": 0x10000 + frame.sequence,
        "rtpTimestamp": frame.timestamp,
        "payloadType": frame.payload_type,
        "mimeType": frame.mime_type,
        "audioLevel": frame.audio_level,
        "receiveTime": 2000.0,
        "captureTime": 1000.0,
    }


@pytest.mark.parametrize("frames", [[], [BARE], [FULL, BARE, FULL]], ids=["none", "bare", "large"])
async def test_python_decodes_the_batches_of_the_page(
    browser_session: BrowserSession, frames: list[Frame]
) -> None:
    page = await (await new_context(browser_session)).new_page()
    source = script_of("message_pack.js", "frame_batch.js")
    given = [chromium_frame(frame) for frame in frames]
    first, second = await page.evaluate(WRITE, [source, given, 0xFFFFFFFF, 7, 70_000])
    batch = msgspec.msgpack.decode(base64.b64decode(first), type=FrameBatch)
    assert batch == FrameBatch(document=0xFFFFFFFF, sequence=7, dropped=70_000, frames=frames)
    again = msgspec.msgpack.decode(base64.b64decode(second), type=FrameBatch)
    assert [frame.payload for frame in again.frames] == [frame.payload for frame in frames]

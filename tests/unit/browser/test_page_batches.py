"""Batches of video, as hostile as a page can make them; test_tap.py has those of audio and of events."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tape_samples import video_batch, video_frame
from worker.browser.page_batches import BatchError, Odd, decode_video
from worker.tape import codec
from worker.tape.events import MOST_VIDEO_FRAMES, VideoBatch, VideoFrame

NOW = 1_800_000_000.0
FRAME = video_frame(0, NOW)


def in_base64(value: object) -> str:
    return base64.b64encode(msgspec.msgpack.encode(value)).decode()


def test_a_batch_is_decoded_as_it_was_sent() -> None:
    batch = video_batch(3, NOW, dropped=2)
    assert decode_video(in_base64(batch)) == (batch, Odd())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"receiver": -1}, "receiver -1: expected 0 to 4294967295"),
        ({"ssrc": 2**32}, "ssrc 4294967296: expected 0 to 4294967295"),
        ({"csrcs": (1,) * 16}, "csrcs: got 16 of them"),
        ({"csrcs": (-1,)}, "csrc -1: expected"),
        ({"timestamp": 2**32}, "timestamp 4294967296: expected"),
        ({"frame_id": 65_536}, "frame_id 65536: expected 0 to 65535"),
        ({"spatial": 8}, "spatial 8: expected 0 to 7"),
        ({"temporal": -1}, "temporal -1: expected 0 to 7"),
        ({"width": 65_536}, "width 65536: expected 0 to 65535"),
        ({"height": -1}, "height -1: expected 0 to 65535"),
        ({"payload_type": 128}, "payload_type 128: expected 0 to 127"),
        ({"arrival": float("nan")}, "$[12]"),
        ({"arrival": 1e300}, "$[12]"),
        ({"key": 1}, "$[7]"),
        ({"mime_type": 7}, "$[11]"),
        ({"payload": "text"}, "$[13]"),
    ],
)
def test_an_odd_frame_is_left_out_alone(changes: dict[str, Any], message: str) -> None:
    odd = msgspec.structs.replace(FRAME, **changes)
    batch, left_out = decode_video(in_base64(VideoBatch(7, 2, 4, [FRAME, odd, odd, FRAME])))
    assert batch == VideoBatch(7, 2, 4, [FRAME, FRAME])
    assert left_out.items == 2
    assert message in left_out.first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("*", "expected a VideoBatch"),
        ("kw==", "expected a VideoBatch"),
        (in_base64([1, 2, 3]), "expected a VideoBatch"),
        (in_base64([1, 2, 3, [], 5]), None),
        (in_base64(VideoBatch(2**40, 0, 0, [])), "document 1099511627776: expected 0 to 4294967295"),
        (in_base64(VideoBatch(1, -1, 0, [])), "sequence -1: expected 0 to 4294967295"),
        (in_base64(VideoBatch(1, 0, 2**40, [])), "dropped 1099511627776: expected 0 to 4294967295"),
        (
            in_base64(VideoBatch(1, 0, 0, [FRAME] * (MOST_VIDEO_FRAMES + 1))),
            "frames of a batch 2001: expected",
        ),
        ("A" * (2 * codec.MOST_VIDEO_BYTES), "bytes of a batch"),
    ],
)
def test_what_is_no_batch_is_an_error(content: str, message: str | None) -> None:
    if message is None:
        # A later version may add fields.
        assert decode_video(content) == (VideoBatch(1, 2, 3, []), Odd())
        return
    with pytest.raises(BatchError) as error:
        decode_video(content)
    assert message in str(error.value)
    assert len(str(error.value)) < 300


values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
arrays = st.recursive(values, lambda inner: st.lists(inner, max_size=15), max_leaves=40)


@given(st.one_of(st.binary(), arrays.map(msgspec.msgpack.encode)))
def test_nothing_but_a_batch_error_is_raised(data: bytes) -> None:
    try:
        batch, _ = decode_video(base64.b64encode(data).decode())
    except BatchError:
        return
    assert isinstance(batch, VideoBatch)


frames = st.builds(
    VideoFrame,
    receiver=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    csrcs=st.lists(st.integers(0, 2**32 - 1), max_size=15).map(tuple),
    timestamp=st.integers(0, 2**32 - 1),
    frame_id=st.none() | st.integers(0, 65_535),
    spatial=st.integers(0, 7),
    temporal=st.integers(0, 7),
    key=st.booleans(),
    width=st.integers(0, 65_535),
    height=st.integers(0, 65_535),
    payload_type=st.integers(0, 127),
    mime_type=st.text(max_size=20),
    arrival=st.floats(0, 9_999_999_999),
    payload=st.binary(max_size=50),
)


@given(st.builds(VideoBatch, *(st.integers(0, 2**32 - 1) for _ in range(3)), st.lists(frames, max_size=5)))
def test_whatever_a_page_may_send_can_be_written_to_a_tape(batch: VideoBatch) -> None:
    decoded, odd = decode_video(in_base64(batch))
    assert (decoded, odd) == (batch, Odd())
    assert codec.decode(*codec.encode(decoded)) == batch

"""Messages of the main-channel, valid and invalid."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.platforms.teams.main_channel import MAX_MESSAGE_BYTES, read_main_channel
from worker.roster.speaking import Caption, Dominance

DSH = b'[{"type":"dsh","history":[414,"17",9]}]'
STARTED_AT = 1_790_000_000.25


def captions(**fields: object) -> bytes:
    result = {
        "userId": "8:orgid:ada",
        "text": "hello",
        "isFinal": True,
        "timestampAudioSent": int((STARTED_AT + 2_208_988_800) * 1e7),
        "duration": 12_500_000,
        **fields,
    }
    return json.dumps({"recognitionResults": [result]}).encode()


@pytest.mark.parametrize("prefix", [b"", b"\x00\x01\x1f", b"\x00[{\x10", b"[1]\x00", b"{]" * 5, bytes(200)])
def test_the_json_is_found_behind_any_prefix(prefix: bytes) -> None:
    assert read_main_channel(prefix + DSH) == [Dominance((414, 17, 9))]


@pytest.mark.parametrize("suffix", [b"\x00", b"\n", b"]"])
def test_bytes_after_the_json_are_ignored(suffix: bytes) -> None:
    assert read_main_channel(b"\x07" + DSH + suffix) == [Dominance((414, 17, 9))]


def test_a_caption_is_read_with_its_times() -> None:
    (caption,) = read_main_channel(b"\x00\x00" + captions())
    assert isinstance(caption, Caption)
    assert (caption.user_id, caption.final) == ("8:orgid:ada", True)
    assert caption.start == pytest.approx(STARTED_AT, abs=1e-4)
    assert caption.end - caption.start == pytest.approx(1.25, abs=1e-4)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"[[[[",
        b"[" * 100_000,
        b'[{"type":"sr","controlVideoStreaming":{"controlInfo":{"sourceId":1}}}]',
        b'[{"type":"dsh"}]',
        b'[{"type":"dsh","history":["x",-1,0,4294967296,true]}]',
        captions(userId=7),
        captions(duration=-1),
        captions(duration=1e300),
        captions(timestampAudioSent=None),
        b" " * MAX_MESSAGE_BYTES + DSH,
    ],
    ids=lambda payload: payload[:24],
)
def test_messages_without_hints_give_none(payload: bytes) -> None:
    assert read_main_channel(payload) == []


@given(st.binary(max_size=80), st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists))
def test_no_message_raises(junk: bytes, value: object) -> None:
    read_main_channel(junk)
    read_main_channel(junk + json.dumps([{"type": "dsh", "history": value}, value]).encode())
    read_main_channel(json.dumps({"recognitionResults": value}).encode())
    read_main_channel(captions(timestampAudioSent=value, userId="u"))

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api import Api
from tests.support.memory_store import MemoryStore
from tests.support.sample_manifests import meeting
from worker.audio.wav import HEADER_BYTES, WavWriter
from worker.manifest.schema import Manifest, RecordedPart, encode_manifest
from worker.server.byte_ranges import ByteRange
from worker.server.whole_mix import WholeMix, whole_mix

SECOND = 48_000
FOLDER = "bots/b/"


def manifest(parts: list[tuple[float, float | None]], duration: float) -> Manifest:
    """``parts``: where each begins, and how long its mix is, None: it has none; in seconds."""
    recorded = [
        RecordedPart(
            segment_index=number,
            attempt=number + 1,
            start_seconds=start,
            duration_seconds=length or 0.0,
            ended_reason="browser_died",
            mixed_audio=None if length is None else f"attempts/{number + 1:04d}/files/audio.wav",
        )
        for number, (start, length) in enumerate(parts)
    ]
    whole = meeting(2, duration)
    recording = msgspec.structs.replace(whole.recording, mixed_audio=None, parts=recorded)
    return msgspec.structs.replace(whole, recording=recording)


def samples_of(number: int, length: float) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.arange(round(length * SECOND), dtype=np.int32) % 1000 + 1000 * (number + 1)


def wav(number: int, length: float, folder: Path) -> bytes:
    path = folder / f"{number}.wav"
    writer = WavWriter(path)
    writer.write(samples_of(number, length))
    writer.close()
    return path.read_bytes()


def stored(parts: list[tuple[float, float | None]], folder: Path, store: MemoryStore) -> None:
    for number, (_, length) in enumerate(parts):
        if length is not None:
            key = f"{FOLDER}attempts/{number + 1:04d}/files/audio.wav"
            store.put(key, wav(number, length, folder), content_type="audio/wav")


def expected(parts: list[tuple[float, float | None]], duration: float) -> list[int]:
    """Samples, each part's over what was there before from its begin on."""
    end = max([duration, *(start + (length or 0.0) for start, length in parts)])
    whole = np.zeros(round(end * SECOND), np.int32)
    for number, (start, length) in enumerate(parts):
        if length is not None:
            first = round(start * SECOND)
            whole[first:] = 0
            whole[first : first + round(length * SECOND)] = samples_of(number, length)
    return whole.tolist()


seconds = st.integers(0, 40).map(lambda hundredths: hundredths / 100)


@given(
    gaps=st.lists(st.tuples(seconds, st.none() | seconds), min_size=1, max_size=4),
    more=seconds,
    ranges=st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 50_000)), max_size=5),
)
def test_any_range_is_of_one_wav_in_which_each_part_has_its_place(
    gaps: list[tuple[float, float | None]],
    more: float,
    ranges: list[tuple[int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    at, parts = 0.0, []
    for gap, length in gaps:
        at = round(at + gap, 2)
        parts.append((at, length))
    store = MemoryStore()
    stored(parts, tmp_path_factory.mktemp("mix"), store)
    mix = whole_mix(manifest(parts, at + more), FOLDER, store)
    if all(length is None for _, length in parts):
        assert mix is None
        return
    assert mix is not None
    whole = b"".join(mix.blocks(store, ByteRange(0, mix.size)))
    assert len(whole) == mix.size
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SECOND, 1, 2)
        found = np.frombuffer(file.readframes(file.getnframes()), "<i2").tolist()
    last = max(index for index, (_, length) in enumerate(parts) if length is not None)
    kept = parts[: last + 1]
    assert found == expected(kept, at + more)
    for first, most in ranges:
        start = first % mix.size
        length = min(most, mix.size - start)
        assert b"".join(mix.blocks(store, ByteRange(start, length))) == whole[start : start + length]


def test_a_file_that_is_gone_or_has_no_header_is_silent(tmp_path: Path) -> None:
    parts: list[tuple[float, float | None]] = [(0.0, 0.1), (0.2, 0.1), (0.4, 0.1)]
    store = MemoryStore()
    stored(parts, tmp_path, store)
    store.delete(f"{FOLDER}attempts/0001/files/audio.wav")
    store.put(f"{FOLDER}attempts/0003/files/audio.wav", b"RIFF", content_type="audio/wav")
    mix = whole_mix(manifest(parts, 0.5), FOLDER, store)
    assert isinstance(mix, WholeMix)
    assert [part.start for part in mix.parts] == [round(0.2 * SECOND) * 2]
    assert mix.samples == round(0.5 * SECOND)


async def test_both_vendors_get_the_mix_of_an_interrupted_recording_whole(api: Api, tmp_path: Path) -> None:
    parts: list[tuple[float, float | None]] = [(0.0, 1.0), (1.5, 0.5)]
    async with api.client() as client:
        body = {"meeting_url": "https://meet.google.com/abc-defg-hij"}
        bot_id = (await client.post("/api/v1/bot", json=body)).json()["id"]
        raw: dict[str, Any] = {"recording_config": {"audio_mixed_raw": {}}}
        other = (await client.post("/api/v1/bot", json={**body, **raw})).json()["id"]
        for each in (bot_id, other):
            api.record(each)
            keys = api.bots.keys_of(each)
            text = encode_manifest(manifest(parts, 2.0))
            api.store.put(keys.audio_streams, text, content_type="application/json")
            for number, (_, length) in enumerate(parts):
                assert length is not None
                key = f"{keys.folder}attempts/{number + 1:04d}/files/audio.wav"
                api.store.put(key, wav(number, length, tmp_path), content_type="audio/wav")
        url = (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).json()["audio_url"]
        listed = (await client.get("/api/v1/audio_mixed")).json()["results"]
        urls = {each["data"]["download_url"] for each in listed}
        timeline = (await client.get(f"/api/v1/bots/{bot_id}/get_speaker_timeline")).json()
    async with api.client(None) as anyone:
        whole = (await anyone.get(url)).content
        part = await anyone.get(url, headers={"range": "bytes=100-199"})
        sizes = sorted([len((await anyone.get(each)).content) for each in urls])
        assert (await anyone.get(url.replace(bot_id, other))).status_code == 403
    assert len(whole) == timeline["totalFileSize"] == HEADER_BYTES + 2 * 2 * SECOND
    assert (part.status_code, part.content) == (206, whole[100:200])
    with wave.open(io.BytesIO(whole)) as file:
        assert np.frombuffer(file.readframes(2 * SECOND), "<i2").tolist() == expected(parts, 2.0)
    assert sizes == [2 * 2 * 16_000, HEADER_BYTES + 2 * 2 * SECOND]

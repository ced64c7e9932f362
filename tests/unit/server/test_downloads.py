"""Files behind signed links: whole, in part, and in another form."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.replica.voices import load_voice
from tests.support.api import MEETING, NOW, Api
from worker.audio.conversion import convert
from worker.audio.converted_forms import converted_bytes
from worker.audio.wav import header
from worker.audio.webm import WebmWriter
from worker.server.byte_ranges import ByteRange
from worker.server.conversions import ConversionBusyError, ConversionError, Conversions

DATA = bytes(range(256)) * 20_000
KEY = "bots/b/files/a.webm"


def link(api: Api, key: str = KEY, name: str = "Ann \N{SNOWMAN}.webm", seconds: float = 60) -> str:
    return api.services.links.sign(f"/download/file/{key}", seconds, name=name)


@pytest.fixture
def stored(api: Api) -> Api:
    api.store.put(KEY, DATA, content_type="audio/webm")
    return api


async def test_a_file_is_sent_whole_with_its_facts(stored: Api) -> None:
    async with stored.client(None) as client:
        answer = await client.get(link(stored))
        head = await client.head(link(stored))
    assert (answer.status_code, answer.content) == (200, DATA)
    assert (head.status_code, head.content) == (200, b"")
    for each in (answer, head):
        assert each.headers["content-length"] == str(len(DATA))
        assert each.headers["content-type"] == "audio/webm"
        assert each.headers["accept-ranges"] == "bytes"
        assert each.headers["content-disposition"].endswith("filename*=UTF-8''Ann%20%E2%98%83.webm")
    assert head.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=1000000-3000000", slice(1_000_000, 3_000_001)),
        ("bytes=-7", slice(-7, None)),
    ],
)
async def test_a_part_is_sent(stored: Api, asked: str, part: slice) -> None:
    async with stored.client(None) as client:
        answer = await client.get(link(stored), headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, DATA[part])
    start, stop, _ = part.indices(len(DATA))
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert answer.headers["content-length"] == str(stop - start)


async def test_conditions_compare_the_file(stored: Api) -> None:
    async with stored.client(None) as client:
        etag = (await client.head(link(stored))).headers["etag"]
        same = await client.get(link(stored), headers={"range": "bytes=0-1", "if-range": etag})
        other = await client.get(link(stored), headers={"range": "bytes=0-1", "if-range": '"other"'})
        known = await client.get(link(stored), headers={"if-none-match": etag})
        beyond = await client.get(link(stored), headers={"range": f"bytes={len(DATA)}-"})
        stored.store.put(KEY, DATA + b"!", content_type="audio/webm")
        replaced = await client.get(link(stored), headers={"range": "bytes=0-1", "if-range": etag})
    assert [each.status_code for each in (same, other, known, beyond, replaced)] == [206, 200, 304, 416, 200]
    assert known.content == b""
    assert beyond.headers["content-range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(
    "key", ["bots/b/files/a", "bots/b/files", "bots/../../key", "bots/b/files/a.webm.bak"]
)
async def test_what_is_no_file_is_not_found(stored: Api, key: str) -> None:
    async with stored.client(None) as client:
        assert (await client.get(link(stored, key))).status_code in (403, 404)


async def test_a_link_that_expired_or_was_changed_gives_nothing(stored: Api) -> None:
    async with stored.client(None) as client:
        signed = link(stored, seconds=60)
        changed = signed.replace("a.webm?", "b.webm?")
        assert (await client.get(changed)).status_code == 403
        stored.now = NOW + 61
        assert (await client.get(signed)).status_code == 403


def write_stem(path: Path, samples: int, turns: int = 1) -> bytes:
    """Two seconds of speech, ``turns`` times, and silence."""
    writer = WebmWriter(path)
    speech = [packet.payload for packet in load_voice("aria").speech][:100] * turns
    for number, payload in enumerate(speech):
        writer.write(number * 960, 960, payload)
    writer.be_silent(len(speech) * 960, samples - len(speech) * 960)
    writer.close()
    return path.read_bytes()


@pytest.mark.parametrize("form", ["raw", "mp3"])
async def test_speakers_files_are_given_in_the_form_that_was_asked_for(
    api: Api, form: str, tmp_path: Path
) -> None:
    body = {
        "meeting_url": MEETING,
        "recording_config": {f"audio_separate_{form}": {}, f"audio_mixed_{form}": {}},
    }
    async with api.client() as client:
        bot_id = (await client.post("/api/v1/bot/", json=body)).json()["id"]
        manifest = api.record(bot_id)
        samples = 60 * 48_000
        stem = write_stem(tmp_path / "stem.webm", samples)
        (_, segment), *_ = manifest.segments()
        api.store.put(f"{api.bots.keys_of(bot_id).folder}{segment.url}", stem, content_type="audio/webm")
        (separate,) = (await client.get("/api/v1/audio_separate")).json()["results"]
        (mixed,) = (await client.get("/api/v1/audio_mixed")).json()["results"]
    assert (separate["format"], mixed["format"]) == (form, form)
    whole = b"".join(convert(form, io.BytesIO(stem), samples))
    async with api.client(None) as client:
        (part, *_) = (await client.get(separate["data"]["download_url"])).json()
        answer = await client.get(part["download_url"])
        ranged = await client.get(part["download_url"], headers={"range": "bytes=5000-5099"})
        head = await client.head(part["download_url"])
        assert (await client.head(mixed["data"]["download_url"])).headers["content-length"] == str(
            converted_bytes(form, samples)
        )
    assert (answer.status_code, answer.content) == (200, whole)
    assert (ranged.status_code, ranged.content) == (206, whole[5000:5100])
    assert head.headers["content-length"] == str(len(whole))
    assert answer.headers["content-disposition"].endswith(f".{form}")
    if form == "raw":
        assert len(whole) == part["duration"] * 16_000 * 2


async def test_while_others_are_converted_a_client_is_told_when_to_come_back(api: Api) -> None:
    body = {"meeting_url": MEETING, "recording_config": {"audio_separate_raw": {}}}
    async with api.client() as client:
        bot_id = (await client.post("/api/v1/bot/", json=body)).json()["id"]
        api.record(bot_id)
        (separate,) = (await client.get("/api/v1/audio_separate")).json()["results"]
        (part, *_) = (await client.get(separate["data"]["download_url"])).json()
        object.__setattr__(api.services, "conversions", Conversions(most=0, longest_wait=0.01))
        answer = await client.get(part["download_url"])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


async def test_what_is_no_audio_breaks_off_and_makes_room() -> None:
    conversions = Conversions(most=1, longest_wait=30)
    with pytest.raises(ConversionError):
        async for _ in conversions.converted("raw", 48_000, iter([b"no audio"]), ByteRange(0, 32_000)):
            pass
    await conversions.wait_for_room()


async def test_a_download_that_is_given_up_ends_its_conversion(tmp_path: Path) -> None:
    given_up = threading.Event()

    def never_ends(stem: bytes) -> Iterator[bytes]:
        yield stem
        given_up.wait(60)

    before = set(psutil.Process().children())
    conversions = Conversions(most=1, longest_wait=0.05)
    samples = 300 * 48_000
    stem = write_stem(tmp_path / "stem.webm", samples, turns=100)
    part = ByteRange(0, converted_bytes("raw", samples + 48_000))
    blocks = conversions.converted("raw", samples + 48_000, never_ends(stem), part)
    try:
        assert await anext(blocks)
        with pytest.raises(ConversionBusyError):
            await conversions.wait_for_room()
        await blocks.aclose()  # type: ignore[attr-defined]
        await conversions.wait_for_room()
        assert set(psutil.Process().children()) <= before
    finally:
        given_up.set()


async def test_a_client_that_takes_no_block_keeps_no_other_from_a_conversion() -> None:
    conversions = Conversions(most=1, longest_wait=30, patience=0.05)
    samples = 600 * 48_000
    wav = header(2 * samples) + bytes(2 * samples)
    whole = ByteRange(0, converted_bytes("raw", samples))
    before = set(psutil.Process().children())
    slow = conversions.converted("raw", samples, iter([wav]), whole)
    try:
        assert await anext(slow)
        await conversions.wait_for_room()
        # A second one would not begin if the first had only given back what it holds.
        others = [
            block async for block in conversions.converted("raw", samples, iter([wav]), ByteRange(0, 100))
        ]
        assert len(b"".join(others)) == 100
        with pytest.raises(ConversionError):
            async for _ in slow:
                pass
        assert set(psutil.Process().children()) <= before
    finally:
        await slow.aclose()  # type: ignore[attr-defined]
    # What was given back early is not given back again.
    assert conversions._free._value == 1

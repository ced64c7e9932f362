from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, cast, get_args

import av
import pytest

from fixtures.replica.video import annexb, clips, obu
from fixtures.replica.video.clips import CLIPS, KEY_EVERY, Clip, ClipError, load_clip, next_key
from fixtures.replica.video.counter import PICTURES, Mark, Picture, read_mark
from fixtures.replica.video.head import PATTERNS
from fixtures.replica.video.scenario import MOST_LAYERS, PEOPLE_OF, Codec, Height, Layers
from fixtures.replica.video.sources import SCREEN_HEIGHT, Kind

DECODERS: dict[Codec, str] = {"vp8": "vp8", "vp9": "vp9", "av1": "libdav1d", "h264": "h264"}
ALL = [(codec, height) for codec in get_args(Codec) for height in PEOPLE_OF]


def decoded(codec: Codec, frames: list[bytes]) -> list[Mark]:
    """The marks of these frames, decoded in this order."""
    decoder = cast(av.VideoCodecContext, av.CodecContext.create(DECODERS[codec], "r"))
    decoder.thread_count = 1
    packets: list[av.Packet[Any] | None] = [*(av.Packet(frame) for frame in frames), None]
    return [
        read_mark(cast(Picture, picture.to_ndarray(format="gray8")))
        for packet in packets
        for picture in decoder.decode(packet)
    ]


def marks(person: int, height: Height, counters: range | list[int]) -> list[Mark]:
    kind: Kind = "screenshare" if height == SCREEN_HEIGHT else "webcam"
    return [Mark(person, kind, counter) for counter in counters]


@pytest.mark.parametrize(("codec", "height"), ALL)
def test_each_frame_of_a_clip_shows_whose_and_which_it_is(codec: Codec, height: Height) -> None:
    person = PEOPLE_OF[height] - 1
    clip = load_clip(codec, height, person)
    assert (clip.height, clip.width) == (height, height * 16 // 9)
    assert decoded(codec, list(clip.frames)) == marks(person, height, range(PICTURES))


@pytest.mark.parametrize("codec", get_args(Codec))
@pytest.mark.parametrize("person", range(PEOPLE_OF[180]))
def test_the_pictures_of_every_person_begin_at_each_key_frame(codec: Codec, person: int) -> None:
    frames = load_clip(codec, 180, person).frames
    for start in range(0, PICTURES, KEY_EVERY):
        stretch = list(islice(frames, start, start + 5))
        assert decoded(codec, stretch) == marks(person, 180, range(start, start + 5))


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_pictures_can_be_decoded_without_the_highest_temporal_layer(codec: Codec) -> None:
    layers = cast(Layers, MOST_LAYERS[codec])
    pattern = PATTERNS[layers]
    kept = [counter for counter in range(PICTURES) if pattern[counter % len(pattern)] < layers - 1]
    frames = load_clip(codec, 180, 2).frames
    assert decoded(codec, [frames[counter] for counter in kept]) == marks(2, 180, kept)


def test_key_frames_of_h264_bring_their_parameters_and_a_constrained_baseline() -> None:
    frames = load_clip("h264", 360, 0).frames
    for counter, frame in enumerate(frames):
        units = annexb.split(frame)
        kinds = [annexb.kind_of(unit) for unit in units]
        assert kinds == ([annexb.SPS, annexb.PPS, annexb.IDR] if Clip.is_key(counter) else [1])
        assert annexb.join(units) == frame
    assert annexb.split(frames[0])[0][1:3] == b"\x42\xc0"


def test_frames_of_av1_have_no_temporal_delimiters() -> None:
    for counter, frame in enumerate(load_clip("av1", 360, 1).frames):
        kinds = [unit.kind for unit in obu.split(frame)]
        assert obu.TEMPORAL_DELIMITER not in kinds
        assert (obu.SEQUENCE_HEADER in kinds) == Clip.is_key(counter)


def test_the_next_key_frame_is_this_one_or_the_first_one_after_it() -> None:
    assert [next_key(counter) for counter in (0, 1, 59, 60, 61, 119)] == [0, 60, 60, 60, 0, 0]


def test_an_unknown_person_or_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"vp8-720.msgpack: 2 persons, expected 3"):
        load_clip("vp8", 720, 2)
    monkeypatch.setattr(clips, "CLIPS", tmp_path)
    clips._clips.cache_clear()
    with pytest.raises(ClipError, match=r"vp9-180.msgpack: .*No such file"):
        load_clip("vp9", 180, 0)
    (tmp_path / "vp9-180.msgpack").write_bytes(b"\x00")
    with pytest.raises(ClipError, match=r"vp9-180.msgpack: Expected"):
        load_clip("vp9", 180, 0)
    clips._clips.cache_clear()


def test_the_clips_are_small() -> None:
    assert sum(path.stat().st_size for path in CLIPS.glob("*.msgpack")) < 3_100_000

from __future__ import annotations

import av
import pytest

from worker.video.key_frame import VideoFrameError, pixel_format


@pytest.mark.parametrize("bit_depth", [8, 10, 12])
@pytest.mark.parametrize("halved_x", [True, False])
@pytest.mark.parametrize("halved_y", [True, False])
def test_a_form_has_the_name_that_ffmpeg_gives_it(bit_depth: int, halved_x: bool, halved_y: bool) -> None:
    form = av.VideoFormat(pixel_format(bit_depth, halved_x=halved_x, halved_y=halved_y), 64, 64)
    assert [component.bits for component in form.components] == [bit_depth] * 3
    assert (form.chroma_width(), form.chroma_height()) == (64 >> halved_x, 64 >> halved_y)


@pytest.mark.parametrize(("bit_depth", "name"), [(8, "gray"), (10, "gray10le")])
def test_a_form_without_colour(bit_depth: int, name: str) -> None:
    assert pixel_format(bit_depth, mono=True) == name
    assert len(av.VideoFormat(name, 64, 64).components) == 1


@pytest.mark.parametrize("mono", [True, False])
def test_other_depths_have_no_name(mono: bool) -> None:
    with pytest.raises(VideoFrameError, match="9 bits"):
        pixel_format(9, mono=mono)

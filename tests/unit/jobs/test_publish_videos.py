from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memory_store import MemoryStore
from tests.support.sample_manifests import recorded, video, video_segment, with_videos
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError
from worker.delivery.lease import LeaseLostError
from worker.jobs.publish import content_type_of
from worker.jobs.publish_videos import PATIENCE_AFTER_LOSS, publish_videos, with_stored_videos
from worker.manifest.schema import Manifest

KEYS = bot_keys("", "bot-1").attempt(1)


def shown(folder: Path, count: int) -> Manifest:
    """The manifest of as many videos, whose files are in ``folder``."""
    segments = [video_segment("Ada", 6.0 * index, index=index) for index in range(count)]
    (folder / "video").mkdir()
    for segment in segments:
        (folder / segment.url).write_bytes(b"film of " + segment.url.encode())
    return with_videos(recorded(1, 0.0, 60.0), video(1, "Ada", *segments)).manifest


class TypedStore(MemoryStore):
    """Keeps the content types."""

    def __init__(self) -> None:
        super().__init__()
        self.types: dict[str, str] = {}

    def put(self, key: str, data: bytes | Path, *, content_type: str, **conditions: object) -> str:
        self.types[key] = content_type
        return super().put(key, data, content_type=content_type, **conditions)  # type: ignore[arg-type]


def test_each_video_is_uploaded_with_its_type(tmp_path: Path) -> None:
    store, sizes = TypedStore(), list[int]()
    (tmp_path / "video").mkdir()
    segments = [video_segment("a"), video_segment("b", ending="webm"), video_segment("c", ending="bin")]
    for segment in segments:
        (tmp_path / segment.url).write_bytes(b"film")
    manifest = with_videos(recorded(1, 0.0, 60.0), video(1, "Ada", *segments)).manifest
    publish_videos(store, KEYS, tmp_path, manifest, done=sizes.append)
    assert {key.rpartition(".")[2]: kind for key, kind in store.types.items()} == {
        "mp4": "video/mp4",
        "webm": "video/webm",
        "bin": "application/octet-stream",
    }
    assert sizes == [4, 4, 4]
    # What is sent by this server has the same types.
    assert {key: content_type_of(key) for key in store.types} == store.types


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    store, manifest = MemoryStore(), shown(tmp_path, 1)
    store.overwrite(KEYS.file(video_segment("Ada").url), b"earlier")
    publish_videos(store, KEYS, tmp_path, manifest)
    assert store.objects[KEYS.file(video_segment("Ada").url)] == b"earlier"


def test_one_that_is_lost_costs_the_others_nothing_but_patience(tmp_path: Path) -> None:
    store, manifest = MemoryStore(), shown(tmp_path, 5)
    (tmp_path / video_segment("Ada", index=3).url).unlink()

    def before(_method: str, key: str) -> None:
        if key.endswith(video_segment("Ada").url):
            raise RefusedError("no")

    store.before = before
    publish_videos(store, KEYS, tmp_path, manifest)
    assert sorted(store.objects) == [
        KEYS.file(video_segment("Ada", index=number).url) for number in (1, 2, 4)
    ]
    assert set(store.budgets) == {PATIENCE_AFTER_LOSS}


def test_a_lost_lease_ends_it(tmp_path: Path) -> None:
    store, manifest = MemoryStore(), shown(tmp_path, 1)

    def before(_method: str, _key: str) -> None:
        raise LeaseLostError("taken")

    store.before = before
    with pytest.raises(LeaseLostError):
        publish_videos(store, KEYS, tmp_path, manifest)


def test_videos_that_are_not_stored_are_left_out_with_a_warning() -> None:
    ada = video(1, "Ada", video_segment("a"), video_segment("a", 6.0, index=1))
    grace = video(2, "Grace", video_segment("g"), kind="screenshare")
    first, second = with_videos(recorded(1, 0.0, 10.0), ada), with_videos(recorded(2, 12.0, 10.0), ada, grace)
    film = video_segment("a").url
    plain = recorded(3, 24.0, 10.0)
    stored = {1: frozenset({film}), 2: frozenset({film, "audio.wav"})}
    kept, warnings = with_stored_videos([first, second, plain], stored.__getitem__)
    assert [[segment.url for _, segment in each.manifest.video_segments()] for each in kept] == [
        [film],
        [film],
        [],
    ]
    assert kept[2] is plain
    assert warnings == [
        "2 video files of the webcam of Ada could not be kept.",
        "1 video file of the screenshare of Grace could not be kept.",
    ]

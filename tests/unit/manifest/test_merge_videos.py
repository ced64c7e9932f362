from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sample_manifests import recorded, someone, video, video_segment, with_videos
from worker.manifest.merge import merge_attempts
from worker.manifest.merge_videos import only_videos, replaced_videos, without_videos
from worker.manifest.schema import Manifest, VideoStreams, encode_manifest

ADA, GRACE = "Ada Lovelace", "Grace Hopper"


def shown(merged: Manifest) -> list[VideoStreams]:
    assert merged.video_streams is not msgspec.UNSET
    return merged.video_streams


def test_attempts_that_were_asked_for_no_video_have_none() -> None:
    merged = merge_attempts([recorded(1, 0.0, 10.0, someone(1, ADA, (1.0, 2.0)))])
    assert merged.video_streams is msgspec.UNSET
    assert list(merged.video_segments()) == []
    assert b"video_streams" not in encode_manifest(merged)


def test_nobody_with_a_camera_is_an_empty_list() -> None:
    merged = merge_attempts([with_videos(recorded(1, 0.0, 10.0))])
    assert shown(merged) == []


def test_one_attempt_changes_only_its_urls() -> None:
    stream = video(1, ADA, video_segment("Ada"))
    merged = merge_attempts([with_videos(recorded(1, 0.0, 10.0), stream)])
    (segment,) = stream.segments
    moved = msgspec.structs.replace(segment, url=f"attempts/0001/files/{segment.url}")
    assert shown(merged) == [msgspec.structs.replace(stream, segments=[moved])]


def test_later_attempts_are_further_segments_on_the_clock_of_the_first() -> None:
    first = video(1, ADA, video_segment("Ada", 1.0), video_segment("Ada", 7.0, index=1))
    share = video(1, ADA, video_segment("Ada", 2.0, kind="screenshare"), kind="screenshare")
    second = video(1, ADA, video_segment("Ada", 0.5))
    merged = merge_attempts(
        [
            with_videos(recorded(3, 17.5, 10.0), second),
            with_videos(recorded(1, 0.0, 10.0, reason="cut_off"), first, share),
        ]
    )
    camera, screen = shown(merged)
    assert (camera.kind, screen.kind) == ("webcam", "screenshare")
    assert [(each.segment_index, each.start_seconds) for each in camera.segments] == [
        (0, 1.0),
        (1, 7.0),
        (2, 18.0),
    ]
    assert [each.filename for each in camera.segments] == [
        video_segment("Ada", index=index).filename for index in range(3)
    ]
    assert camera.segments[2].url == f"attempts/0003/files/{second.segments[0].url}"
    assert camera.segments[2].intervals == [(18.0, 23.0)]
    assert len(screen.segments) == 1


def test_a_participant_has_one_name_in_audio_and_video() -> None:
    # The tiles knew only a part of the name while the camera was on; the roster told all of it later.
    early = video(1, "Ada", video_segment("Ada"), named_by="tiles")
    merged = merge_attempts(
        [
            with_videos(recorded(1, 0.0, 10.0), early),
            with_videos(recorded(2, 12.0, 10.0, someone(1, ADA, (1.0, 2.0)))),
        ]
    )
    (camera,) = shown(merged)
    assert (camera.participant_name, camera.name_source) == (ADA, "collections")


def test_the_strongest_evidence_names_somebody_who_was_not_heard() -> None:
    weak = video(1, "Ada", video_segment("Ada"), named_by="tiles")
    strong = video(1, ADA, video_segment("Ada"))
    for videos in ([weak, strong], [strong, weak]):
        attempts = [
            with_videos(recorded(number, 12.0 * number, 10.0), each) for number, each in enumerate(videos, 1)
        ]
        (camera,) = shown(merge_attempts(attempts))
        assert (camera.participant_name, camera.name_source) == (ADA, "collections")


def test_unknown_people_stay_apart_and_are_counted_on_from_the_speakers() -> None:
    unheard = video(1, "Unknown 1", video_segment("Unknown 1"), named_by="none")
    nameless = msgspec.structs.replace(
        someone(5, "Unknown 1", (1.0, 2.0)), participant_id=None, name_source="none"
    )
    merged = merge_attempts(
        [
            with_videos(recorded(1, 0.0, 10.0, nameless), unheard),
            with_videos(recorded(2, 12.0, 10.0), unheard),
        ]
    )
    assert [(each.participant_name, each.participant_id) for each in shown(merged)] == [
        ("Unknown 2", None),
        ("Unknown 3", None),
    ]


def test_an_attempt_without_the_field_is_one_without_videos() -> None:
    merged = merge_attempts(
        [
            recorded(1, 0.0, 10.0),
            with_videos(recorded(2, 12.0, 10.0), video(2, GRACE, video_segment("Grace"))),
        ]
    )
    assert [each.participant_name for each in shown(merged)] == [GRACE]


PEOPLE = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["webcam", "screenshare"]), st.integers(0, 8)),
    unique_by=lambda each: each[:2],
    max_size=6,
)


@given(st.lists(PEOPLE, min_size=1, max_size=3))
def test_merging_keeps_each_file_once_with_its_owner(attempts: list[list[tuple[int, str, int]]]) -> None:
    recordings = [
        with_videos(
            recorded(number, 10.0 * number, 10.0),
            *(
                video(
                    person,
                    f"Person {person}",
                    *(video_segment(f"{person}", float(at), 1.0, index=at, kind=kind) for at in range(count)),
                    kind=kind,
                )
                for person, kind, count in people
            ),
        )
        for number, people in enumerate(attempts, start=1)
    ]
    merged = merge_attempts(recordings)
    expected = {
        (f"attempts/{each.attempt:04d}/files/{segment.url}", stream.participant_id, stream.kind)
        for each in recordings
        for stream, segment in each.manifest.video_segments()
    }
    found = [(segment.url, stream.participant_id, stream.kind) for stream, segment in merged.video_segments()]
    assert set(found) == expected
    assert len(found) == len(expected)
    for stream in shown(merged):
        assert [each.segment_index for each in stream.segments] == list(range(len(stream.segments)))
        starts = [each.start_seconds for each in stream.segments]
        assert starts == sorted(starts)
        assert [each.filename for each in stream.segments] == [
            video_segment(stream.participant_name[-1], index=index, kind=stream.kind).filename
            for index in range(len(stream.segments))
        ]


def test_files_can_be_left_out_or_replaced() -> None:
    camera = video(1, ADA, video_segment("a"), video_segment("a", 6.0, index=1))
    other = video(2, GRACE, video_segment("b"))
    whole = with_videos(recorded(1, 0.0, 10.0), camera, other).manifest
    assert shown(only_videos(whole, [camera.segments[1].url])) == [
        msgspec.structs.replace(camera, segments=camera.segments[1:])
    ]
    assert shown(only_videos(whole, [])) == []
    changed = msgspec.structs.replace(camera.segments[0], url="video/c.mp4")
    replaced = replaced_videos(whole, {camera.segments[0].url: changed})
    assert [segment.url for _, segment in replaced.video_segments()] == [
        "video/c.mp4",
        camera.segments[1].url,
        other.segments[0].url,
    ]
    assert without_videos(whole).video_streams is msgspec.UNSET
    plain = recorded(1, 0.0, 10.0).manifest
    assert only_videos(plain, []) is plain
    assert replaced_videos(plain, {}) is plain

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sample_manifests import participant
from worker.manifest.assemble_video import SHARE_PAUSE, ShownSource, VideoFileFacts, assemble_video
from worker.manifest.schema import Interval, VideoStreams
from worker.roster.roster import Device, Evidence, Roster
from worker.roster.video_sources import NOBODYS, VideoEvidence, VideoKind, VideoOwner

ADA = Device(device_id="ada", name="Ada", name_evidence=Evidence.COLLECTIONS, is_host=True)
BOB = Device(device_id="bob", name="Bob", name_evidence=Evidence.TILES)
NAMELESS = Device(device_id="nameless")
ROSTER = Roster(devices={each.device_id: each for each in (ADA, BOB, NAMELESS)})


def file(
    number: int, start: float = 0.0, *, runs: list[Interval] | None = None, suffix: str = "mp4"
) -> VideoFileFacts:
    return VideoFileFacts(
        filename=f"video-{number}.{suffix}",
        codec="vp9",
        start=start,
        end=start + 10.0,
        width=640,
        height=360,
        frames=150,
        key_frames=2,
        lost=3,
        size_bytes=1234,
        runs=runs or [(start, start + 10.0)],
    )


def source(key: str, owner: VideoOwner, *files: VideoFileFacts) -> ShownSource:
    return ShownSource(key=key, owner=owner, files=list(files))


def camera(device: str) -> VideoOwner:
    return VideoOwner(device, VideoKind.WEBCAM, VideoEvidence.STREAM_ID)


def screen(device: str) -> VideoOwner:
    return VideoOwner(device, VideoKind.SCREENSHARE, VideoEvidence.CSRC)


def assemble(*shown: ShownSource) -> tuple[list[VideoStreams], dict[str, str]]:
    return assemble_video(shown, ROSTER, [], "streams")


def test_camera_and_screen_of_one_person_are_two_streams() -> None:
    streams, names = assemble(source("a", camera("ada"), file(0)), source("b", screen("ada"), file(1)))
    assert [(each.participant_name, each.kind) for each in streams] == [
        ("Ada", "webcam"),
        ("Ada", "screenshare"),
    ]
    assert [(each.participant_id, each.name_source, each.is_host) for each in streams] == [
        ("ada", "collections", True)
    ] * 2
    assert [each.segments[0].owner_evidence for each in streams] == ["stream_id", "csrc"]
    assert names["video-0.mp4"].startswith("Ada_") and names["video-0.mp4"].endswith("_0_webcam.mp4")
    assert names["video-1.mp4"].endswith("_0_screenshare.mp4")


def test_sources_of_one_device_are_segments_of_one_stream_in_order_of_time() -> None:
    streams, names = assemble(
        source("a", camera("ada"), file(0, 40.0, suffix="webm")), source("b", camera("ada"), file(1, 5.0))
    )
    (stream,) = streams
    assert [(each.segment_index, each.filename, each.start_seconds) for each in stream.segments] == [
        (0, "video-1.mp4", 5.0),
        (1, "video-0.webm", 40.0),
    ]
    assert names["video-1.mp4"].endswith("_0_webcam.mp4") and names["video-0.webm"].endswith("_1_webcam.webm")


def test_who_is_heard_and_shown_has_one_name() -> None:
    heard = [participant(1, "Unknown 1", named_by="none")]
    known = heard[0].participant_id
    assert known is not None
    streams, _ = assemble_video(
        [source("a", camera(known), file(0)), source("b", NOBODYS, file(1))], ROSTER, heard, "streams"
    )
    assert [(each.participant_name, each.participant_id) for each in streams] == [
        ("Unknown 1", known),
        ("Unknown 2", None),
    ]


def test_sources_of_nobody_are_people_of_their_own() -> None:
    streams, names = assemble(
        source("a", NOBODYS, file(0)), source("b", NOBODYS, file(1)), source("c", camera("nameless"), file(2))
    )
    assert [(each.participant_name, each.participant_id, each.name_source) for each in streams] == [
        ("Unknown 1", None, "none"),
        ("Unknown 2", None, "none"),
        ("Unknown 3", "nameless", "none"),
    ]
    assert len(set(names.values())) == 3


def test_a_segment_says_what_its_file_is() -> None:
    (stream,), _ = assemble(source("a", camera("bob"), file(0, 2.0, runs=[(2.0, 4.0), (6.0, 12.0)])))
    (segment,) = stream.segments
    assert segment.url == "streams/video-0.mp4"
    assert (segment.start_seconds, segment.duration_seconds) == (2.0, 10.0)
    assert segment.intervals == [(2.0, 4.0), (6.0, 12.0)]
    assert segment.fps == pytest.approx(150 / 8, abs=0.01)
    assert (segment.frames, segment.key_frames, segment.lost, segment.size_bytes) == (150, 2, 3, 1234)


def test_a_screen_that_stands_still_is_still_shown() -> None:
    runs = [(0.0, 1.0), (1.0 + SHARE_PAUSE, 7.0), (8.0 + SHARE_PAUSE, 14.0)]
    (stream,), _ = assemble(source("a", screen("bob"), file(0, runs=runs)))
    assert stream.segments[0].intervals == [(0.0, 7.0), (8.0 + SHARE_PAUSE, 14.0)]


def test_a_source_without_files_is_not_listed() -> None:
    assert assemble(source("a", camera("ada"))) == ([], {})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob", "nameless", "gone", None]),
            st.sampled_from(VideoKind),
            st.integers(1, 3),
        ),
        max_size=8,
    ),
    st.text(max_size=200),
)
def test_final_names_are_different_and_safe(
    shown: list[tuple[str | None, VideoKind, int]], name: str
) -> None:
    roster = Roster(devices={**ROSTER.devices, "ada": Device(device_id="ada", name=name)})
    number = 0
    sources = []
    for key, (device, kind, count) in enumerate(shown):
        owner = VideoOwner(device, kind, VideoEvidence.NONE)
        sources.append(source(str(key), owner, *(file(number + n, float(n)) for n in range(count))))
        number += count
    streams, names = assemble_video(sources, roster, [], "streams")
    assert len(set(names.values())) == len(names) == number
    assert sum(len(each.segments) for each in streams) == number
    for final in names.values():
        assert len(final.encode()) <= 120
        assert not set(final) & set("/\\:\0\n") and not final.startswith(".")

"""A recording with separate video says in its manifest what people showed and it does not have."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tapes import STARTED_AT
from tests.support.video_frames import video_frame, video_track
from tests.support.video_streams import encoded
from tests.support.video_tapes import batches, render_video, sent, video_tape
from worker.manifest.schema import VideoStreams
from worker.platforms.layout_keeper import LAYOUT_FAILED
from worker.rendering.missing_video import FEWER, MissingVideo
from worker.tape.events import (
    PageEvent,
    PageSeen,
    ReceiverTapped,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RosterChanged,
    VideoBatch,
    VideoFrame,
    VideoRequested,
    WorkerEvent,
)
from worker.video.codecs import VideoCodec

TRACK = video_track(0, "s1", at=1.0)


def changed(change: str, who: str = "Ada", at: float = 1.0) -> RosterChanged:
    return RosterChanged(at=at, change=change, participant_id=f"id-{who}", name=who)


def shown(who: str | None, kind: str = "webcam") -> VideoStreams:
    return VideoStreams(
        participant_name=who or "Unknown 1",
        participant_id=who and f"id-{who}",
        name_source="roster",
        is_host=False,
        kind=kind,
        segments=[],
    )


def followed(
    *events: PageEvent | WorkerEvent | VideoBatch, asked: bool = True, seconds: float = 60.0
) -> MissingVideo:
    """After the events of a recording from 0 to ``seconds``."""
    missing = MissingVideo()
    if asked:
        missing.observe(VideoRequested(at=0))
    missing.observe(RecordingStarted(at=0))
    for event in events:
        if isinstance(event, VideoBatch):
            missing.take(event)
        else:
            missing.observe(event)
    missing.observe(RecordingEnded(at=seconds, reason="meeting_ended"))
    return missing


def frames(*, key: bool) -> VideoBatch:
    return VideoBatch(1, 0, 0, [video_frame(0, 2.0, key=key), video_frame(0, 2.1)])


def test_a_page_that_never_had_a_receiver_is_told() -> None:
    first, second = followed(changed("webcam_on")).warnings([])
    assert "never had a receiver of video" in first
    assert second.startswith("Ada had the camera on")


@pytest.mark.parametrize(
    "receiver",
    [TRACK, ReceiverTapped(at=1, document=1, connection=0, receiver=0, kind="video", via="track")],
    ids=["track", "tapped"],
)
def test_receivers_without_frames_are_told(receiver: PageEvent) -> None:
    assert "received no frame" in followed(receiver, changed("screenshare_on")).warnings([])[0]


def test_frames_that_cannot_be_decoded_are_told_whatever_the_roster_says() -> None:
    (keyless,) = followed(TRACK, frames(key=False)).warnings([])
    assert "2 frames came, but no key frame" in keyless
    (unwritten,) = followed(TRACK, frames(key=True)).warnings([])
    assert "2 frames came, and none of them could be written" in unwritten


def test_nothing_is_missing_where_nobody_showed_anything() -> None:
    assert followed(TRACK).warnings([]) == []
    assert followed(changed("mute"), changed("join")).warnings([]) == []
    assert followed(changed("webcam_on"), asked=False).warnings([]) == []
    assert followed(TRACK, frames(key=True), changed("webcam_on")).warnings([shown("Ada")]) == []


def test_what_is_on_for_moments_only_is_not_missed() -> None:
    moments = [changed("webcam_on", at=at) for at in (1, 10)] + [changed("webcam_off", at=13)]
    assert followed(*moments, seconds=60).warnings([shown("Bob")]) != []
    assert followed(changed("webcam_on", at=51)).warnings([]) == []
    assert followed(changed("webcam_on", at=1), changed("webcam_off", at=8)).warnings([]) == []
    twice = [changed(f"webcam_{to}", at=at) for to, at in (("on", 1), ("off", 7), ("on", 20), ("off", 26))]
    assert followed(*twice).warnings([]) != []


def test_a_pause_does_not_count() -> None:
    paused: list[WorkerEvent] = [RecordingPaused(at=5), changed("webcam_on", at=6), RecordingResumed(at=55)]
    assert followed(*paused).warnings([]) == []
    assert followed(*paused, seconds=70).warnings([]) != []
    missing = MissingVideo()
    for event in (VideoRequested(at=0), RecordingPaused(at=0), changed("webcam_on"), RecordingStarted(at=2)):
        missing.observe(event)
    missing.observe(changed("mute", at=50))
    assert missing.warnings([]) == []


def test_those_without_a_file_are_named_by_kind() -> None:
    people = [changed("webcam_on", who) for who in ("Ada", "Bob", "Cy")]
    missing = followed(TRACK, frames(key=True), *people, changed("screenshare_on", "Bob"))
    assert missing.warnings([shown("Bob"), shown(None)]) == [
        "Ada and Cy had the camera on, and there is no video that is known to be it.",
        "Bob had the screen on, and there is no video that is known to be it.",
    ]


def test_a_sentence_does_not_name_a_whole_hall() -> None:
    people = [changed("webcam_on", f"P{number}") for number in range(300)]
    (sentence,) = followed(TRACK, frames(key=True), *people).warnings([shown("P0")])
    assert sentence.startswith("P1, P2, P3, P4, P5 and 294 others had the camera on")
    nameless = RosterChanged(at=1, change="webcam_on", participant_id="x", name=None)
    (sentence,) = followed(TRACK, frames(key=True), nameless).warnings([shown("P0")])
    assert sentence.startswith("1 participant had the camera on")


def test_a_layout_that_the_page_does_not_take_is_told() -> None:
    failed = PageSeen(at=1, scene="call", evidence=["call.leave", LAYOUT_FAILED])
    assert followed(TRACK, changed("webcam_on"), failed).warnings([shown("Ada")]) == [FEWER]
    assert followed(TRACK, failed).warnings([]) == []


@given(
    st.lists(
        st.one_of(
            st.builds(
                changed,
                st.sampled_from(["webcam_on", "webcam_off", "screenshare_on", "screenshare_off", "leave"]),
                st.sampled_from(["Ada", "Bob", ""]),
                st.floats(0, 100),
            ),
            st.builds(RecordingStarted, at=st.floats(0, 100)),
            st.builds(RecordingPaused, at=st.floats(0, 100)),
            st.builds(RecordingResumed, at=st.floats(0, 100)),
            st.just(TRACK),
            st.just(frames(key=False)),
        )
    )
)
def test_nothing_raises(events: list[PageEvent | WorkerEvent | VideoBatch]) -> None:
    followed(*events).warnings([shown("Ada")])


def without_parameters(frame: VideoFrame) -> VideoFrame:
    """Without what comes before the slice of a key frame of H.264."""
    at = frame.payload.rfind(b"\0\0\1\x65")
    return msgspec.structs.replace(frame, payload=frame.payload[at:]) if frame.key and at >= 0 else frame


@pytest.mark.parametrize(
    ("codec", "part"), [(VideoCodec.VP8, "no key frame"), (VideoCodec.H264, "could be written")], ids=str
)
def test_the_manifest_says_that_no_frame_could_be_decoded(
    codec: VideoCodec, part: str, tmp_path: Path
) -> None:
    """VP8 without its key frame, H.264 without its parameter sets."""
    made = encoded(codec, 40, keys_every=1000)[codec is VideoCodec.VP8 :]
    videos = batches(map(without_parameters, sent(made, codec, None, begin=2)))
    first, *rest = video_tape(videos, 60)
    track = video_track(0, "s1", at=STARTED_AT - 1)
    manifest, failure = render_video([first, track, *rest], tmp_path)
    assert (manifest.video_streams, failure) == ([], None)
    assert sum(part in each for each in manifest.recording.warnings) == 1, manifest.recording.warnings

from __future__ import annotations

import msgspec
import pytest

from tests.support.sample_manifests import STARTED, participant, recorded, segment, someone
from worker.manifest.filenames import file_name, stream_id
from worker.manifest.merge import RecordedAttempt, merge_attempts
from worker.manifest.schema import (
    Announcement,
    ByEvidence,
    GatedMix,
    Interval,
    Manifest,
    Overlap,
    Packets,
    ParticipantStreams,
    Source,
    Stream,
    encode_manifest,
)
from worker.roster.tenures import tenure_key


def unknown(number: int, name: str, *intervals: tuple[float, float]) -> ParticipantStreams:
    return msgspec.structs.replace(someone(number, name, *intervals), participant_id=None, name_source="none")


def names(merged: Manifest) -> list[str]:
    return [person.participant_name for person in merged.participants]


def test_one_attempt_changes_only_its_urls() -> None:
    alone = recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0)))
    merged = merge_attempts([alone])
    (before,) = alone.manifest.participants[0].streams[0].segments
    (after,) = merged.participants[0].streams[0].segments
    assert after == msgspec.structs.replace(before, url=f"attempts/0001/files/{before.url}")
    assert merged.participants[0].streams[0].stream_id == alone.manifest.participants[0].streams[0].stream_id
    assert merged.recording.complete
    assert merged.recording.parts is msgspec.UNSET
    assert merged.recording.mixed_audio == "attempts/0001/files/audio.wav"
    assert msgspec.json.decode(encode_manifest(merged), type=Manifest) == merged


def test_the_second_attempt_is_segment_1_on_the_clock_of_the_first() -> None:
    merged = merge_attempts(
        [
            recorded(
                3, 17.5, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0)), someone(2, "Grace Hopper", (3.0, 4.0))
            ),
            recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (5.0, 6.0)), reason="cut_off"),
        ]
    )
    ada, grace = merged.participants
    assert [stream.stream_id for stream in ada.streams] == [ada.streams[0].stream_id]
    first, second = ada.streams[0].segments
    assert (first.segment_index, first.start_seconds, first.intervals) == (0, 0.0, [(5.0, 6.0)])
    assert (second.segment_index, second.start_seconds, second.intervals) == (1, 17.5, [(18.5, 19.5)])
    assert first.filename.endswith("_0.webm")
    assert second.filename.endswith("_1.webm")
    assert first.url.startswith("attempts/0001/files/streams/")
    assert second.url.startswith("attempts/0003/files/streams/")
    assert [each.segment_index for each in grace.streams[0].segments] == [1]
    assert merged.summary.total_participants == 2
    assert merged.summary.total_segments == 3
    recording = merged.recording
    assert recording.started_at == STARTED.format(0.0)
    assert recording.duration_seconds == 27.5
    assert not recording.complete
    assert recording.ended_reason == "meeting_ended"
    assert recording.warnings == [
        "Nothing was recorded from 10.0 s to 17.5 s: the bot was out of the call (cut_off)."
    ]
    assert recording.parts is not msgspec.UNSET
    assert [(part.attempt, part.segment_index, part.start_seconds) for part in recording.parts] == [
        (1, 0, 0.0),
        (3, 1, 17.5),
    ]
    assert recording.parts[1].mixed_audio == "attempts/0003/files/audio.wav"
    assert recording.mixed_audio == recording.parts[0].mixed_audio == "attempts/0001/files/audio.wav"


def test_a_name_that_is_learned_later_also_names_the_earlier_segment() -> None:
    merged = merge_attempts(
        [
            recorded(1, 0.0, 10.0, unknown(1, "Unknown 1", (1.0, 2.0)), unknown(9, "Unknown 2", (3.0, 4.0))),
            recorded(
                2, 12.0, 10.0, unknown(8, "Unknown 1", (1.0, 2.0)), someone(1, "Ada Lovelace", (5.0, 6.0))
            ),
        ]
    )
    assert names(merged) == ["Ada Lovelace", "Unknown 1", "Unknown 2"]
    ada = merged.participants[0]
    assert ada.participant_id == "spaces/demo/devices/1"
    assert ada.name_source == "collections"
    assert [each.filename.startswith("Ada_Lovelace_") for each in ada.streams[0].segments] == [True, True]


def test_the_strongest_evidence_gives_the_name_and_of_equals_the_latest() -> None:
    weak = participant(1, "Ada", segment(1, "Ada", [(1.0, 2.0)], 10.0), named_by="tiles")
    merged = merge_attempts(
        [recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0))), recorded(2, 12.0, 10.0, weak)]
    )
    assert names(merged) == ["Ada Lovelace"]
    merged = merge_attempts(
        [
            recorded(1, 0.0, 10.0, someone(1, "Ada Byron", (1.0, 2.0))),
            recorded(2, 12.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0))),
        ]
    )
    assert names(merged) == ["Ada Lovelace"]


def test_one_csrc_of_two_known_devices_is_two_participants() -> None:
    moved = msgspec.structs.replace(
        someone(1, "Grace Hopper", (1.0, 2.0)), participant_id="spaces/demo/devices/2"
    )
    merged = merge_attempts(
        [recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0))), recorded(2, 12.0, 10.0, moved)]
    )
    assert names(merged) == ["Ada Lovelace", "Grace Hopper"]


def test_a_stream_without_csrc_keeps_its_id() -> None:
    def without_csrc() -> ParticipantStreams:
        person = unknown(1, "Unknown 1", (1.0, 2.0))
        (stream,) = person.streams
        (only,) = stream.segments
        sources = [msgspec.structs.replace(only.sources[0], csrc=None)]
        piece = msgspec.structs.replace(only, sources=sources, isolation="mixed-only")
        return msgspec.structs.replace(person, streams=[msgspec.structs.replace(stream, segments=[piece])])

    merged = merge_attempts([recorded(1, 0.0, 10.0, without_csrc()), recorded(2, 12.0, 10.0, without_csrc())])
    assert names(merged) == ["Unknown 1", "Unknown 2"]
    files = [each.streams[0].segments[0].filename for each in merged.participants]
    assert [name[-7:] for name in files] == ["_0.webm", "_1.webm"]


def test_attempts_without_speech_and_with_differing_clocks_are_merged() -> None:
    merged = merge_attempts([recorded(1, 10.0, 10.0), recorded(2, 9.0, 5.0)])
    assert not merged.audio_streams_available
    assert isinstance(merged.message, str)
    assert merged.recording.parts is not msgspec.UNSET
    assert [part.start_seconds for part in merged.recording.parts] == [0.0, 0.0]


def test_merging_no_attempts_is_an_error() -> None:
    with pytest.raises(ValueError, match="got none"):
        merge_attempts([])


def of_a_mix(attempt: int, at: float, ann: str, bo: str, named_by: str) -> RecordedAttempt:
    """Ann (source 1001) and Bo (1002) share a second of a gated mix."""
    people = []
    for number, (name, other, source) in enumerate([(ann, bo, 1002), (bo, ann, 1001)], start=1):
        gated = msgspec.structs.replace(
            segment(number, name, [(1.0, 4.0)], 10.0),
            isolation="gated-mix",
            overlaps=[Overlap(start_seconds=2.0, end_seconds=3.0, participants=[other], csrcs=[source])],
            attribution=[(1.0, 4.0, "csrc")],
        )
        people.append(participant(number, name, gated, named_by=named_by))
    each = recorded(attempt, at, 10.0, *people)
    mix = GatedMix(
        note="a mix",
        packets=ByEvidence(csrc=150),
        seconds=ByEvidence(csrc=3.0, dsh=0.1),
        shared_packets=50,
        shared_seconds=1.0,
        noise_packets=7,
        mix=Packets(received=157, lost=1),
    )
    recording = msgspec.structs.replace(each.manifest.recording, gated_mix=mix)
    return each._replace(manifest=msgspec.structs.replace(each.manifest, recording=recording))


def test_gated_mixes_are_added_on_one_clock_with_the_final_names() -> None:
    merged = merge_attempts(
        [
            of_a_mix(1, 0.0, "Unknown 1", "Unknown 2", "none"),
            of_a_mix(2, 20.0, "Ann", "Bo", "frames"),
        ]
    )
    assert names(merged) == ["Ann", "Bo"]
    first, second = merged.participants[0].streams[0].segments
    assert first.overlaps == [Overlap(start_seconds=2.0, end_seconds=3.0, participants=["Bo"], csrcs=[1002])]
    assert second.overlaps == [
        Overlap(start_seconds=22.0, end_seconds=23.0, participants=["Bo"], csrcs=[1002])
    ]
    assert second.attribution == [(21.0, 24.0, "csrc")]
    mix = merged.recording.gated_mix
    assert isinstance(mix, GatedMix)
    assert (mix.packets.csrc, mix.seconds.dsh, mix.shared_packets, mix.noise_packets) == (300, 0.2, 100, 14)
    assert (mix.mix.received, mix.mix.lost) == (314, 2)
    assert msgspec.json.decode(encode_manifest(merged), type=Manifest) == merged


def test_incomplete_files_are_named_in_the_folders_of_their_attempts() -> None:
    whole = recorded(1, 0.0, 10.0, participant(1, "Ann", segment(1, "Ann", [(1.0, 2.0)], 10.0)))
    recording = msgspec.structs.replace(whole.manifest.recording, incomplete_files=["audio.wav"])
    cut = whole._replace(
        attempt=2,
        folder="attempts/0002/files",
        manifest=msgspec.structs.replace(whole.manifest, recording=recording),
    )
    assert merge_attempts([whole]).recording.incomplete_files is msgspec.UNSET
    assert merge_attempts([whole, cut]).recording.incomplete_files == ["attempts/0002/files/audio.wav"]


def test_pauses_of_all_attempts_are_on_one_clock() -> None:
    def paused(attempt: int, at: float, pauses: list[Interval] | msgspec.UnsetType) -> RecordedAttempt:
        each = recorded(attempt, at, 10.0)
        recording = msgspec.structs.replace(each.manifest.recording, pauses=pauses)
        return each._replace(manifest=msgspec.structs.replace(each.manifest, recording=recording))

    merged = merge_attempts(
        [paused(1, 0.0, [(2.0, 10.0)]), paused(2, 15.0, [(0.0, 4.5)]), paused(3, 30.0, msgspec.UNSET)]
    )
    assert merged.recording.pauses == [(2.0, 10.0), (15.0, 19.5)]
    assert merge_attempts([paused(1, 0.0, msgspec.UNSET)]).recording.pauses is msgspec.UNSET


def test_the_announcement_of_one_attempt_is_that_of_all() -> None:
    told = Announcement(written_at="2026-11-26T08:00:00.000Z")
    refused = Announcement(written_at=None, failure="no_chat")

    def merged(*announcements: Announcement | msgspec.UnsetType) -> Announcement | msgspec.UnsetType:
        attempts = []
        for number, announcement in enumerate(announcements, start=1):
            each = recorded(number, 15.0 * number, 10.0)
            recording = msgspec.structs.replace(each.manifest.recording, announcement=announcement)
            attempts.append(
                each._replace(manifest=msgspec.structs.replace(each.manifest, recording=recording))
            )
        return merge_attempts(attempts).recording.announcement

    assert merged(msgspec.UNSET) is msgspec.UNSET
    assert merged(refused, told) == merged(told, msgspec.UNSET) == merged(told, refused) == told
    assert merged(refused, msgspec.UNSET) == refused


def in_tenure(person: ParticipantStreams, tenure: int, csrc: int) -> ParticipantStreams:
    """``person`` with the source ``csrc`` in a tenure: the file and its names are those that a recording writes."""
    key = tenure_key(csrc, tenure)
    (only,) = person.segments()
    file = file_name(person.participant_name, person.participant_id, key)
    changed = msgspec.structs.replace(
        only, sources=[Source(ssrc=6666, csrc=csrc)], filename=file, url=f"streams/{file}"
    )
    stream = Stream(
        stream_id=stream_id(person.participant_name, person.participant_id, key), segments=[changed]
    )
    return msgspec.structs.replace(person, streams=[stream])


def test_a_source_that_changed_hands_within_an_attempt_joins_nobody() -> None:
    ann = in_tenure(someone(1, "Ann", (1.0, 2.0)), 0, 101)
    bo = in_tenure(someone(2, "Bo", (3.0, 4.0)), 1, 101)
    nobody = in_tenure(unknown(3, "Unknown 1", (1.0, 2.0)), 0, 101)
    merged = merge_attempts([recorded(1, 0.0, 10.0, ann, bo), recorded(2, 20.0, 10.0, nobody)])
    assert names(merged) == ["Ann", "Bo", "Unknown 1"]
    # The same participants are the same, each with the file names of their tenure.
    merged = merge_attempts([recorded(1, 0.0, 10.0, ann, bo), recorded(2, 20.0, 10.0, bo, ann)])
    assert names(merged) == ["Ann", "Bo"]
    for before, after in zip((ann, bo), merged.participants, strict=True):
        (stream,) = after.streams
        assert stream.stream_id == before.streams[0].stream_id
        assert stream.segments[0].filename == before.streams[0].segments[0].filename
        assert [each.segment_index for each in stream.segments] == [0, 1]


def test_two_tenures_of_one_participant_stay_two_files() -> None:
    first = in_tenure(someone(1, "Ann", (1.0, 2.0)), 0, 101)
    second = in_tenure(someone(1, "Ann", (5.0, 6.0)), 2, 101)
    ann = msgspec.structs.replace(first, streams=[*first.streams, *second.streams])
    (merged,) = merge_attempts([recorded(1, 0.0, 10.0, ann)]).participants
    files = [segment.filename for segment in merged.segments()]
    assert files == [segment.filename for segment in ann.segments()]
    assert len(set(files)) == 2


def test_a_file_that_several_sources_share_joins_nobody() -> None:
    ann = someone(1, "Ann", (1.0, 2.0))
    (only,) = ann.segments()
    shared = unknown(9, "Unknown 1", (3.0, 4.0)).with_segments(
        lambda each: msgspec.structs.replace(each, isolation="mixed-only", sources=only.sources)
    )
    merged = merge_attempts([recorded(1, 0.0, 10.0, shared), recorded(2, 20.0, 10.0, ann)])
    assert names(merged) == ["Unknown 1", "Ann"]


def test_overlaps_with_a_source_that_changed_hands_keep_their_names() -> None:
    ann = in_tenure(someone(1, "Ann", (1.0, 2.0)), 0, 101)
    bo = in_tenure(someone(2, "Bo", (3.0, 4.0)), 1, 101)
    overlap = Overlap(start_seconds=1.0, end_seconds=2.0, participants=["Ann"], csrcs=[101])
    cem = someone(3, "Cem", (1.0, 2.0)).with_segments(
        lambda each: msgspec.structs.replace(each, isolation="gated-mix", overlaps=[overlap])
    )
    merged = merge_attempts([recorded(1, 0.0, 10.0, ann, bo, cem)])
    (segment,) = merged.participants[2].segments()
    assert segment.overlaps == [overlap]

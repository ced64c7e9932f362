from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from worker.manifest.schema import (
    Manifest,
    Packets,
    ParticipantStreams,
    Recording,
    Segment,
    Source,
    Stream,
    Summary,
)

COUNTS = st.builds(Packets, **dict.fromkeys(Packets.__struct_fields__, st.integers(0, 10**6)))


def segment(csrc: int, packets: Packets) -> Segment:
    return Segment(
        segment_index=0,
        url=f"streams/{csrc}.webm",
        filename=f"{csrc}.webm",
        duration_seconds=1.0,
        speech_seconds=0.0,
        intervals=[],
        packets=packets,
        sources=[Source(ssrc=csrc, csrc=csrc)],
    )


def manifest(*people: list[list[Segment]]) -> Manifest:
    """One participant for each list of streams."""
    return Manifest(
        bot_id="bot-1",
        audio_streams_available=True,
        participants=[
            ParticipantStreams(
                participant_name=f"Speaker {number}",
                participant_id=None,
                name_source="none",
                is_host=False,
                streams=[Stream(stream_id=str(index), segments=each) for index, each in enumerate(streams)],
            )
            for number, streams in enumerate(people)
        ],
        summary=Summary(total_participants=len(people), total_segments=0),
        recording=Recording(
            platform="google_meet",
            meeting_url="",
            bot_name="",
            started_at="",
            duration_seconds=1.0,
            complete=True,
            ended_reason="meeting_ended",
            ended_detail="",
            audio_path="receivers",
            mixed_audio=None,
            unattributed_packets=0,
            warnings=[],
        ),
    )


@given(COUNTS, COUNTS)
def test_packets_are_added_field_by_field(one: Packets, other: Packets) -> None:
    added = msgspec.structs.asdict(one + other)
    assert added == {
        field: getattr(one, field) + getattr(other, field) for field in Packets.__struct_fields__
    }


def test_segments_come_with_their_participants_in_the_documents_order() -> None:
    document = manifest(
        [[segment(1, Packets())], [segment(2, Packets()), segment(3, Packets())]], [[segment(4, Packets())]]
    )
    found = [(person.participant_name, each.filename) for person, each in document.segments()]
    assert found == [
        ("Speaker 0", "1.webm"),
        ("Speaker 0", "2.webm"),
        ("Speaker 0", "3.webm"),
        ("Speaker 1", "4.webm"),
    ]


@given(st.lists(st.lists(st.lists(COUNTS, max_size=3), max_size=3), max_size=3))
def test_a_documents_packets_are_those_of_all_its_segments(people: list[list[list[Packets]]]) -> None:
    document = manifest(
        *[[[segment(1, each) for each in stream] for stream in streams] for streams in people]
    )
    everything = [each for streams in people for stream in streams for each in stream]
    assert document.packets() == sum(everything, Packets())
    assert document.packets().trimmed == sum(each.trimmed for each in everything)


def test_changed_segments_leave_the_rest_as_it_is() -> None:
    person = manifest([[segment(1, Packets())], [segment(2, Packets())]]).participants[0]
    changed = person.with_segments(
        lambda each: msgspec.structs.replace(each, url=f"https://x/{each.filename}")
    )
    assert [each.url for each in changed.segments()] == ["https://x/1.webm", "https://x/2.webm"]
    assert [each.url for each in person.segments()] == ["streams/1.webm", "streams/2.webm"]
    assert [stream.stream_id for stream in changed.streams] == ["0", "1"]

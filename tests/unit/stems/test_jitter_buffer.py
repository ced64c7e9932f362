import random
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.opus_packets import pack
from worker.audio.payload_kinds import PayloadKind
from worker.audio.red import RedundantBlock
from worker.stems.jitter_buffer import (
    MAX_DROPOUT,
    MAX_MISORDER,
    REMEMBERED_STRAYS,
    WINDOW_SECONDS,
    JitterBuffer,
    Packet,
)
from worker.tape.events import OPUS_MIME_TYPE, RED_MIME_TYPE, Frame


def frame(
    number: int, *, first: int = 100, payload: bytes | None = None, mime_type: str = OPUS_MIME_TYPE
) -> Frame:
    return Frame(
        receiver=0,
        ssrc=6666,
        csrcs=(7,),
        sequence=(first + number) & 0xFFFF,
        timestamp=(first + number * 960) & 0xFFFF_FFFF,
        payload_type=111,
        mime_type=mime_type,
        audio_level=0.1,
        arrival=0.0,
        captured=None,
        payload=b"packet %d" % number if payload is None else payload,
    )


def red_frame(number: int, copies: list[int]) -> Frame:
    blocks = [RedundantBlock((number - copy) * 960, 111, b"packet %d" % copy) for copy in copies]
    return frame(number, payload=pack(b"packet %d" % number, blocks), mime_type=RED_MIME_TYPE)


def payloads(packets: Iterable[Packet]) -> list[bytes]:
    return [packet.payload for packet in packets]


def release_all(buffer: JitterBuffer) -> list[Packet]:
    return list(buffer.release(1e9))


def test_a_packet_waits_for_half_a_second() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 1.0)
    assert list(buffer.release(1.0 + WINDOW_SECONDS - 0.001)) == []
    assert payloads(buffer.release(1.0 + WINDOW_SECONDS)) == [b"packet 0"]


@given(first=st.integers(0, 65_535), count=st.integers(1, 80), seed=st.integers(0, 1_000))
def test_packets_that_arrive_within_the_window_leave_in_sequence(first: int, count: int, seed: int) -> None:
    buffer = JitterBuffer()
    order = list(range(count))
    random.Random(seed).shuffle(order)
    for number in order:
        buffer.push(frame(number, first=first), 0.1)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet %d" % number for number in range(count)]
    assert [each.sequence - packets[0].sequence for each in packets] == list(range(count))
    assert [each.timestamp - packets[0].timestamp for each in packets] == [960 * n for n in range(count)]


def test_a_packet_that_is_put_back_waits_on_and_those_behind_it_with_it() -> None:
    buffer = JitterBuffer()
    for number in (1, 2, 3):
        buffer.push(frame(number), 1.0)
    buffer.put_back(buffer.take(), 3.0)
    buffer.push(frame(5), 1.1)
    buffer.push(frame(4), 1.2)
    for again in (1, 3):
        buffer.push(frame(again), 1.3)
    assert list(buffer.release(3.0 + WINDOW_SECONDS - 0.001)) == []
    assert payloads(buffer.release(3.0 + WINDOW_SECONDS)) == [b"packet %d" % number for number in range(1, 6)]
    buffer.push(frame(1), 3.6)
    assert (buffer.counts.duplicate, buffer.counts.late) == ({7: 3}, {})


def test_a_packet_from_before_one_that_is_put_back_is_late() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 1.0)
    assert payloads(buffer.release(1.5)) == [b"packet 0"]
    buffer.push(frame(2), 2.0)
    buffer.put_back(buffer.take(), 3.0)
    buffer.push(frame(1), 2.1)
    assert payloads(release_all(buffer)) == [b"packet 2"]
    assert (buffer.counts.duplicate, buffer.counts.late) == ({}, {7: 1})


def test_a_copy_that_is_put_back_gives_way_to_the_packet_itself() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 1.0)
    assert payloads(buffer.release(1.5)) == [b"packet 0"]
    buffer.push(red_frame(2, [1]), 2.0)
    copy = buffer.take()
    assert copy.recovered
    buffer.put_back(copy, 3.0)
    buffer.push(frame(1), 2.1)
    assert [each.recovered for each in release_all(buffer)] == [False, False]
    assert (buffer.counts.duplicate, buffer.counts.late) == ({}, {})


@given(first=st.integers(0, 65_535), numbers=st.lists(st.integers(0, 200), max_size=120))
def test_each_packet_leaves_once(first: int, numbers: list[int]) -> None:
    buffer = JitterBuffer()
    for number in numbers:
        buffer.push(frame(number, first=first), 0.1)
    assert payloads(release_all(buffer)) == [b"packet %d" % number for number in sorted(set(numbers))]
    assert sum(buffer.counts.duplicate.values()) == len(numbers) - len(set(numbers))


def test_sequence_and_timestamp_continue_after_they_wrap() -> None:
    buffer = JitterBuffer()
    for number in range(4):
        one = frame(number, first=65_534)
        buffer.push(
            Frame(
                0,
                6666,
                (7,),
                one.sequence,
                (2**32 - 960 + number * 960) % 2**32,
                111,
                "",
                None,
                0,
                None,
                b"x",
            ),
            0,
        )
    packets = release_all(buffer)
    assert [each.sequence - packets[0].sequence for each in packets] == [0, 1, 2, 3]
    assert [each.timestamp - packets[0].timestamp for each in packets] == [0, 960, 1920, 2880]


def test_a_packet_that_arrives_after_a_later_one_was_released_is_late() -> None:
    buffer = JitterBuffer()
    for number in (0, 2):
        buffer.push(frame(number), 0.1 * number)
    assert payloads(buffer.release(2.0)) == [b"packet 0", b"packet 2"]
    buffer.push(frame(1), 2.0)
    buffer.push(frame(1), 2.1)
    assert release_all(buffer) == []
    assert (buffer.counts.late, buffer.counts.duplicate) == ({7: 1}, {7: 1})


def test_a_reordered_packet_does_not_delay_its_followers() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(1), 1.0)
    buffer.push(frame(0), 1.4)
    assert payloads(buffer.release(1.5)) == [b"packet 0", b"packet 1"]


def test_red_recovers_lost_packets_bit_for_bit() -> None:
    buffer = JitterBuffer()
    buffer.push(red_frame(0, []), 0.0)
    buffer.push(red_frame(3, [1, 2]), 0.06)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet 0", b"packet 1", b"packet 2", b"packet 3"]
    assert [packet.recovered for packet in packets] == [False, True, True, False]
    assert [packet.timestamp - packets[0].timestamp for packet in packets] == [0, 960, 1920, 2880]


def test_red_of_the_first_packet_recovers_the_one_before() -> None:
    buffer = JitterBuffer()
    buffer.push(red_frame(5, [4]), 0.0)
    assert payloads(release_all(buffer)) == [b"packet 4", b"packet 5"]


def test_copies_of_packets_that_arrived_are_neither_used_nor_counted() -> None:
    buffer = JitterBuffer()
    for number in range(5):
        buffer.push(red_frame(number, [number - 1] if number else []), 0.02 * number)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet %d" % number for number in range(5)]
    assert not any(packet.recovered for packet in packets)
    assert buffer.counts.duplicate == {}


def test_a_reordered_original_replaces_its_copy() -> None:
    buffer = JitterBuffer()
    buffer.push(red_frame(0, []), 0.0)
    buffer.push(red_frame(2, [1]), 0.04)
    buffer.push(red_frame(1, [0]), 0.06)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet 0", b"packet 1", b"packet 2"]
    assert not any(packet.recovered for packet in packets)


@example(b"\x80\x0f\x04\x01\x00\x00")  # reads as a copy of something from before the first packet
@given(st.binary(min_size=1, max_size=40).filter(lambda garbage: b"packet" not in garbage))
def test_an_unreadable_red_payload_loses_its_own_packet_only(garbage: bytes) -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    buffer.push(frame(1, payload=garbage, mime_type=RED_MIME_TYPE), 0.02)
    buffer.push(frame(2), 0.04)
    left = payloads(release_all(buffer))
    assert [payload for payload in left if payload.startswith(b"packet")] == [b"packet 0", b"packet 2"]


def test_a_restarted_stream_continues_after_the_old_one() -> None:
    buffer = JitterBuffer()
    for number in range(3):
        buffer.push(frame(number), 0.0)
    for number in range(3):
        buffer.push(frame(number, first=40_000, payload=b"anew %d" % number), 0.1)
    assert payloads(release_all(buffer)) == [
        b"packet 0",
        b"packet 1",
        b"packet 2",
        b"anew 0",
        b"anew 1",
        b"anew 2",
    ]


def test_the_marker_of_the_loudest_speaker_is_no_source() -> None:
    buffer = JitterBuffer()
    for sequence, csrcs in enumerate([(42, 7), (7, 42), (42,), ()]):
        buffer.push(Frame(0, 6666, csrcs, sequence, 0, 111, OPUS_MIME_TYPE, None, 0.0, None, b"x"), 0.0)
    assert [packet.csrc for packet in release_all(buffer)] == [7, 7, None, None]


def padding(number: int) -> Frame:
    return frame(number, payload=b"")


def red_frame_after_padding(number: int, copied: int, ticks: int) -> Frame:
    """A packet with a RED copy of a packet whose sequence number is lower by two or more."""
    block = RedundantBlock(ticks, 111, b"packet %d" % copied)
    return frame(number, payload=pack(b"packet %d" % number, [block]), mime_type=RED_MIME_TYPE)


@given(padding_is_seen=st.booleans(), lost=st.booleans())
def test_red_over_padding_is_matched_by_time_not_by_sequence_number(
    padding_is_seen: bool, lost: bool
) -> None:
    """Padding takes a sequence number, so the copy of a packet that arrived must not be taken for the one before."""
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    if not lost:
        buffer.push(frame(1), 0.02)
    if padding_is_seen:
        buffer.push(padding(2), 0.03)
    buffer.push(red_frame_after_padding(3, 1, 1920), 0.04)
    audible = [packet for packet in release_all(buffer) if packet.payload]
    assert payloads(audible) == [b"packet 0", b"packet 1", b"packet 3"]
    assert audible[1].recovered == lost


def test_an_original_after_padding_replaces_its_copy() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    buffer.push(red_frame_after_padding(3, 1, 1920), 0.02)
    buffer.push(frame(1), 0.04)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet 0", b"packet 1", b"packet 3"]
    assert not any(packet.recovered for packet in packets)


def test_a_copy_that_arrives_too_late_is_not_used() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    buffer.push(frame(2), 0.1)
    assert len(list(buffer.release(1.0))) == 2
    buffer.push(red_frame(3, [1]), 1.0)
    assert payloads(release_all(buffer)) == [b"packet 3"]


def test_an_original_that_replaces_its_copy_still_recovers_the_one_before() -> None:
    buffer = JitterBuffer()
    buffer.push(red_frame(0, []), 0.0)
    buffer.push(red_frame(3, [2]), 0.06)
    buffer.push(red_frame(2, [1]), 0.12)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet %d" % number for number in range(4)]
    assert [packet.recovered for packet in packets] == [False, True, False, False]


def test_red_of_a_reordered_carrier_recovers_a_loss_before_padding() -> None:
    """1 is lost, 2 is padding, 3 carries a copy of 1 but arrives after 4, which carries a copy of 3."""
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    buffer.push(padding(2), 0.03)
    buffer.push(red_frame(4, [3]), 0.06)
    buffer.push(red_frame_after_padding(3, 1, 1920), 0.12)
    packets = [packet for packet in release_all(buffer) if packet.payload]
    assert payloads(packets) == [b"packet %d" % number for number in (0, 1, 3, 4)]
    assert [packet.recovered for packet in packets] == [False, True, False, False]


@given(kinds=st.lists(st.booleans(), min_size=2, max_size=60), data=st.data())
def test_red_and_originals_give_each_packet_once(kinds: list[bool], data: st.DataObject) -> None:
    """Audio (True) and padding (False); some are lost, some late by up to eight places; each RED copies the audio before."""
    audio = [number for number, is_audio in enumerate(kinds) if is_audio]
    before = {
        number: last
        for number, last in zip(audio[1:], audio, strict=False)
        if (number - last) * 960 < 1 << 14
    }
    lost = data.draw(st.sets(st.integers(1, len(kinds) - 1)))
    delays = data.draw(st.lists(st.integers(0, 8), min_size=len(kinds), max_size=len(kinds)))
    arrived = [number for number in range(len(kinds)) if number not in lost]
    buffer = JitterBuffer()
    for number in sorted(arrived, key=lambda number: (number + delays[number], number)):
        if not kinds[number]:
            buffer.push(padding(number), 0.1)
        elif number in before:
            copied = before[number]
            buffer.push(red_frame_after_padding(number, copied, (number - copied) * 960), 0.1)
        else:
            buffer.push(red_frame(number, []), 0.1)
    copies = {before[number] for number in arrived if kinds[number] and number in before}
    expected = sorted({number for number in arrived if kinds[number]} | copies)
    audible = [packet for packet in release_all(buffer) if packet.payload]
    assert payloads(audible) == [b"packet %d" % number for number in expected]
    assert {int(packet.payload.split()[1]) for packet in audible if packet.recovered} == copies - set(arrived)
    assert buffer.counts.duplicate == {}


SENT = 600
"""Packets of a stream before it restarts; the first has sequence number 100."""


@pytest.mark.parametrize("first", [40_000, 20, 600, 650, 698, 680 - 3_000, 700 + 3_000, 65_500])
@pytest.mark.parametrize("back", [0, 480_000, -7_777_777], ids=["timestamps go on", "back", "far ahead"])
def test_a_restarted_stream_loses_nothing(first: int, back: int) -> None:
    """RFC 3550, appendix A.1; also where the new numbers are within those of the old stream."""
    buffer = JitterBuffer()
    left: list[Packet] = []
    for number in range(SENT):
        buffer.push(frame(number), number * 0.02)
        left += buffer.release(number * 0.02)
    for number in range(50):
        base = (100 + SENT * 960 - back + number * 960 + 313) & 0xFFFF_FFFF
        one = frame(number, first=first, payload=b"anew %d" % number)
        arrival = (SENT + number) * 0.02
        buffer.push(msgspec.structs.replace(one, timestamp=base), arrival)
        left += buffer.release(arrival)
    left += release_all(buffer)
    assert payloads(left) == [b"packet %d" % n for n in range(SENT)] + [b"anew %d" % n for n in range(50)]
    assert [after.sequence - before.sequence for before, after in pairwise(left)] == [1] * (SENT + 49)


@given(
    stray=st.integers(0, 65_535),
    timestamp=st.integers(0, 2**32 - 1),
    at=st.integers(1, SENT - 1),
    again=st.booleans(),
)
def test_a_single_stray_packet_does_not_move_the_stream(
    stray: int, timestamp: int, at: int, again: bool
) -> None:
    assume(100 + at - MAX_MISORDER > stray or stray >= 100 + at + MAX_DROPOUT)
    buffer = JitterBuffer()
    left: list[Packet] = []
    for number in range(SENT):
        if number == at:
            for _ in range(1 + again):
                odd = frame(0, first=stray, payload=b"stray")
                buffer.push(msgspec.structs.replace(odd, timestamp=timestamp), number * 0.02)
        buffer.push(frame(number), number * 0.02)
        left += buffer.release(number * 0.02)
    left += release_all(buffer)
    assert [each for each in payloads(left) if each != b"stray"] == [b"packet %d" % n for n in range(SENT)]
    spoken = [each for each in left if each.payload != b"stray"]
    assert [each.timestamp - spoken[0].timestamp for each in spoken] == [960 * n for n in range(SENT)]


def test_a_restart_whose_first_packets_are_out_of_order_loses_nothing() -> None:
    buffer = JitterBuffer()
    for number in range(3):
        buffer.push(frame(number), 0.0)
    for number in (1, 0, 2, 3):
        buffer.push(frame(number, first=40_000, payload=b"anew %d" % number), 0.1)
    assert payloads(release_all(buffer))[3:] == [b"anew %d" % number for number in range(4)]


def test_packets_that_the_network_repeats_are_duplicates_and_no_restart() -> None:
    buffer = JitterBuffer()
    for number in range(200):
        buffer.push(frame(number), number * 0.02)
        list(buffer.release(number * 0.02))
    for number in range(150, 200):
        buffer.push(frame(number), 4.1)
    assert len(release_all(buffer)) == 25
    assert buffer.counts.duplicate == {7: 50}


def test_strays_that_nothing_follows_are_counted() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    for number in range(20):
        buffer.push(frame(0, first=10_000 + 1_000 * number), 0.1)
    assert buffer.counts.late == {7: 20 - REMEMBERED_STRAYS}


def test_late_packets_are_distinguished_from_duplicates_up_to_a_thousand_losses_back() -> None:
    buffer = JitterBuffer()
    buffer.push(frame(0), 0.0)
    buffer.push(frame(1_000), 20.0)
    assert len(list(buffer.release(30.0))) == 2
    for number in range(1, 1_000):
        buffer.push(frame(number), 30.0)
    assert buffer.counts.late == {7: 999}
    assert not buffer.counts.duplicate


def in_codec(
    number: int, mime_type: str, payload_type: int, payload: bytes = b"other", timestamp: int = 7
) -> Frame:
    return msgspec.structs.replace(
        frame(number, payload=payload, mime_type=mime_type), payload_type=payload_type, timestamp=timestamp
    )


def test_a_packet_of_another_codec_keeps_its_place_without_its_payload_and_its_clock() -> None:
    buffer = JitterBuffer()
    for number in range(3):
        buffer.push(frame(number), 0.0)
    buffer.push(in_codec(3, "audio/PCMU", 0, timestamp=4_000_000_000), 0.0)
    buffer.push(in_codec(4, "audio/telephone-event", 110), 0.0)
    buffer.push(frame(5), 0.0)
    packets = release_all(buffer)
    assert payloads(packets) == [b"packet 0", b"packet 1", b"packet 2", b"", b"", b"packet 5"]
    assert [each.sequence - packets[0].sequence for each in packets] == list(range(6))
    assert [each.timestamp - packets[0].timestamp for each in packets] == [0, 960, 1920, 1920, 1920, 4800]
    assert buffer.payloads.left_out == {PayloadKind.PCMU: 1, PayloadKind.TELEPHONE_EVENTS: 1}


def test_timestamps_are_positive_after_a_first_packet_of_another_codec() -> None:
    buffer = JitterBuffer()
    buffer.push(in_codec(0, "audio/CN", 13, timestamp=0xFFFF_FFFF), 0.0)
    buffer.push(msgspec.structs.replace(frame(1), timestamp=0x8000_0000), 0.0)
    assert all(packet.timestamp > 0 for packet in release_all(buffer))


@pytest.mark.parametrize(("payload_type", "recovered"), [(111, True), (96, True), (13, False), (120, False)])
def test_red_recovers_only_blocks_that_may_be_opus(payload_type: int, recovered: bool) -> None:
    buffer = JitterBuffer()
    buffer.push(in_codec(0, "audio/CN", 120, timestamp=100), 0.0)
    buffer.push(frame(1), 0.02)
    buffer.push(red_frame_of(3, RedundantBlock(960, payload_type, b"packet 2")), 0.06)
    left = [each for each in release_all(buffer) if each.recovered]
    assert payloads(left) == ([b"packet 2"] if recovered else [])
    assert buffer.payloads.left_out[PayloadKind.COMFORT_NOISE] == (1 if recovered else 2)


def red_frame_of(number: int, block: RedundantBlock) -> Frame:
    return frame(number, payload=pack(b"packet %d" % number, [block]), mime_type=RED_MIME_TYPE)

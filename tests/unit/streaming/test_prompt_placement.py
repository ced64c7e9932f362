"""Packets in sequence do not wait; those behind a gap wait for the deadline at most."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.stems.jitter_buffer import Packet
from worker.streaming.prompt_placement import PromptBuffer
from worker.tape.events import OPUS_MIME_TYPE, Frame

DEADLINE = 0.06


def frame(number: int, arrival: float, csrc: int = 7) -> Frame:
    payload = b"\xf8" + number.to_bytes(4, "big") + bytes(20)
    return Frame(
        0,
        6666,
        (csrc,),
        (65_500 + number) & 0xFFFF,
        960 * number,
        111,
        OPUS_MIME_TYPE,
        0.1,
        arrival,
        None,
        payload,
    )


def number_of(packet: Packet) -> int:
    return int.from_bytes(packet.payload[1:5], "big")


def released(buffer: PromptBuffer, now: float) -> list[int]:
    return [number_of(packet) for packet in buffer.release(now)]


def begun() -> PromptBuffer:
    """A buffer that has released packet 0."""
    buffer = PromptBuffer(DEADLINE)
    buffer.push(frame(0, 0.0), 0.0)
    assert released(buffer, 0.0) == [], "the first packet waits for those before it"
    assert released(buffer, DEADLINE) == [0]
    return buffer


def test_packets_in_sequence_are_released_at_once() -> None:
    buffer = begun()
    for number in range(1, 100):
        buffer.push(frame(number, number / 50), number / 50)
        assert released(buffer, number / 50) == [number]


def test_behind_a_gap_packets_wait_for_the_deadline_of_the_first_of_them() -> None:
    buffer = begun()
    for number in (2, 3, 4):
        buffer.push(frame(number, 0.02 * number), 0.02 * number)
    assert released(buffer, 0.04 + DEADLINE - 0.001) == []
    assert released(buffer, 0.04 + DEADLINE) == [2, 3, 4]
    buffer.push(frame(1, 0.2), 0.2)
    assert released(buffer, 0.2) == []
    assert buffer.counts.late == {7: 1}


def test_what_was_sent_before_the_first_packet_and_comes_later_is_late() -> None:
    buffer = PromptBuffer(DEADLINE)
    buffer.push(frame(3, 0.06), 0.06)
    assert released(buffer, 0.06 + DEADLINE) == [3]
    for number in (1, 2):
        buffer.push(frame(number, 0.15), 0.15)
    buffer.push(frame(4, 0.16), 0.16)
    assert released(buffer, 0.16) == [4]
    assert buffer.counts.late == {7: 2}


def test_what_fills_the_gap_releases_what_waits() -> None:
    buffer = begun()
    buffer.push(frame(2, 0.04), 0.04)
    buffer.push(frame(1, 0.05), 0.05)
    assert released(buffer, 0.05) == [1, 2]


def test_the_first_packet_of_another_source_waits_for_the_jitter_or_the_deadline() -> None:
    for jitter, waits in ((0.0, 0.0), (0.03, 0.03), (0.5, DEADLINE)):
        buffer = PromptBuffer(DEADLINE, jitter=partial(float, jitter))
        buffer.push(frame(0, 0.0), 0.0)
        assert released(buffer, DEADLINE) == [0]
        for number, arrival in ((1, 1.0), (2, 1.01)):
            buffer.push(frame(number, arrival, csrc=8), arrival)
        if waits:
            assert released(buffer, 1.0 + waits - 0.001) == []
        assert released(buffer, 1.0 + waits) == [1, 2], "the second is in sequence"
        buffer.push(frame(3, 1.04, csrc=8), 1.04)
        assert released(buffer, 1.04) == [3]


def test_a_packet_that_was_put_back_waits_for_the_deadline() -> None:
    buffer = begun()
    for number in (1, 2):
        buffer.push(frame(number, 5.0), 5.0)
    for packet in buffer.release(5.0):
        buffer.put_back(packet, packet.arrival + 1.5)
        break
    assert released(buffer, 5.0 + DEADLINE - 0.001) == []
    assert released(buffer, 5.0 + DEADLINE) == [1, 2]


@settings(max_examples=200, deadline=None)
@given(
    delays=st.lists(st.none() | st.floats(0.0, 0.15), min_size=2, max_size=40),
    batch=st.sampled_from([0.02, 0.04, 0.1]),
)
def test_whatever_comes_within_the_deadline_is_released_once_and_in_order(
    delays: list[float | None], batch: float
) -> None:
    """``delays`` are those of packets that are sent every 20 ms; None: lost."""
    frames = [frame(n, 0.02 * n + d) for n, d in enumerate(delays) if d is not None]
    buffer, out, at = PromptBuffer(DEADLINE), [], 0.0
    waiting = sorted(frames, key=lambda each: each.arrival)
    while waiting:
        at += batch
        newest = None
        while waiting and waiting[0].arrival < at:
            newest = waiting.pop(0)
            buffer.push(newest, newest.arrival)
            if newest.sequence % 7 == 0:
                buffer.push(newest, newest.arrival)
        if newest is not None:
            out += released(buffer, newest.arrival)
    out += released(buffer, at + 1)
    assert out == sorted(set(out)), "in order, each once"
    arrivals = {n: 0.02 * n + d for n, d in enumerate(delays) if d is not None}
    for number, arrival in arrivals.items():
        later = [other for n, other in arrivals.items() if n > number]
        if not later or arrival < min(later) + DEADLINE:
            assert number in out

"""Stems of slots that carry one speaker at a time, without a tape."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.voices import load_voice
from worker.stems.separate_stems import SeparateStems
from worker.stems.stem_set import SlotAddress
from worker.tape.events import OPUS_MIME_TYPE, Frame

SPEECH = {7: load_voice("aria").speech, 8: load_voice("bruno").speech}


def speak(stems: SeparateStems, csrc: int, at: float) -> None:
    """50 packets in a slot of their own."""
    slot = stems.open_slot(SlotAddress(1, csrc, csrc))
    for number in range(50):
        ticks = number * 960
        frame = Frame(
            0, csrc, (csrc,), number, ticks, 111, OPUS_MIME_TYPE, 0.1, 0.0, None, SPEECH[csrc][number].payload
        )
        slot.buffer.push(frame, at + ticks / 48_000)
    while slot.buffer.pending:
        slot.place(slot.buffer.take())


def test_nothing_is_placed_where_silence_is_settled_already(tmp_path: Path) -> None:
    """The mix of that stretch is written: a packet there would be in one file and not in the other."""
    stems = SeparateStems(tmp_path, None, lambda _source, _at: 0)
    stems.begin(0.0)
    speak(stems, 7, at=1.0)
    stems.settle(240_000)
    speak(stems, 8, at=2.0)
    stems.close(480_000)
    late = [interval for each in stems.heard() if each.source == 8 for interval in each.intervals]
    assert all(start >= 5.0 for start, _ in late)


UNVOICED = bytes([9 << 3, 0x00]) + bytes(40)
"""20 ms of SILK in which the encoder found no voice, as in a refresh of comfort noise."""


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize(("skipped", "is_speech"), [(0, True), (20, False)])
def test_a_lone_packet_is_speech_where_the_senders_clock_stood_still_whether_its_slot_was_closed_or_not(
    is_closed: bool, skipped: int, is_speech: bool, tmp_path: Path
) -> None:
    """25 s after 50 packets comes one without a voice; the clock ran on for ``skipped`` packets. Timestamps wrap in between."""
    stems = SeparateStems(tmp_path, None, lambda _source, _at: 0)
    stems.begin(0.0)
    address = SlotAddress(1, 0, 6666)
    slot = stems.open_slot(address)
    first = 2**32 - 50 * 960
    for number in [*range(50), 50 + skipped]:
        payload = SPEECH[7][number].payload if number < 50 else UNVOICED
        at = 1.0 + number * 0.02 + (25 if number >= 50 else 0)
        timestamp = (first + number * 960) % 2**32
        if number >= 50 and is_closed:
            stems.close_slot(address)
            slot = stems.open_slot(address)
        frame = Frame(0, 6666, (7,), min(number, 50), timestamp, 111, OPUS_MIME_TYPE, 0.1, 0.0, None, payload)
        slot.buffer.push(frame, at)
        while slot.buffer.pending:
            slot.place(slot.buffer.take())
    stems.close(30 * 48_000)
    (heard,) = stems.heard()
    assert [start for start, _ in heard.intervals] == pytest.approx(
        [1.0, 27.0] if is_speech else [1.0], abs=0.005
    )

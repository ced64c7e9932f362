"""Stems of slots that carry one speaker at a time, without a tape."""

from __future__ import annotations

from pathlib import Path

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

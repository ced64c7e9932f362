from __future__ import annotations

import pytest

from fixtures.replica.video.dependency import TEMPLATES, descriptor
from fixtures.replica.video.head import Head, next_head
from fixtures.replica.video.scenario import Layers


class Bits:
    """Reads numbers from the left."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)

    def take(self, width: int) -> int:
        taken, self.text = self.text[:width], self.text[width:]
        assert len(taken) == width
        return int(taken, 2) if width else 0

    def take_below(self, limit: int) -> int:
        """ns(limit) of the AV1 specification §4.10.7."""
        width = limit.bit_length()
        shorter = (1 << width) - limit
        value = self.take(width - 1)
        return value if value < shorter else (value << 1) - shorter + self.take(1)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_key_frame_brings_the_structure(layers: Layers) -> None:
    bits = Bits(descriptor(Head(70_000, 0, 0, layers, 640, 360), first=True, last=False))
    assert (bits.take(1), bits.take(1), bits.take(6), bits.take(16)) == (1, 0, 0, 70_000 - 65_536)
    assert bits.take(5) == 0b10000
    assert bits.take(6) == 0
    targets = bits.take(5) + 1
    assert targets == layers
    temporal = [0]
    while (following := bits.take(2)) != 3:
        temporal.append(temporal[-1] + following)
    templates = TEMPLATES[layers]
    assert temporal == [template.temporal for template in templates]
    for template in templates:
        assert tuple(bits.take(2) for _ in range(targets)) == template.targets
    for template in templates:
        distances = []
        while bits.take(1):
            distances.append(bits.take(4) + 1)
        assert distances == ([] if template.needs is None else [template.needs])
    assert bits.take_below(targets + 1) == 1
    assert [bits.take_below(1) for _ in range(targets)] == [0] * targets
    assert [bits.take(4) for _ in templates] == [template.chain for template in templates]
    assert (bits.take(1), bits.take(16) + 1, bits.take(16) + 1) == (1, 640, 360)
    assert set(bits.text) <= {"0"} and len(bits.text) < 8


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_template_of_a_frame_says_what_the_frame_needs(layers: Layers) -> None:
    head: Head | None = None
    based = 0
    for number in range(20):
        head = next_head(head, key=number in (0, 9), layers=layers, width=320, height=180)
        first, last = divmod(number, 2)
        bits = Bits(descriptor(head, first=bool(first % 2), last=bool(last)))
        assert (bits.take(1), bits.take(1)) == (first % 2, last)
        template = TEMPLATES[layers][bits.take(6)]
        assert (template.temporal, template.needs) == (head.temporal, head.refers)
        assert template.chain == (0 if head.key else number - based)
        based = number if head.temporal == 0 else based
        assert bits.take(16) == number


def test_other_packets_are_three_bytes_long() -> None:
    assert len(descriptor(Head(5, 0, 0, 3, 320, 180), first=False, last=True)) == 3
    assert len(descriptor(Head(5, 0, 1, 3, 320, 180), first=True, last=True)) == 3

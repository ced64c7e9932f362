"""Each packet of a mix goes once into the mix, and with what was lost before it to those who speak in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.live_driving import LiveDrive, drive
from tests.support.live_streams import a_call, frame, payload_of, sent_by
from worker.contracts.live_items import LiveMix, LivePcm
from worker.tape.events import Frame


def teams(frames: Sequence[Frame], *, batch: float = 0.04, continuous: bool = False) -> LiveDrive:
    events = a_call(frames, platform="microsoft_teams", seconds=5, batch=batch)
    return drive(events, 48_000, mixed=True, continuous=continuous)


def samples(chunks: Sequence[LivePcm | LiveMix]) -> npt.NDArray[np.int16]:
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")


def the_mix(driven: LiveDrive) -> npt.NDArray[np.int16]:
    return samples([item for _, item in driven.items if isinstance(item, LiveMix)])


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("continuous", [False, True])
def test_what_is_concealed_is_theirs_who_spoke_until_then(lost: int, continuous: bool) -> None:
    """Ada speaks, and Bo after her; what is lost between them is nobody's, and within Bo's words it is his."""
    missing = {*range(50, 50 + lost), 80}
    frames = [frame(n, csrcs=(7,) if n < 50 else (8,)) for n in range(120) if n not in missing]
    driven = teams(frames, continuous=continuous)
    ada, bo = driven.pcm[7], driven.pcm[8]
    spoken = samples(ada)
    assert spoken[49 * 960 : 50 * 960].any()
    assert not spoken[50 * 960 :].any()
    assert bo[0].position == (50 + lost) * 960
    concealed = samples(bo)[(80 - 50 - lost) * 960 :][:960]
    assert concealed.any()
    assert np.array_equal(the_mix(driven)[80 * 960 : 81 * 960], concealed)


def test_a_stream_that_repeats_another_encoded_anew_is_in_the_mix_once() -> None:
    """Its first packets show its clock; after that it is 100 ms late."""
    alone = [frame(n) for n in range(150)]
    copies = [
        frame(n, slot=1, delay=0.1 if n > 1 else 0.0, payload=payload_of(9, n), csrcs=(7,))
        for n in range(150)
    ]
    once, both = teams(alone), teams([*alone, *copies])
    assert [sent_by(item.payload)[0] for item in both.packets[7][20:]] == [7] * (len(both.packets[7]) - 20)
    begun = 20 * 960
    assert np.array_equal(the_mix(both)[begun : 140 * 960], the_mix(once)[begun : 140 * 960])


def test_a_source_whose_packets_come_by_two_streams_in_turn_keeps_their_order() -> None:
    frames = [frame(n, slot=n % 2, sequence=n // 2) for n in range(100)]
    driven = teams(frames, batch=0.1)
    assert [sent_by(item.payload)[1] for item in driven.packets[7]] == list(range(100))
    assert [item.position // 960 for item in driven.packets[7]] == list(range(100))

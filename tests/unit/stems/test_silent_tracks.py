"""An audio track of a Teams call that stays silent while another carries speech."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.opus_encoder import OpusEncoder
from fixtures.replica.teams.mix_audio import NOISE_BIT_RATE, comfort_noise
from tests.support.streams import Stream
from tests.support.tapes import STARTED_AT
from tests.support.teams_mix import ANN, ANNS, render
from worker.stems.silent_tracks import SPEECH_BESIDE, SilentTracks
from worker.tape.events import PageEvent, ReceiverTapped

NOISE = [
    OpusEncoder(NOISE_BIT_RATE).encode(block) for _, block in zip(range(50), comfort_noise(1), strict=False)
]


def tapped(receiver: int, kind: str = "audio", document: int = 1) -> PageEvent:
    return ReceiverTapped(
        at=STARTED_AT + 0.5, document=document, connection=0, receiver=receiver, kind=kind, via="track"
    )


@pytest.mark.parametrize("sends", ["nothing", "comfort noise", "dtx"])
def test_a_silent_track_beside_one_that_speaks_is_warned_of(sends: str, tmp_path: Path) -> None:
    speaking = Stream(1, 7002).frames(1.0, 28.0, [ANN], ANNS)
    silent = {"nothing": [], "comfort noise": NOISE, "dtx": [b"\xf8"]}[sends]
    frames = Stream(0, 7001).frames(1.0, 28.0, [], silent) if silent else []
    manifest = render(frames + speaking, tmp_path, [tapped(0), tapped(1), tapped(2, "video")])
    assert manifest.recording.warnings == [
        "1 audio track was silent while another carried speech; all tracks are in the files."
    ]


def test_silence_of_all_tracks_or_of_another_document_or_before_the_track_is_no_warning() -> None:
    tracks = SilentTracks()
    for track in [(1, 0), (2, 0), (2, 1)]:
        tracks.open(track)
    tracks.add_speech((1, 0), 100 * SPEECH_BESIDE)
    assert tracks.warnings() == []
    tracks.open((1, 1))
    tracks.add_speech((1, 0), SPEECH_BESIDE - 1)
    assert tracks.warnings() == []
    tracks.add_speech((1, 0), 1)
    assert len(tracks.warnings()) == 1
    tracks.add_speech((1, 1), 1)
    assert tracks.warnings() == []

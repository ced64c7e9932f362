from __future__ import annotations

import json
from itertools import pairwise

import pytest

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams import main_channel, roster
from fixtures.replica.teams.main_channel import NTP_EPOCH, PREFIX, packed
from fixtures.replica.teams.media import DominantChange, Utterance
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals

ADA = Participant(name="Ada", voice="elif", csrc=414)
DOMINANT = [DominantChange(0.5, [414]), DominantChange(3.0, [1053, 414])]
SAID = [Utterance(0, 414, 0.5, 2.0)]
STARTED = 1_795_264_320.25


def meeting(signals: TeamsSignals) -> Scenario:
    return Scenario(title="t", duration=5.0, participants=[ADA], teams=TeamsPage(signals=signals))


def test_the_json_follows_a_binary_prefix() -> None:
    message = packed([{"type": "dsh", "history": [414]}])
    *_, length = PREFIX.unpack(message[: PREFIX.size])
    assert length == len(message) - PREFIX.size
    assert json.loads(message[PREFIX.size :]) == [{"type": "dsh", "history": [414]}]


def test_the_history_of_dominant_speakers_lags() -> None:
    sent = main_channel.messages(meeting(TeamsSignals(dominance_lag=0.7)), DOMINANT, SAID, STARTED)
    assert [(round(message.at, 6), message.value[0]["history"]) for message in sent] == [
        (1.2, [414]),
        (3.7, [1053, 414]),
    ]


def test_captions_grow_until_the_final_one() -> None:
    signals = TeamsSignals(dominance=False, captions=True, captions_lag=1.0)
    sent = main_channel.messages(meeting(signals), DOMINANT, SAID, STARTED)
    results = [message.value["recognitionResults"][0] for message in sent]
    assert [result["isFinal"] for result in results] == [False, False, True]
    assert all(earlier["duration"] < later["duration"] for earlier, later in pairwise(results))
    assert {result["userId"] for result in results} == {roster.member_id(0)}
    for result in results:
        assert result["timestampAudioSent"] / 1e7 - NTP_EPOCH == pytest.approx(STARTED + 0.5, abs=1e-3)
    assert results[-1]["duration"] / 1e4 == pytest.approx(1500)
    assert sent[-1].at == pytest.approx(3.0)


def test_withheld_signals_are_not_sent() -> None:
    assert main_channel.messages(meeting(TeamsSignals(dominance=False)), DOMINANT, SAID, STARTED) == []

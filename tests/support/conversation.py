"""Synthetic conversations for benchmarks: which talker has which slot when."""

from __future__ import annotations

import random

from fixtures.replica.voices import load_voice, voice_names
from tests.support.tapes import Talker


def monologues(seconds: float) -> list[Talker]:
    """Three people who talk all the time, each in a slot: 150 packets a second, the most that Meet sends."""
    return [_talker(number, number, [(0.0, seconds)]) for number in range(3)]


def conversation(seconds: float, people: int = 8, *, share: float = 0.4, seed: int = 1) -> list[Talker]:
    """Three slots that ``people`` take in turns; each slot carries speech for about ``share`` of the time.

    In a conversation, speech activity per channel is about 40 % (ITU-T P.59).
    """
    rng = random.Random(seed)
    turns: list[list[tuple[float, float]]] = [[] for _ in range(people)]
    for slot in range(3):
        at = rng.uniform(0, 2)
        members = range(slot, people, 3)
        while at < seconds - 8:
            length = rng.uniform(0.5, 5.5)
            turns[rng.choice(members)].append((at, at + length))
            at += length + 0.1 + rng.expovariate(share / (3 * (1 - share)))
    ppm = [100.0, -100.0, 60.0, -60.0, 30.0, -30.0, 10.0, 0.0]
    return [_talker(number, number % 3, turns[number], ppm[number % len(ppm)]) for number in range(people)]


def _talker(number: int, slot: int, turns: list[tuple[float, float]], ppm: float = 0.0) -> Talker:
    speech = load_voice(voice_names()[number]).speech
    return Talker(
        csrc=1_000 + number,
        slot=slot,
        turns=turns,
        payloads=[packet.payload for packet in speech],
        levels=[10 ** (-packet.level / 20) for packet in speech],
        ppm=ppm,
    )

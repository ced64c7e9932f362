"""Whether a packet holds somebody's voice, as far as that shows without decoding it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from worker.audio.opus import voice_activity


def is_voiced(csrcs: Sequence[int], payload: bytes) -> bool:
    """Whether an Opus packet counts as speech: it lists a source, or its encoder found a voice in it, or it does not show that.

    A packet that lists nobody and in which the encoder found no voice is comfort noise: Teams' mixer sends it while nobody
    speaks, as packets of the same form as speech.
    """
    return bool(csrcs) or voice_activity(payload) is not False

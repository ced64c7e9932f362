"""The forms that stems and mixes are converted to, and how long the files are: known before they are made (pure)."""

from __future__ import annotations

from typing import Final

from worker.audio.opus import SAMPLE_RATE

FORMS: Final = ("raw", "mp3")

RAW_RATE: Final = 16_000
"""Samples a second of the raw form: 16 bits, mono (Recall.ai, "How to get Separate Audio per Participant")."""
RAW_BYTES: Final = 2
"""Bytes of a sample of it."""

MP3_BIT_RATE: Final = 64_000
MP3_FRAME: Final = 1_152
"""Samples of an MPEG-1 Layer III frame (ISO 11172-3)."""
MP3_FRAME_BYTES: Final = 144 * MP3_BIT_RATE // SAMPLE_RATE
"""At this rate a whole number, so that no frame is padded."""
LAME_DELAY: Final = 576
"""Samples that LAME's encoder adds in front."""
_DECODER_DELAY: Final = 529
"""Samples that every decoder adds in front; readers of the Info tag know it."""


def converted_bytes(form: str, samples: int) -> int:
    """The length of the file in ``form`` of ``samples`` at 48 kHz. Raises ValueError for an unknown form."""
    match form:
        case "raw":
            return raw_samples(samples) * RAW_BYTES
        case "mp3":
            return (1 + mp3_frames(samples)) * MP3_FRAME_BYTES
        case _:
            raise ValueError(f"form {form!r}: expected {' or '.join(FORMS)}")


def raw_samples(samples: int) -> int:
    """The samples at RAW_RATE."""
    return round(samples * RAW_RATE / SAMPLE_RATE)


def mp3_frames(samples: int) -> int:
    """The frames that hold all samples and both delays."""
    return -(-(samples + LAME_DELAY + _DECODER_DELAY) // MP3_FRAME)

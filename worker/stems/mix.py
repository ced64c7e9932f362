"""All speakers added up, decoded with concealment, while the meeting runs."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext

from worker.stems.opus import FRAME_SAMPLES, LONGEST_PACKET, SAMPLE_RATE, merge_packets

CONCEALED_AT_MOST = SAMPLE_RATE // 10
"""Concealment fades out; past 100 ms a loss is silence."""

Samples = npt.NDArray[np.int16]
Sums = npt.NDArray[np.int32]


class SampleSink(Protocol):
    """Takes the finished mix in order."""

    def write(self, samples: Sums) -> None:
        """Appends samples at 48 kHz; full scale is that of 16 bits, what is louder is the sink's to clip."""

    def close(self) -> None:
        """No samples follow."""


class Mix:
    """The sum of all voices, second by second: seconds that are written are gone, the others can still be added to."""

    def __init__(self, sink: SampleSink) -> None:
        self._sink = sink
        self._start = 0
        """Meeting time of the first second that is kept, in samples."""
        self._seconds: deque[Sums] = deque()
        self._voices: list[Voice] = []

    def voice(self) -> Voice:
        """A new speaker in the mix."""
        voice = Voice(self)
        self._voices.append(voice)
        return voice

    def add(self, position: int, samples: Samples) -> None:
        """Adds samples at ``position`` (samples of meeting time); what lies before the kept seconds is left out."""
        position -= self._start
        if position < 0:
            samples = samples[-position:]
            position = 0
        while len(samples):
            second, at = divmod(position, SAMPLE_RATE)
            while second >= len(self._seconds):
                self._seconds.append(np.zeros(SAMPLE_RATE, np.int32))
            part = samples[: SAMPLE_RATE - at]
            self._seconds[second][at : at + len(part)] += part
            samples = samples[len(part) :]
            position += len(part)

    def write_until(self, position: int) -> None:
        """Writes the whole seconds before ``position``; nothing can be added to them any more."""
        for voice in self._voices:
            voice.settle()
        while self._start + SAMPLE_RATE <= position:
            self._write_second(SAMPLE_RATE)

    def close(self, end: int) -> None:
        """Writes what is left up to ``end`` (samples of meeting time) and closes the file."""
        self.write_until(end)
        if end > self._start:
            self._write_second(end - self._start)
        self._sink.close()

    def _write_second(self, count: int) -> None:
        second = self._seconds.popleft() if self._seconds else np.zeros(count, np.int32)
        self._sink.write(second[:count])
        self._start += count


class Voice:
    """One speaker's decoder: libopus, which conceals what is lost."""

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._decoder = _decoder()
        self._group: list[bytes] = []
        self._group_start = 0
        self._group_end = 0
        self._group_toc = -1
        self._concealing_toc = -1
        """What the last decoded packet was like; -1 where there is nothing to go on from."""
        self.undecodable = 0
        """Packets that the decoder would not take; they are silent in the mix."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Takes a packet of speech at ``position``, in order."""
        toc = payload[0]
        if position != self._group_end:
            self.settle()
            self._begin_spurt(position)
        elif toc != self._group_toc or position + samples - self._group_start > LONGEST_PACKET:
            self.settle()
        self._group_toc = toc if not toc & 3 else -1
        self._group.append(payload)
        self._group_end = position + samples

    def conceal(self, position: int, samples: int) -> None:
        """Fills in for ``samples`` of lost speech at ``position``, where the last packet ended.

        A packet without frames makes the decoder conceal as long as its table of contents says (RFC 6716, section 3.2.1).
        """
        self.settle()
        if self._concealing_toc < 0:
            return
        frame = FRAME_SAMPLES[self._concealing_toc]
        for start in range(0, min(samples, CONCEALED_AT_MOST) - frame + 1, frame):
            self._decode(bytes([self._concealing_toc]), position + start, frame)
        self._group_start = self._group_end = position + samples

    def settle(self) -> None:
        """Decodes what was gathered: several packets of one kind cost one call."""
        group = self._group
        if not group:
            return
        payload = group[0] if len(group) == 1 else merge_packets(group)
        self._decode(payload, self._group_start, self._group_end - self._group_start)
        self._concealing_toc = payload[0] & 0xFC
        self._group = []
        self._group_start = self._group_end

    def _begin_spurt(self, position: int) -> None:
        self._decoder.flush_buffers()
        self._concealing_toc = -1
        self._group_start = position

    def _decode(self, payload: bytes, position: int, samples: int) -> None:
        """Adds a packet to the mix, at most ``samples`` of it."""
        try:
            frames = self._decoder.decode(av.Packet(payload))
        except av.FFmpegError:
            self.undecodable += 1
            return
        for frame in frames:
            pcm = np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples)
            self._mix.add(position, pcm[:samples])
            position += frame.samples


def _decoder() -> AudioCodecContext:
    """A mono decoder at 48 kHz, 16 bit; a stereo packet comes out mono."""
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = SAMPLE_RATE
    context.layout = "mono"
    return context

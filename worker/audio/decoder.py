"""Decodes a speaker's Opus packets to PCM and conceals losses (pure)."""

from __future__ import annotations

from operator import attrgetter
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext

from worker.audio.downsampling import Downsampler, step_of
from worker.audio.opus import FRAME_SAMPLES, LONGEST_PACKET, SAMPLE_RATE, merge_packets

MAX_CONCEALED = SAMPLE_RATE // 10
"""100 ms in samples: concealment fades out by then, the rest of a loss is silence."""

Samples = npt.NDArray[np.int16]


class PcmSink(Protocol):
    """Receives decoded speech."""

    def add(self, position: int, samples: Samples) -> None:
        """Adds ``samples``, mono at the decoder's rate, from ``position`` on (samples of meeting time at 48 kHz).

        Positions only grow.
        """


MOST_DECODERS = 64
"""Talk-spurts that are decoded at the same time; of more, the one that ended first is continued by a fresh decoder."""


class DecoderPool:
    """libopus decoders for any number of sources: a source has one only for a talk-spurt, at whose start a decoder is reset.

    So it makes no difference which decoder a talk-spurt gets.
    """

    def __init__(self) -> None:
        self._users: dict[SpeechDecoder, None] = {}
        self._idle: list[AudioCodecContext] = []
        self.undecodable = 0
        """Packets of all users that could not be decoded; they are silent."""

    def take(self, user: SpeechDecoder) -> AudioCodecContext:
        """A decoder for a talk-spurt of ``user``, until ``give_back``."""
        if len(self._users) >= MOST_DECODERS:
            min(self._users, key=attrgetter("end")).rest()
        self._users[user] = None
        return self._idle.pop() if self._idle else mono_decoder()

    def give_back(self, user: SpeechDecoder, decoder: AudioCodecContext) -> None:
        """The talk-spurt of ``user`` is over."""
        del self._users[user]
        self._idle.append(decoder)

    def settle(self, position: int) -> None:
        """Decodes what waits. All talk-spurts that ended before ``position`` (samples of meeting time) are over."""
        for user in list(self._users):
            user.settle()
            if user.end < position:
                user.rest()


class SpeechDecoder:
    """Decodes one speaker's packets of speech to PCM with libopus, which conceals losses.

    A packet that cannot be decoded is silent and counted; no valid packet raises.
    """

    def __init__(self, sink: PcmSink, pool: DecoderPool | None = None, rate: int = SAMPLE_RATE) -> None:
        """``pool`` lends the decoder; without one it is this speaker's own. ``rate`` is that of the PCM; it divides 48,000.

        FFmpeg's libopus decodes at 48 kHz only.
        """
        self._sink = sink
        self._downsampler = Downsampler(rate) if step_of(rate) > 1 else None
        self._pool = pool or DecoderPool()
        self._decoder: AudioCodecContext | None = None
        self._group: list[bytes] = []
        self._group_start = 0
        self._group_end = 0
        self._group_toc = -1
        self._concealing_toc = -1
        """The table of contents (with code 0) that concealment continues; -1 at the beginning of a talk-spurt."""
        self.undecodable = 0
        """Packets that could not be decoded; they are silent."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a valid packet (worker.audio.opus.parse_packet) of speech at ``position``; packets come in order."""
        toc = payload[0]
        if position != self._group_end or self._decoder is None:
            self.settle()
            self._begin_spurt(position)
        elif toc != self._group_toc or position + samples - self._group_start > LONGEST_PACKET:
            self.settle()
        self._group_toc = toc if not toc & 3 else -1
        self._group.append(payload)
        self._group_end = position + samples

    @property
    def end(self) -> int:
        """Where the last packet ended, in samples of meeting time."""
        return self._group_end

    def conceal(self, position: int, samples: int) -> None:
        """Conceals ``samples`` of lost speech at ``position``, where the last packet ended.

        A packet without frames makes the decoder conceal as long as its table of contents says (RFC 6716, section 3.2.1).
        """
        self.settle()
        if self._concealing_toc < 0 or position != self._group_end:
            return
        frame = FRAME_SAMPLES[self._concealing_toc]
        for start in range(0, min(samples, MAX_CONCEALED) - frame + 1, frame):
            self._decode(bytes([self._concealing_toc]), position + start, frame)
        self._group_start = self._group_end = position + samples

    def settle(self) -> None:
        """Decodes the packets that wait: several with the same table of contents need only one call.

        Where the decoder refuses them together, each is decoded by itself, so that only the one at fault is silent.
        """
        group = self._group
        if not group:
            return
        self._group = []
        start, samples = self._group_start, self._group_end - self._group_start
        self._group_start = self._group_end
        self._concealing_toc = group[-1][0] & 0xFC
        if len(group) > 1 and self._decode(merge_packets(group), start, samples):
            return
        each = samples // len(group)
        for number, payload in enumerate(group):
            if not self._decode(payload, start + number * each, each):
                self.undecodable += 1
                self._pool.undecodable += 1

    def rest(self) -> None:
        """Ends the talk-spurt, and gives the decoder back."""
        self.settle()
        if self._decoder is not None:
            self._pool.give_back(self, self._decoder)
            self._decoder = None
        self._concealing_toc = -1

    def _begin_spurt(self, position: int) -> None:
        if self._decoder is None:
            self._decoder = self._pool.take(self)
        self._decoder.flush_buffers()
        if self._downsampler is not None:
            self._downsampler.reset()
        self._concealing_toc = -1
        self._group_start = position

    def _decode(self, payload: bytes, position: int, samples: int) -> bool:
        """Decodes a packet and adds at most ``samples`` of it to the sink. Returns False where that fails."""
        assert self._decoder is not None
        try:
            frames = self._decoder.decode(av.Packet(payload))
        except Exception:  # noqa: BLE001 - whatever the decoder raises, the other speakers go on
            return False
        for frame in frames:
            pcm = np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples)
            pcm = pcm[:samples]
            self._sink.add(position, pcm if self._downsampler is None else self._downsampler.reduce(pcm))
            position += frame.samples
        return True


def mono_decoder() -> AudioCodecContext:
    """A mono decoder at 48 kHz, 16 bit; it mixes a stereo packet down to mono."""
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = SAMPLE_RATE
    context.layout = "mono"
    return context

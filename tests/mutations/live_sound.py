"""Faults of live sound."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

STREAMING: Final = "tests/unit/streaming/"
SOUND: Final = f"{STREAMING}test_live_sound.py"
GATED: Final = f"{STREAMING}test_gated_sound.py"
TAPES: Final = f"{STREAMING}test_live_tapes.py"


def _mutation(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(breaks, file, old, new, tests, browser=())


LIVE_SOUND: Final = (
    _mutation(
        "packets in sequence wait live",
        "worker/streaming/prompt_placement.py",
        "        while pending and (pending[0].due <= limit or self._goes_on(pending[0], now)):",
        "        while pending and pending[0].due <= limit:",
        SOUND,
    ),
    _mutation(
        "live nothing waits for packets that are missing",
        "worker/streaming/prompt_placement.py",
        "        limit = now - self._deadline\n",
        "        limit = now\n",
        SOUND,
    ),
    _mutation(
        "the drift of a sender that does not pause is not corrected live",
        "worker/streaming/prompt_placement.py",
        "            elif allows_correction(drift, packet):\n",
        "            elif False:\n",
        SOUND,
    ),
    _mutation(
        "live what was queued stays where a clock that stood still would have put it",
        "worker/streaming/prompt_placement.py",
        "            track.go_back(place)\n",
        "            pass\n",
        SOUND,
    ),
    _mutation(
        "a lone refresh of comfort noise is sent live",
        "worker/streaming/separate_sound.py",
        "        if not goes_on and may_be_comfort_noise(payload):\n",
        "        if False:\n",
        SOUND,
    ),
    _mutation(
        "an unvoiced beginning of a word is not sent live",
        "worker/streaming/separate_sound.py",
        "                self._give(*held)\n",
        "                self._count_noise()\n",
        SOUND,
        TAPES,
    ),
    _mutation(
        "a packet that lists several is only the first one's live",
        "worker/streaming/separate_sound.py",
        "        for key in keys[1:]:\n",
        "        for key in ():\n",
        SOUND,
    ),
    _mutation(
        "a packet that lists several is in the live mix for each",
        "worker/streaming/separate_sound.py",
        "        self._now.into_mix = False\n",
        "",
        SOUND,
    ),
    _mutation(
        "a shared packet counts as separated",
        "worker/streaming/separate_sound.py",
        "Isolation.GATED_MIX if shared else Isolation.SEPARATED",
        "Isolation.SEPARATED",
        SOUND,
    ),
    _mutation(
        "a slot that takes a source over labels its packets by the other slot's",
        "worker/streaming/separate_sound.py",
        "            self._sound.note_packet(packet)\n",
        "            pass\n",
        SOUND,
    ),
    _mutation(
        "live a source is never forgotten",
        "worker/streaming/separate_sound.py",
        "                self._forget(voice)\n",
        "                pass\n",
        SOUND,
    ),
    _mutation(
        "any number of sources is heard live",
        "worker/streaming/separate_sound.py",
        "            if len(self._voices) >= MOST_SOURCES:\n",
        "            if False:\n",
        SOUND,
    ),
    _mutation(
        "a copy of the mix is sent twice",
        "worker/streaming/gated_sound.py",
        "        if self._slots_opened > 1 and self._repeated.is_repeated(\n",
        "        if False and self._repeated.is_repeated(\n",
        SOUND,
    ),
    _mutation(
        "what was lost of the mix is not concealed",
        "worker/streaming/gated_sound.py",
        "        if packet.concealed:\n",
        "        if False:\n",
        SOUND,
    ),
    _mutation(
        "live the first hint counts instead of the latest",
        "worker/streaming/live_gate.py",
        "            self._dominant = hint.history[0]\n",
        "            self._dominant = self._dominant or hint.history[0]\n",
        f"{STREAMING}test_live_gate.py",
    ),
    _mutation(
        "a caption counts for ever",
        "worker/streaming/live_gate.py",
        "moment < self._caption_until",
        "moment < moment + self._caption_until",
        f"{STREAMING}test_live_gate.py",
    ),
    _mutation(
        "frames from before the beginning are not sent",
        "worker/streaming/live_sound.py",
        "            self._push(delivery, self._clock)\n        self._held.clear()\n",
        "            pass\n        self._held.clear()\n",
        SOUND,
    ),
    _mutation(
        "a pause of the recording is a loss live",
        "worker/streaming/live_sound.py",
        "                self._intake.note_resumed(event.at - self._clock.zero)\n",
        "                pass\n",
        SOUND,
    ),
    _mutation(
        "the mix does not wait for packets that are on their way",
        "worker/streaming/live_sound.py",
        "        delay = max(self._deadline * (2 if waits else 1), self._lateness.value)\n",
        "        delay = 0.0\n",
        TAPES,
        SOUND,
    ),
    _mutation(
        "the mix of Teams waits",
        "worker/streaming/live_sound.py",
        "                until = max(until, self._mixer.end)\n",
        "                pass\n",
        SOUND,
    ),
    _mutation(
        "a short pause breaks the live stream",
        "worker/audio/pcm_chunks.py",
        "FILLED: Final = SAMPLE_RATE // 5\n",
        "FILLED: Final = 0\n",
        SOUND,
    ),
    _mutation(
        "a stream with silence goes back in time",
        "worker/audio/pcm_stream.py",
        "        if behind > MOST_BEHIND:\n",
        "        if False:\n",
        "tests/unit/audio/test_pcm_stream.py",
    ),
    _mutation(
        "silence is sent where words still come by jitter",
        "worker/audio/pcm_stream.py",
        "self._fill(position - SILENT_AFTER)",
        "self._fill(position)",
        SOUND,
    ),
    _mutation(
        "who left is sent as silence",
        "worker/streaming/live_source.py",
        "passed_on and silence > ",
        "False and silence > ",
        SOUND,
    ),
    _mutation(
        "new speakers are not heard live once there are many",
        "worker/streaming/live_source.py",
        "longest is not None and longest.heard < at - GIVES_WAY",
        "False",
        SOUND,
    ),
    _mutation(
        "live what was lost before somebody spoke is theirs",
        "worker/streaming/gated_sound.py",
        "spoke_until >= packet.concealed_at",
        "True",
        GATED,
    ),
    _mutation(
        "copies are twice in the live mix of Teams",
        "worker/streaming/gated_sound.py",
        "self._mixer is not None and not repeated",
        "self._mixer is not None",
        GATED,
    ),
    _mutation(
        "live the packets of two streams of Teams come one stream after the other",
        "worker/streaming/gated_sound.py",
        "        if len(self._tracks) > 1:\n",
        "        if False:\n",
        GATED,
    ),
    _mutation(
        "live captions expire by the server's clock",
        "worker/streaming/live_gate.py",
        "at + UNFINISHED",
        "hint.end + UNFINISHED",
        f"{STREAMING}test_live_gate.py",
    ),
    _mutation(
        "the live mix is not clipped",
        "worker/audio/live_mixer.py",
        "np.clip(self._sums[:count], -32_768, 32_767)",
        "self._sums[:count]",
        "tests/unit/audio/test_live_mixer.py",
    ),
    _mutation(
        "PCM at 16 kHz is clicked together of pieces",
        "worker/audio/downsampling.py",
        "        self._past = source[-(TAPS - 1) :]\n",
        "",
        "tests/unit/audio/test_downsampling.py",
    ),
)

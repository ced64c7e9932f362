"""Faults in what becomes of packets: their order, place, speaker, decoding and files."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

AUDIO: Final = "tests/unit/audio/"
STEMS: Final = "tests/unit/stems/"
RENDERING: Final = "tests/unit/rendering/"


def _mutation(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    """No browser shows these better than a tape."""
    return Mutation(breaks, file, old, new, tests, browser=())


MEDIA: Final = (
    _mutation(
        "copies of 512 bytes and more are cut off",
        "worker/audio/red.py",
        "fields >> 10, fields & 0x3FF",
        "fields >> 10, fields & 0x1FF",
        f"{AUDIO}test_red.py",
    ),
    _mutation(
        "the marker of the loudest is taken for a participant",
        "worker/roster/sources.py",
        "LOUDEST_MARKER: Final = 42",
        "LOUDEST_MARKER: Final = 43",
        f"{STEMS}test_jitter_buffer.py",
        "tests/unit/lifecycle/test_media_state.py",
    ),
    # Order and place.
    _mutation(
        "late packets count as duplicates",
        "worker/stems/lost_sequences.py",
        "REMEMBERED_LOSSES = 1_024",
        "REMEMBERED_LOSSES = 2",
        f"{STEMS}test_jitter_buffer.py",
    ),
    _mutation(
        "a restarted stream is taken for a loss of minutes",
        "worker/stems/jitter_buffer.py",
        "MAX_DROPOUT = 3_000",
        "MAX_DROPOUT = 30_000",
        f"{STEMS}test_jitter_buffer.py",
    ),
    _mutation(
        "a floor from before a long pause places a drifting sender",
        "worker/stems/rtp_clock.py",
        "STALE = 10 * SAMPLE_RATE",
        "STALE = 1_000_000 * SAMPLE_RATE",
        f"{STEMS}test_rtp_clock.py",
        f"{STEMS}test_placement.py",
        f"{STEMS}test_honest_senders.py",
    ),
    _mutation(
        "speech that continues in another slot gets a gap",
        "worker/stems/placement.py",
        "SEAMLESS = 4 * QUANTUM",
        "SEAMLESS = 0",
        f"{STEMS}test_placement.py",
        f"{STEMS}test_honest_senders.py",
    ),
    _mutation(
        "a sender's clock that stood still for 0.5 s is not noticed",
        "worker/stems/rtp_clock.py",
        "STALL = SAMPLE_RATE // 10",
        "STALL = SAMPLE_RATE",
        f"{STEMS}test_rtp_clock.py",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "a source that moves to another slot leaves its last packets behind",
        "worker/stems/placement.py",
        "            self.place(self.buffer.take())\n        self._track = None",
        "            break\n        self._track = None",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "after a pause of silent packets speech goes on where it was",
        "worker/stems/placement.py",
        "        self._next_timestamp = -1\n        self._next_sequence = packet.sequence + 1",
        "        self._next_sequence = packet.sequence + 1",
        f"{STEMS}test_placement.py",
        f"{STEMS}test_honest_senders.py",
    ),
    _mutation(
        "losses before a silent packet are not counted",
        "worker/stems/placement.py",
        "            self._track.lost += self._missing(packet)\n        else:",
        "            pass\n        else:",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "losses before speech are not counted",
        "worker/stems/placement.py",
        "        track.lost += missing",
        "        pass",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "losses are not concealed",
        "worker/stems/placement.py",
        "            track.conceal(lost_samples)",
        "            pass",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "an arrival floor outlasts a minute of drift",
        "worker/stems/arrival_floor.py",
        "REMEMBERED_BLOCKS = 10",
        "REMEMBERED_BLOCKS = 60",
        f"{STEMS}test_arrival_floor.py",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "an arrival floor forgets after two seconds",
        "worker/stems/arrival_floor.py",
        "REMEMBERED_BLOCKS = 10",
        "REMEMBERED_BLOCKS = 2",
        f"{STEMS}test_arrival_floor.py",
        f"{STEMS}test_placement.py",
    ),
    _mutation(
        "a network that stalls in the middle of speech is taken for a clock that stood still",
        "worker/stems/rtp_clock.py",
        "STALL_IN_SPEECH = SAMPLE_RATE",
        "STALL_IN_SPEECH = SAMPLE_RATE // 10",
        f"{STEMS}test_rtp_clock.py",
        f"{STEMS}test_honest_senders.py",
    ),
    _mutation(
        "silence is written over speech that a stalled network still delivers",
        "worker/rendering/renderer.py",
        "SETTLED_AFTER = 30.0",
        "SETTLED_AFTER = 0.6",
        f"{RENDERING}test_renderer.py::test_speech_that_a_stalled_network_delivers_late_is_at_its_place",
    ),
    _mutation(
        "a renderer forgets what was heard before the recording began",
        "worker/rendering/deferred.py",
        "HELD_SECONDS = 10.0",
        "HELD_SECONDS = 0.1",
        f"{RENDERING}test_renderer.py::test_frames_received_before_recording_started_is_fed_count_from_its_time",
    ),
    # Stems.
    _mutation(
        "the thirtieth speaker has no file",
        "worker/stems/overflow.py",
        "MOST_SOURCES = 250",
        "MOST_SOURCES = 25",
        f"{STEMS}test_overflow_stem.py",
    ),
    _mutation(
        "the file of one who speaks late is filled with silence only then",
        "worker/stems/separate_stems.py",
        "        stem.track.be_silent_until(self._settled)\n",
        "",
        f"{STEMS}test_separate_stems.py",
    ),
    _mutation(
        "unattributed speech counts as separated",
        "worker/stems/separate_stems.py",
        '"mixed-only" if key < 0 or divided else',
        '"mixed-only" if divided else',
        f"{RENDERING}test_renderer.py",
    ),
    _mutation(
        "pauses of up to half a second count as speech",
        "worker/stems/speaker_track.py",
        "SPURT_GAP = 12_000",
        "SPURT_GAP = 24_000",
        f"{STEMS}test_speaker_track.py",
    ),
    _mutation(
        "timestamps in a stem are rounded down",
        "worker/audio/webm.py",
        "packet.pts = packet.dts = (position + 24) // _MILLISECOND\n        self._mux",
        "packet.pts = packet.dts = position // _MILLISECOND\n        self._mux",
        f"{AUDIO}test_webm.py",
    ),
    _mutation(
        "hints are not believed until long after the last CSRC",
        "worker/stems/gate.py",
        "UNLISTED_SPEECH = 5 * SAMPLE_RATE",
        "UNLISTED_SPEECH = 50 * SAMPLE_RATE",
        f"{STEMS}test_gate.py",
    ),
    _mutation(
        "quiet ends of words are taken for noise",
        "worker/stems/gate.py",
        "NEARBY = SAMPLE_RATE // 2",
        "NEARBY = SAMPLE_RATE // 10",
        f"{STEMS}test_gate.py",
    ),
    _mutation(
        "a second track's copy of a moment is appended",
        "worker/stems/stem_router.py",
        "MAX_STEP_BACK = SAMPLE_RATE // 20",
        "MAX_STEP_BACK = SAMPLE_RATE",
        f"{STEMS}test_stem_router.py",
    ),
    _mutation(
        "whoever sent the same bytes before costs a speaker a packet",
        "worker/stems/repeated_packets.py",
        "self._tracks.get((payload, csrcs))",
        "self._tracks.get((payload, ()))",
        f"{STEMS}test_repeated_packets.py",
    ),
    _mutation(
        "the late end of a second track is appended",
        "worker/stems/stem_router.py",
        "MOST_DELAY = SAMPLE_RATE",
        "MOST_DELAY = 0",
        f"{STEMS}test_stem_router.py",
    ),
    _mutation(
        "a track that took over is left out as before",
        "worker/stems/gated_stems.py",
        "track.slot.last_arrival * SAMPLE_RATE >= position",
        "track.slot.last_arrival >= 0",
        f"{STEMS}test_repeated_packets.py",
    ),
    _mutation(
        "silence on one receiver hides that another misses all speech",
        "worker/lifecycle/media_state.py",
        "missed_since=None if speech else media.missed_since",
        "missed_since=None",
        "tests/unit/lifecycle/test_media_state.py",
    ),
    _mutation(
        "a recording with a deaf receiver counts as complete",
        "worker/manifest/recording_facts.py",
        "            receivers_deaf=len(self._deaf),\n",
        "",
        "tests/unit/manifest/test_recording_facts.py",
    ),
    _mutation(
        "an event that no tape holds ends the recording",
        "worker/recording/recorder.py",
        "        except UnwritableEventError as error:",
        "        except TapeWriteError as error:",
        "tests/unit/recording/test_recorder.py",
    ),
    # The mix.
    _mutation(
        "of several who speak at once the last one is heard",
        "worker/audio/mixer.py",
        "sums[at : at + len(part)] += part",
        "sums[at : at + len(part)] = part",
        f"{RENDERING}test_fuzzed_tapes.py",
        f"{AUDIO}test_mixer.py",
    ),
    _mutation(
        "a decoder goes on from the talk-spurt before",
        "worker/audio/decoder.py",
        "        self._decoder.flush_buffers()\n",
        "",
        f"{AUDIO}test_mixer.py",
        f"{AUDIO}test_decoder.py",
    ),
    _mutation(
        "half of a short loss is a gap",
        "worker/audio/decoder.py",
        "MAX_CONCEALED = SAMPLE_RATE // 10",
        "MAX_CONCEALED = SAMPLE_RATE // 20",
        f"{AUDIO}test_mixer.py",
        f"{AUDIO}test_decoder.py",
    ),
    _mutation(
        "a decoder that gives more than was asked for is believed",
        "worker/audio/decoder.py",
        "pcm[:samples]",
        "pcm",
        f"{AUDIO}test_mixer.py",
        f"{AUDIO}test_decoder.py",
    ),
    _mutation(
        "losses are silent in the mix",
        "worker/audio/decoder.py",
        "        self._concealing_toc = group[-1][0] & 0xFC",
        "        self._concealing_toc = -1",
        f"{AUDIO}test_mixer.py",
        f"{AUDIO}test_decoder.py",
    ),
    _mutation(
        "a loud mix wraps around",
        "worker/audio/wav.py",
        "np.clip(samples, -32768, 32767)",
        "samples",
        f"{AUDIO}test_wav.py",
    ),
    _mutation(
        "a process that dies takes its speech along",
        "worker/rendering/parallel_mixer.py",
        "        calls = [call for each in inputs for call in each.calls_of(self)]",
        "        calls = []",
        f"{RENDERING}test_parallel_mixer.py",
    ),
    # What is told.
    _mutation(
        "nobody is told of a receiver that was deaf",
        "worker/manifest/recording_facts.py",
        "        if self._deaf:",
        "        if False:",
        "tests/unit/manifest/test_recording_facts.py",
    ),
    _mutation(
        "nobody is told of what the page dropped",
        "worker/manifest/recording_facts.py",
        "        for what, count in sorted(self._dropped.items()):",
        "        for what, count in ():",
        "tests/unit/manifest/test_recording_facts.py",
    ),
    _mutation(
        "a quiet speaker counts as silence",
        "worker/lifecycle/media_state.py",
        "QUIET_LEVEL: Final = 0.001",
        "QUIET_LEVEL: Final = 0.05",
        "tests/unit/lifecycle/test_media_state.py",
    ),
    _mutation(
        "the merged document names the last attempt's mix",
        "worker/manifest/merge.py",
        "        mixed_audio=parts[0].mixed_audio,",
        "        mixed_audio=parts[-1].mixed_audio,",
        "tests/unit/manifest/test_merge.py",
    ),
)

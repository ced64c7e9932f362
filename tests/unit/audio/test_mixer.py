import numpy as np

from fixtures.replica.voices import load_voice
from tests.support.kept_samples import KeptSamples
from tests.support.opus_packets import decode
from worker.audio.decoder import MOST_DECODERS
from worker.audio.mixer import Mixer, Sums

SPEECH = [packet.payload for packet in load_voice("aria").speech[:100]]


def mixed(spurts: list[tuple[int, int, list[bytes]]], end: int, step: int = 48_000) -> Sums:
    """Mixes (voice, position, packets of 20 ms) and writes every ``step`` samples."""
    sink = KeptSamples()
    mixer = Mixer(sink)
    voices = {number: mixer.open_input() for number in {number for number, _, _ in spurts}}
    for number, position, payloads in spurts:
        for index, payload in enumerate(payloads):
            voices[number].speak(position + index * 960, 960, payload)
    for until in range(0, end, step):
        mixer.write_until(until)
    mixer.close(end)
    assert sink.closed
    return sink.samples


def test_a_voice_is_decoded_at_its_position() -> None:
    sound = mixed([(1, 4_800, SPEECH)], 4_800 + 960 * 100 + 1_000)
    assert len(sound) == 4_800 + 960 * 100 + 1_000
    assert not sound[:4_800].any()
    assert np.array_equal(sound[4_800:-1_000], decode(SPEECH))


def test_voices_are_added() -> None:
    others = [packet.payload for packet in load_voice("bruno").speech[:50]]
    both = mixed([(1, 0, SPEECH), (2, 24_000, others)], 96_000)
    expected = decode(SPEECH).astype(np.int32)
    expected[24_000 : 24_000 + 48_000] += decode(others)
    assert np.array_equal(both, expected)


def test_the_bytes_do_not_depend_on_when_they_are_written() -> None:
    spurts = [(1, 0, SPEECH[:50]), (2, 9_600, SPEECH[50:])]
    assert np.array_equal(mixed(spurts, 96_000, 48_000), mixed(spurts, 96_000, 4_800))


def test_a_short_loss_is_concealed_without_a_click() -> None:
    sink = KeptSamples()
    mixer = Mixer(sink)
    voice = mixer.open_input()
    for number, payload in enumerate(SPEECH[:33]):
        voice.speak(number * 960, 960, payload)
    voice.conceal(33 * 960, 2 * 960)
    for number, payload in enumerate(SPEECH[35:70], start=35):
        voice.speak(number * 960, 960, payload)
    mixer.close(70 * 960)
    before = sink.samples[32 * 960 : 33 * 960]
    lost = sink.samples[33 * 960 : 35 * 960]
    assert np.abs(lost).max() > 500, "concealed, not a gap of zeros"
    assert abs(lost[0] - before[-1]) < 3_000, "no click at its beginning"


def test_a_long_loss_is_silent_after_100_ms() -> None:
    sink = KeptSamples()
    mixer = Mixer(sink)
    voice = mixer.open_input()
    for number, payload in enumerate(SPEECH[:20]):
        voice.speak(number * 960, 960, payload)
    voice.conceal(20 * 960, 48_000)
    mixer.close(70 * 960)
    assert not sink.samples[20 * 960 + 4_800 :].any()


def test_an_undecodable_packet_is_silent_and_counted() -> None:
    sink = KeptSamples()
    mixer = Mixer(sink)
    voice = mixer.open_input()
    voice.speak(0, 5_760, b"\xfb\x3f\xff\xff")
    mixer.close(9_600)
    assert voice.undecodable == 1
    assert len(sink.samples) == 9_600


def test_packets_that_cannot_be_decoded_are_counted_for_all_voices() -> None:
    mixer = Mixer(KeptSamples())
    for number in range(2):
        mixer.open_input().speak(number, 5_760, b"\xfb\x3f\xff\xff")
    mixer.write_until(0)
    assert mixer.undecodable == 2


def test_talk_spurts_share_decoders_without_a_trace() -> None:
    """One after the other, each source gets the decoder that the one before gave back."""
    sink, alone = KeptSamples(), KeptSamples()
    mixer = Mixer(sink)
    for number in range(100):
        voice = mixer.open_input()
        for index, payload in enumerate(SPEECH[number % 40 : number % 40 + 5]):
            voice.speak(number * 48_000 + index * 960, 960, payload)
        mixer.write_until(number * 48_000)
    mixer.close(100 * 48_000)
    assert len(mixer._decoders._idle) + len(mixer._decoders._users) <= 3
    for number in range(100):
        one = Mixer(alone)
        voice = one.open_input()
        for index, payload in enumerate(SPEECH[number % 40 : number % 40 + 5]):
            voice.speak(index * 960, 960, payload)
        one.close(48_000)
    assert np.array_equal(sink.samples, alone.samples)


def test_a_source_that_pauses_for_long_sounds_as_with_a_separate_decoder() -> None:
    spurts = [(1, 0, SPEECH[:30]), (1, 480_000, SPEECH[30:60]), (2, 1_000_000, SPEECH[60:])]
    assert np.array_equal(mixed(spurts, 1_200_000, 4_800), mixed(spurts, 1_200_000, 2_000_000))


def test_more_talk_spurts_at_once_than_there_are_decoders_are_all_heard() -> None:
    sink = KeptSamples()
    mixer = Mixer(sink)
    voices = [mixer.open_input() for _ in range(2 * MOST_DECODERS)]
    for index, payload in enumerate(SPEECH[:20]):
        for voice in voices:
            voice.speak(index * 960, 960, payload)
    assert len(mixer._decoders._users) <= MOST_DECODERS
    mixer.close(48_000)
    one = decode(SPEECH[:20]).astype(np.int32)
    assert np.abs(sink.samples[: len(one)]).sum() > MOST_DECODERS * np.abs(one).sum()

"""Where speech is placed: packets go through buffer and placement into a track."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.placement_room import SPEECH, Room, Stem
from worker.audio.payload_kinds import PayloadKind
from worker.stems.speaker_track import SpeakerTrack

DTX = bytes([31 << 3])


def spurt(
    room: Room,
    slot: int,
    csrc: int,
    start: float,
    count: int,
    *,
    base: int = 0,
    jitter: float = 0.0,
    seed: int = 1,
) -> None:
    randomness = random.Random(seed)
    for number in range(count):
        at = start + number * 0.02
        room.packet(slot, csrc, base + round(at * 48_000), at + randomness.random() * jitter)


def test_a_talk_spurt_is_placed_at_its_arrival() -> None:
    room = Room()
    spurt(room, 1, 7, start=3.0, count=50)
    room.finish()
    assert room.places(7) == pytest.approx([3.0 + 0.02 * number for number in range(50)], abs=0.0025)


def test_jitter_moves_a_talk_spurt_by_its_smallest_delay_only() -> None:
    room = Room()
    spurt(room, 1, 7, start=3.0, count=50, jitter=0.03)
    room.finish()
    assert room.places(7)[0] == pytest.approx(3.0, abs=0.005)


def test_lost_packets_leave_a_gap_and_are_counted() -> None:
    room = Room()
    for number in range(10):
        room.packet(1, 7, number * 960, 1 + number * 0.02, lost=number in (4, 5))
    room.finish()
    assert room.places(7) == pytest.approx([1 + 0.02 * n for n in range(10) if n not in (4, 5)], abs=0.0025)
    assert (room.tracks[7].received, room.tracks[7].lost) == (8, 2)


@pytest.mark.parametrize(("later", "gap"), [(0.0, 0.0), (0.005, 0.0), (0.0075, 0.0), (0.05, 0.05)])
def test_speech_that_another_slot_brings_up_to_10_ms_later_has_no_gap(later: float, gap: float) -> None:
    """Jitter must not cut a word."""
    room = Room()
    spurt(room, 1, 7, start=1.0, count=50)
    for number in range(50):
        room.packet(2, 7, 777 + number * 960, 2.0 + later + number * 0.02)
    room.finish()
    places = room.places(7)
    assert places[50] - places[49] == pytest.approx(0.02 + gap, abs=1e-6)


def test_silent_packets_are_a_pause_after_which_arrivals_place_speech() -> None:
    """The path gets 40 ms shorter while silent packets come without a gap."""
    room = Room()
    for number in range(150):
        late, silent = number < 75, 50 <= number < 100
        arrival = 1.0 + number * 0.02 + 0.04 * late
        room.packet(1, 7, number * 960, arrival, payload=DTX if silent else SPEECH)
    room.finish()
    assert room.places(7)[:50] == pytest.approx([1.04 + 0.02 * n for n in range(50)], abs=0.005)
    assert room.places(7)[50:] == pytest.approx([1.0 + 0.02 * n for n in range(100, 150)], abs=0.005)


def test_dtx_is_silence_not_loss() -> None:
    room = Room()
    spurt(room, 1, 7, start=1.0, count=10)
    room.packet(1, 7, round(1.2 * 48_000), 1.2, payload=DTX)
    room.packet(1, 7, round(1.6 * 48_000), 1.6, payload=DTX)
    spurt(room, 1, 7, start=2.0, count=10)
    room.finish()
    assert room.places(7)[9:11] == pytest.approx([1.18, 2.0], abs=0.0025)
    assert room.tracks[7].lost == 0


@pytest.mark.parametrize(
    "dtx", [b"\xf9", b"\xfa\x00", b"\xfb\x03", b"\xfb\x42\x04" + bytes(4), b"\xf9\xff\xfe\xff\xfe"]
)
def test_empty_frames_are_silence_in_any_framing(dtx: bytes) -> None:
    room = Room()
    spurt(room, 1, 7, start=1.0, count=10)
    room.packet(1, 7, round(1.2 * 48_000), 1.2, payload=dtx)
    spurt(room, 1, 7, start=2.0, count=10)
    room.finish()
    assert len(room.places(7)) == 20
    assert room.places(7)[9:11] == pytest.approx([1.18, 2.0], abs=0.0025)
    assert room.tracks[7].lost == 0


MALFORMED = [SPEECH[:1] + bytes(1_276), b"\xf9\x00", b"\xfa\xff", b"\xfb\x00", b"\xfb"]


@pytest.mark.parametrize("payload", MALFORMED)
def test_a_malformed_packet_is_silence_of_its_length(payload: bytes) -> None:
    room = Room()
    for number in range(20):
        sent = payload if number in (5, 12) else SPEECH
        room.packet(1, 7, 1_000 + number * 960, 1 + number * 0.02, payload=sent)
    room.finish()
    expected = [1 + 0.02 * number for number in range(20) if number not in (5, 12)]
    assert room.places(7) == pytest.approx(expected, abs=0.0025)
    assert (room.tracks[7].received, room.tracks[7].lost) == (18, 0)
    assert room.slots[1].buffer.payloads.left_out == {PayloadKind.MALFORMED_OPUS: 2}


def test_a_source_that_only_sends_malformed_packets_has_no_stem() -> None:
    room = Room()
    room.packet(1, 7, 960, 1.0, payload=MALFORMED[0])
    room.packet(1, 8, 1920, 1.02)
    room.finish()
    assert list(room.stems) == [8]


def test_losses_before_a_malformed_packet_count() -> None:
    room = Room()
    for number in range(10):
        sent = MALFORMED[0] if number == 6 else SPEECH
        room.packet(1, 7, number * 960, 1 + number * 0.02, payload=sent, lost=number in (4, 5))
    room.finish()
    assert (room.tracks[7].received, room.tracks[7].lost) == (7, 2)


def test_each_speaker_in_a_slot_gets_a_stem_and_is_anchored_anew() -> None:
    room = Room()
    spurt(room, 1, 7, start=1.0, count=20, base=1_000)
    spurt(room, 1, 8, start=1.4, count=20, base=77_777_777)
    spurt(room, 1, 7, start=1.8, count=20, base=3_000_000_000)
    room.finish()
    assert room.places(8) == pytest.approx([1.4 + 0.02 * n for n in range(20)], abs=0.0025)
    assert room.places(7)[20:] == pytest.approx([1.8 + 0.02 * n for n in range(20)], abs=0.0025)


def moving_speech(room: Room, jitter: float, seed: int) -> None:
    """60 packets, the second half in another slot; each slot keeps its order, but not both together."""
    randomness = random.Random(seed)
    sent = []
    last = {1: 0.0, 2: 0.0}
    for number in range(60):
        slot, base = (1, 5) if number < 30 else (2, 4_000_000_000)
        last[slot] = max(last[slot], 2 + number * 0.02 + randomness.random() * jitter)
        sent.append((last[slot], slot, base + number * 960, b"speech %d" % number))
    for arrival, slot, timestamp, payload in sorted(sent, key=lambda each: each[0]):
        room.packet(slot, 7, timestamp, arrival, bytes([31 << 3]) + payload)
    room.finish()


@given(seed=st.integers(0, 500))
@settings(max_examples=40)
def test_speech_that_moves_to_another_slot_stays_in_order(seed: int) -> None:
    room = Room()
    moving_speech(room, 0.06, seed)
    speech = room.stems[7].speech
    assert [payload[1:] for _, payload in speech] == [b"speech %d" % number for number in range(60)]
    assert [place for place, _ in speech] == pytest.approx([2 + 0.02 * n for n in range(60)], abs=0.03)


def test_late_packets_in_the_old_slot_go_before_those_in_the_new() -> None:
    room = Room()
    for number in range(30):
        room.packet(1, 7, number * 960, 2 + number * 0.02)
    room.packet(2, 7, 777, 2.6)
    room.packet(1, 7, 30 * 960, 2.61, payload=bytes([31 << 3]) + b"last")
    for number in range(1, 30):
        room.packet(2, 7, 777 + number * 960, 2.62 + number * 0.02)
    room.finish()
    assert room.stems[7].speech[30][1][1:] == b"last"


@given(seed=st.integers(0, 500))
@settings(max_examples=40)
def test_a_move_to_another_slot_leaves_no_gap(seed: int) -> None:
    room = Room()
    moving_speech(room, 0.008, seed)
    places = room.places(7)
    assert [round((after - before) * 48_000) for before, after in pairwise(places)] == [960] * 59


class ConcealmentSink:
    """Remembers what was concealed."""

    def __init__(self) -> None:
        self.concealed: list[tuple[int, int]] = []

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        pass

    def conceal(self, position: int, samples: int) -> None:
        self.concealed.append((position, samples))


def test_sinks_conceal_losses_but_not_pauses() -> None:
    sink = ConcealmentSink()
    room = Room()
    room.stems[7] = Stem()
    room.tracks[7] = SpeakerTrack(room.stems[7], [sink])
    for number in range(30):
        pause = 1.0 if number >= 20 else 0.0
        room.packet(
            1, 7, number * 960 + round(pause * 48_000), 1 + number * 0.02 + pause, lost=number in (4, 5)
        )
    room.finish()
    assert sink.concealed == [(48_000 + 4 * 960, 1920)]


def test_a_stalled_sender_is_anchored_anew() -> None:
    """BigBlueButton #25259: the capture stood still for 18 s, and its timestamps continued without a gap."""
    room = Room()
    for number in range(200):
        room.packet(1, 7, number * 960, 1 + number * 0.02 + (18 if number >= 100 else 0))
    room.finish()
    assert room.places(7)[99] == pytest.approx(1 + 99 * 0.02, abs=0.0025)
    assert room.places(7)[100] == pytest.approx(19 + 2.0, abs=0.0025)


def standstill(room: Room, count: int, jitter: float) -> None:
    """Speech from 1 s to 3 s, then a clock that stands still for 2 s, then ``count`` packets from 5 s on."""
    for number in range(100 + count):
        late = jitter * (number % 2)
        room.packet(1, 7, number * 960, 1 + number * 0.02 + (2 if number >= 100 else 0) + late)


@pytest.mark.parametrize(
    ("count", "jitter", "placed"),
    [(20, 0.0, 5.5), (5, 0.0, 7.0), (1, 0.0, 7.0), (20, 0.015, 7.0)],
    ids=["plain", "word", "one packet", "jitter"],
)
def test_a_late_packet_waits_for_more_unless_it_is_plain_why_it_is_late(
    count: int, jitter: float, placed: float
) -> None:
    """Not longer than two seconds after its arrival, so that live streams do not wait either."""
    room = Room()
    standstill(room, count, jitter)
    room.packet(2, 8, 0, placed - 0.01)
    assert len(room.places(7)) == 100
    room.packet(2, 8, 960, placed + 0.01)
    assert len(room.places(7)) > 100
    assert room.places(7)[100] == pytest.approx(5.0, abs=0.0025)
    room.finish()
    assert len(room.places(7)) == 100 + count


@pytest.mark.parametrize(
    ("pause", "late", "placed"),
    [(1.0, 0.3, 7.0), (0.0, 0.5, 5.5), (40.0, 0.3, 5.5)],
    ids=["after a pause", "in speech", "after a long pause"],
)
def test_packets_wait_for_more_only_where_the_clock_can_have_stood_still(
    pause: float, late: float, placed: float
) -> None:
    """In speech it is a second that counts, and after a long pause arrivals alone do."""
    room = Room()
    for number in range(55):
        at = 5 + (number - 50) * 0.02 - (pause if number < 50 else 0)
        room.packet(1, 7, round((at + 100) * 48_000), at + 40 + (late if number >= 50 else 0))
    room.packet(2, 8, 0, 40 + placed + late - 0.01)
    assert len(room.places(7)) == 50
    room.packet(2, 8, 960, 40 + placed + late + 0.01)
    assert len(room.places(7)) > 50


def test_packets_that_wait_for_more_are_placed_when_the_recording_ends() -> None:
    room = Room()
    standstill(room, 5, 0.0)
    room.finish()
    assert room.places(7)[100:] == pytest.approx([5 + 0.02 * number for number in range(5)], abs=0.0025)


def test_packets_that_wait_for_more_go_before_those_of_another_slot() -> None:
    room = Room()
    standstill(room, 5, 0.0)
    for number in range(200):
        room.packet(2, 7, 777 + number * 960, 5.1 + number * 0.02, payload=SPEECH + b"%d" % number)
    room.finish()
    assert [payload for _, payload in room.stems[7].speech] == [SPEECH] * 105 + [
        SPEECH + b"%d" % number for number in range(200)
    ]
    assert room.places(7)[100:105] == pytest.approx([5 + 0.02 * number for number in range(5)], abs=0.0025)


def test_late_packets_with_long_pauses_between_them_wait_once_each() -> None:
    """A network that delivers a packet now and then must not keep speech back for ever."""
    room = Room()
    standstill(room, 1, 0.0)
    for number in range(20):
        room.packet(1, 7, (101 + number * 50) * 960, 6.02 + number + 1)
    room.packet(2, 8, 0, 9.0)
    assert len(room.places(7)) > 100


UNVOICED = bytes([9 << 3, 0x00]) + bytes(40)
"""20 ms of SILK in which the encoder found no voice, as in a refresh of comfort noise."""


@pytest.mark.parametrize("pause", [1.2, 3.0, 60.0])
def test_a_word_of_one_packet_after_a_standstill_is_speech(pause: float) -> None:
    """The encoder had no silence in which to refresh comfort noise."""
    room = Room()
    spurt(room, 1, 7, start=1.0, count=50)
    room.packet(1, 7, 98 * 960 + 960 * 2, 2.0 + pause, payload=UNVOICED)
    room.finish()
    assert room.tracks[7].intervals() == [
        (48_000, 96_000),
        (pytest.approx((2 + pause) * 48_000, abs=120), pytest.approx((2.02 + pause) * 48_000, abs=120)),
    ]


@pytest.mark.parametrize("dtx", [True, False])
def test_a_refresh_of_comfort_noise_is_no_speech(dtx: bool) -> None:
    """In the rhythm of DTX, after a standstill in silence, and in the pause after a word that followed a standstill."""
    room = Room()
    spurt(room, 1, 7, start=1.0, count=50)
    timestamp, at = 100 * 960, 2.0
    for number in range(6):
        if dtx:
            room.packet(1, 7, timestamp, at, payload=DTX)
        timestamp, at = timestamp + 20 * 960, at + 0.4 + (10 if number == 3 else 0)
        room.packet(1, 7, timestamp, at, payload=UNVOICED)
        timestamp, at = timestamp + 960, at + 0.02
    room.finish()
    assert room.tracks[7].intervals() == [(48_000, 96_000)]


def test_a_stalled_network_does_not_move_packets() -> None:
    room = Room()
    for number in range(200):
        at = 1 + number * 0.02
        room.packet(1, 7, number * 960, max(at, 4.0) if 50 <= number < 150 else at)
    room.finish()
    assert room.places(7) == pytest.approx([1 + 0.02 * n for n in range(200)], abs=0.0025)


@pytest.mark.parametrize("ppm", [-200, -100, 100, 200])
def test_a_sender_that_drifts_and_never_pauses_stays_within_20_ms(ppm: float) -> None:
    room = Room()
    seconds = 600
    pace = 1 - ppm / 1e6
    meant = []
    for number in range(seconds * 50):
        at = 1 + number * 0.02 * pace
        level = 0.0005 if number % 97 == 0 else 0.2
        meant.append(at)
        room.packet(1, 7, number * 960, at, payload=bytes([31 << 3]) + number.to_bytes(4, "big"), level=level)
    room.finish()
    errors = [place - meant[int.from_bytes(payload[1:], "big")] for place, payload in room.stems[7].speech]
    assert max(map(abs, errors)) <= 0.02
    left_out = set(range(seconds * 50)) - {
        int.from_bytes(each[1:], "big") for _, each in room.stems[7].speech
    }
    assert (
        len(left_out)
        == room.tracks[7].trimmed
        == (pytest.approx(ppm * 600e-6 / 0.02, abs=1) if ppm > 0 else 0)
    )
    assert all(number % 97 == 0 for number in left_out), "only quiet packets are left out"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([7, 8, 42]),
            st.integers(0, 2**32 - 1),
            st.floats(0, 0.5),
            st.one_of(st.binary(max_size=6), st.just(SPEECH)),
        ),
        max_size=60,
    )
)
@settings(max_examples=200)
def test_any_sequence_of_packets_gives_a_stem_without_gaps(
    packets: list[tuple[int, int, int, float, bytes]],
) -> None:
    room = Room()
    arrival = 0.0
    for slot, csrc, timestamp, wait, payload in packets:
        arrival += wait
        room.packet(slot, csrc, timestamp, arrival, payload)
    room.finish()
    for source, stem in room.stems.items():
        assert stem.end == room.tracks[source].end
        assert len(stem.speech) <= len(packets)


def test_packets_that_claim_to_last_longer_than_they_do_lie_a_second_ahead_at_most() -> None:
    six_frames = bytes([31 << 3 | 3, 6]) + 6 * b"speech"
    room = Room()
    for number in range(500):
        room.packet(1, 7, number * 960, 1 + number * 0.02, payload=six_frames)
    room.finish()
    places = room.places(7)
    last_arrival = 1 + 499 * 0.02
    assert room.stems[7].end / 48_000 <= last_arrival + 1
    assert room.slots[1].buffer.counts.ahead == 500 - len(places)
    assert len(places) == pytest.approx(11 / 0.12, abs=2)


@pytest.mark.parametrize("claimed", [1.4, 10.0, 3_600.0])
def test_a_clock_that_leaps_ahead_is_anchored_by_arrival(claimed: float) -> None:
    """The timestamps of a sender leap while packets come as before."""
    room = Room()
    for number in range(100):
        leap = round(claimed * 48_000) if number >= 50 else 0
        room.packet(1, 7, number * 960 + leap, 1 + number * 0.02)
    room.finish()
    assert room.places(7) == pytest.approx([1 + number * 0.02 for number in range(100)], abs=0.0025)


def doubled(room: Room, *, overlap: float, delay: float, copies: bool = True) -> None:
    """Slot 1 brings a source for 2 s and ``overlap`` s more; from 2 s on slot 2 does, ``delay`` s later, to the end at 6 s."""
    sent = []
    for number in range(300):
        payload = bytes([31 << 3]) + number.to_bytes(4, "big")
        at = 1 + number * 0.02
        if number < 100 + overlap * 50:
            sent.append((at, 1, 5 + number * 960, payload))
        if number >= 100:
            sent.append((at + delay, 2, 9_000_000 + number * 960, payload if copies else payload + b"again"))
    for arrival, slot, timestamp, payload in sorted(sent):
        room.packet(slot, 7, timestamp, arrival, payload)
    room.finish()


@pytest.mark.parametrize("overlap", [0.0, 0.06, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("delay", [0.004, 0.15, 0.4, -0.08])
def test_a_source_that_two_slots_bring_is_there_once(overlap: float, delay: float) -> None:
    room = Room()
    doubled(room, overlap=overlap, delay=delay)
    assert [int.from_bytes(payload[1:], "big") for _, payload in room.stems[7].speech] == list(range(300))
    assert room.slots[2].buffer.counts.duplicate.get(7, 0) == round(overlap * 50 + 0.49)
    assert room.tracks[7].lost == 0
    assert room.places(7)[:100] == pytest.approx([1 + number * 0.02 for number in range(100)], abs=0.0025)
    assert room.places(7)[-1] == pytest.approx(1 + 299 * 0.02 + max(0, delay), abs=0.2)


@pytest.mark.parametrize("overlap", [0.5, 3.0])
def test_the_slot_that_has_a_source_keeps_it_while_it_brings_other_packets(overlap: float) -> None:
    room = Room()
    doubled(room, overlap=overlap, delay=0.004, copies=False)
    again = [payload for _, payload in room.stems[7].speech if payload.endswith(b"again")]
    assert len(room.stems[7].speech) - len(again) == 100 + overlap * 50
    assert len(again) == pytest.approx(200 - overlap * 50, abs=7)
    assert room.places(7) == sorted(room.places(7))


def test_a_payload_that_its_sender_repeats_is_no_copy() -> None:
    room = Room()
    spurt(room, 1, 7, start=1.0, count=50)
    spurt(room, 2, 7, start=2.0, count=50, base=7_777)
    room.finish()
    assert room.places(7) == pytest.approx([1 + 0.02 * number for number in range(100)], abs=0.0025)


def test_a_payload_that_comes_again_later_is_no_copy() -> None:
    room = Room()
    for slot, start in ((1, 1.0), (2, 20.0)):
        for number in range(50):
            payload = bytes([31 << 3]) + number.to_bytes(4, "big")
            room.packet(slot, 7, number * 960, start + number * 0.02, payload)
    room.finish()
    assert len(room.places(7)) == 100


NOISE_PACKET = bytes([9 << 3, 0x00, 1, 2, 3, 4, 5, 6])
"""20 ms of SILK whose voice-activity bit is 0."""

VOICED_PACKET = bytes([9 << 3, 0x80, 1, 2, 3, 4, 5, 6])


def mixed(room: Room, talk: Callable[[float], bool], *, late_until: float, late: float) -> list[float]:
    """Ten seconds of a mixer that lists nobody, from 1 s on; what it sends before ``late_until`` arrives ``late`` seconds late.

    Returns when the speech was sent.
    """
    sent = [1 + number * 0.02 for number in range(500)]
    for at in sent:
        delay = late if at < late_until else 0.0
        payload = VOICED_PACKET if talk(at) else NOISE_PACKET
        room.packet(1, None, round(at * 48_000), at + delay, payload)
    room.finish()
    return [at for at in sent if talk(at)]


def voiced_places(room: Room) -> list[float]:
    return [place for place, payload in room.stems[None].speech if payload == VOICED_PACKET]


@pytest.mark.parametrize("late", [0.008, 0.03, 0.06])
def test_late_places_are_corrected_in_comfort_noise(late: float) -> None:
    room = Room()
    spoken = mixed(room, lambda at: 5 <= at < 8, late_until=2, late=late)
    assert voiced_places(room) == pytest.approx(spoken, abs=0.0025)
    assert 1 <= room.tracks[None].trimmed <= 3


def test_late_places_are_corrected_before_the_first_voice() -> None:
    """A meeting mostly begins without a voice; later pauses are too short."""
    room = Room()
    spoken = mixed(room, lambda at: at > 2.5 and at % 1 > 0.2, late_until=1.6, late=0.015)
    assert voiced_places(room) == pytest.approx(spoken, abs=0.0025)
    assert room.tracks[None].trimmed == 1


def test_late_places_cost_no_packet_near_a_voice() -> None:
    """Not in speech, nor in the half second after it and before it: the ends of words have no voice."""
    room = Room()
    spoken = mixed(room, lambda at: at % 1 < 0.2 or at > 10.5, late_until=2, late=0.03)
    assert room.tracks[None].trimmed == 0
    assert voiced_places(room) == pytest.approx([at + 0.03 for at in spoken], abs=0.0025)


def test_places_of_a_mixer_that_are_right_cost_no_packet() -> None:
    room = Room()
    mixed(room, lambda _: False, late_until=5, late=0.004)
    assert room.tracks[None].trimmed == 0
    assert len(room.places(None)) == 500

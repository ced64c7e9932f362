"""Turns a call's frames into live sound: PCM, Opus packets and the mix, with low latency (pure).

**Latency.** A packet in sequence is sent with the batch that brought it. Behind a gap packets wait for ``deadline`` seconds of
arrival; then what is missing is concealed, and what of it comes later is counted as late and left out.

**Silence.** Inside a talk-spurt the PCM of a source has no gap: losses are concealed, and pauses of up to 200 ms are filled
with silence once speech goes on. Between talk-spurts nothing is sent of a source, and each item says where it belongs.
Recall.ai connects a participant's audio only while they are unmuted, and gives each buffer the time of its first byte
(docs.recall.ai/docs/real-time-websocket-endpoints); whether it sends silence while somebody is unmuted and does not speak is
not documented. MeetStream says that frames come "continuously for the duration of the meeting", those of nobody under
"NoSpeaker" (docs.meetstream.ai/guides/get-started/real-time-audio-streaming). ``continuous`` is for receivers that expect
that: from its first word on, each source is one stream without gaps (worker.audio.pcm_stream), until its person left or was
silent for a minute. What comes when the stream has passed its place is left out. The mix has no gap in any case.

**Whose sound it is.** Where the platform sends speakers apart, each source is a speaker; a packet that lists several is in
each of them, and says so by its isolation. Where it sends a mix, the packet's CSRCs decide, else the latest hint (a dominant
speaker, a caption) known on its arrival: the recording waits seconds for later ones, live cannot. Noise is nobody's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol, TypeAlias

from worker.audio.live_mixer import LiveMixer
from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.contracts.live_items import LiveMix, LiveOpus, LivePcm, LivePerson
from worker.platforms.registry import PLATFORMS, AudioKind, Platform
from worker.rendering.deferred import HELD_SECONDS
from worker.rendering.frame_intake import FrameIntake
from worker.rendering.meeting_clock import MeetingClock
from worker.rendering.slot_table import SlotTable
from worker.roster.decoder import RosterDecoder
from worker.roster.roster import Roster
from worker.stems.caption_users import CaptionUsers
from worker.stems.stem_set import Slot, SlotAddress
from worker.streaming.deliveries import Deliveries
from worker.streaming.gated_sound import GatedSound
from worker.streaming.live_source import LiveSource
from worker.streaming.recent_peak import RecentPeak
from worker.streaming.separate_sound import SeparateSound
from worker.tape.events import FrameBatch, PageEvent, RecordingResumed, WorkerEvent

DEADLINE: Final = 0.06
"""Seconds of arrival that packets behind a gap wait for those that are missing."""

MOST_LATENESS: Final = 1.0
"""Seconds that the mix lies behind what was delivered, at most, where sound has come late."""

SETTLED: Final = 1.0
"""A talk-spurt that ended this many seconds ago is over; slots and sources are looked through as often."""

PACKET_SECONDS: Final = 0.02
"""Seconds of sound in a packet, as the platforms send it."""

HELD_FRAMES: Final = 50_000
"""Bound on the frames that are kept until the recording begins."""

PersonOf: TypeAlias = Callable[[int, float], LivePerson | None]
"""Returns whose a source is: by its key (worker.roster.tenures) and a time in Unix seconds. None: nobody knows."""

SoundItem: TypeAlias = LivePcm | LiveOpus | LiveMix


class Delivery(NamedTuple):
    """Frames that were logged at ``logged``, in Unix seconds."""

    batch: FrameBatch
    logged: float


class LostSound(NamedTuple):
    """Seconds of sound that arrived and are not live: of speakers apart, and of the mix."""

    separate: float
    mixed: float


class SoundSources(Protocol):
    """The sources of a call: packets go in by the buffers of slots, and come out decoded."""

    @property
    def undecodable(self) -> int: ...

    @property
    def refused(self) -> int: ...

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""

    def open_slot(self, address: SlotAddress) -> Slot:
        """Opens a slot for a new SSRC of a receiver."""

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets an open slot in which nothing waits."""

    def decide(self) -> None:
        """Gives the packets that were placed to their sources."""

    def take(self) -> list[LiveSource]:
        """The sources of which there is something to send, decoded."""

    def all(self) -> Iterable[LiveSource]:
        """All sources that have spoken and are not over."""

    def settle(self, position: int) -> None:
        """Ends what ended before ``position`` (samples of meeting time), and forgets sources that are over."""

    def known(self, roster: Roster) -> Roster:
        """The roster, completed with the owners of sources that these added."""


class LiveSound:
    """The sound of one call.

    ``rate`` is that of all PCM, 16,000 or 48,000; None: nothing is decoded, and there is no mix. ``decoder`` is the call's
    roster decoder, which the caller feeds. ``opus`` and ``mixed`` ask for LiveOpus and LiveMix, ``continuous`` for silence
    between talk-spurts. ``deadline`` is in seconds.
    """

    def __init__(
        self,
        platform: Platform,
        rate: int | None,
        decoder: RosterDecoder,
        person_of: PersonOf,
        *,
        opus: bool,
        mixed: bool,
        deadline: float = DEADLINE,
        continuous: bool = False,
    ) -> None:
        """Nothing is sent before ``begin``."""
        self.trimmed = 0
        """Samples at ``rate`` that came when the stream of their source had passed their place; they are left out."""
        self._rate = rate
        self._person_of = person_of
        self._deadline = deadline
        self._continuous = continuous
        self._mixer = LiveMixer(rate) if mixed and rate is not None else None
        self._is_mix = PLATFORMS[platform].audio is AudioKind.MIXED
        self._sources: SoundSources
        if self._is_mix:
            users = CaptionUsers(decoder.roster)
            hints_in = PLATFORMS[platform].hints_in
            self._sources = GatedSound(
                rate,
                self._mixer,
                users,
                decoder.tenure,
                hints_in,
                deadline,
                opus=opus,
                continuous=continuous,
            )
        else:
            self._sources = SeparateSound(
                rate, self._mixer, decoder.tenure, deadline, opus=opus, continuous=continuous
            )
        self._slots = SlotTable(self._sources)
        self._intake = FrameIntake(self._slots)
        self._clock: MeetingClock | None = None
        self._deliveries = Deliveries()
        self._lateness = RecentPeak(0.0)
        """How long before what was delivered the sound of the mix begins that comes then, in seconds."""
        self._settled = 0.0
        self._held: deque[Delivery] = deque()
        """Frames from before ``begin``."""
        self._held_frames = 0
        self._resumed: list[float] = []
        """Ends of pauses before ``begin``, in Unix seconds."""

    @property
    def late(self) -> int:
        """Packets that came after the deadline; they are not in the sound."""
        return self._slots.late()

    @property
    def lost(self) -> LostSound:
        """What came after the deadline or had no place, was of too many sources, or could not be decoded; what a stream without
        gaps had passed; and what came after its moment in the mix."""
        slots, sources = self._slots, self._sources
        packets = slots.late() + slots.ahead() + slots.misplaced + sources.refused + sources.undecodable
        everywhere = packets * PACKET_SECONDS
        mixer = self._mixer
        return LostSound(
            everywhere + (0.0 if self._rate is None else self.trimmed / self._rate),
            everywhere + (0.0 if mixer is None else mixer.left_out * mixer.step / SAMPLE_RATE),
        )

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds. Frames that arrived since then count.

        Those that were taken before come out with the next call.
        """
        if self._clock is not None:
            return
        self._clock = MeetingClock(zero)
        self._sources.begin(zero)
        for resumed in self._resumed:
            self._intake.note_resumed(resumed - zero)
        for delivery in self._held:
            self._push(delivery, self._clock)
        self._held.clear()

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is no FrameBatch: hints of who speaks, ends of pauses."""
        self._sources.observe(event)
        if isinstance(event, RecordingResumed):
            if self._clock is None:
                self._resumed.append(event.at)
            else:
                self._intake.note_resumed(event.at - self._clock.zero)

    def take(self, *deliveries: Delivery) -> list[SoundItem]:
        """Takes the tape's next frames; returns what can be sent. Batches that are taken together are decoded together."""
        if self._clock is None:
            for delivery in deliveries:
                self._hold(delivery)
            return []
        for delivery in deliveries:
            self._push(delivery, self._clock)
        return self._send(self._clock)

    def advance(self, now: float) -> list[SoundItem]:
        """Returns what is due at ``now`` (Unix seconds) without further frames; see worker.streaming.deliveries."""
        if self._clock is None:
            return []
        self._deliveries.advance(now - self._clock.zero)
        return self._send(self._clock)

    def end(self) -> list[SoundItem]:
        """The recording ended; returns all that waits."""
        if self._clock is None:
            return []
        self._slots.place_all()
        self._deliveries.end(self._deadline)
        items = self._send(self._clock)
        if self._mixer is not None:
            items += self._mix(self._mixer, self._mixer.end, self._clock)
        return items

    def known(self, roster: Roster) -> Roster:
        """The roster with the owners of sources that are known from captions alone."""
        return self._sources.known(roster)

    def _hold(self, delivery: Delivery) -> None:
        self._held.append(delivery)
        self._held_frames += len(delivery.batch.frames)
        oldest = delivery.logged - HELD_SECONDS
        while self._held and (self._held[0].logged < oldest or self._held_frames > HELD_FRAMES):
            self._held_frames -= len(self._held.popleft().batch.frames)

    def _push(self, delivery: Delivery, clock: MeetingClock) -> None:
        batch, logged = delivery
        if not batch.frames:
            return
        before = self._deliveries.until.get(batch.document, 0.0)
        newest = self._intake.take(batch, logged, clock, before)
        oldest = batch.frames[0].arrival - clock.page_zero(batch, logged)
        self._deliveries.take(batch.document, oldest, newest, logged - clock.zero)

    def _send(self, clock: MeetingClock) -> list[SoundItem]:
        """Places, decodes and returns what is due."""
        self._slots.place_delivered(self._deliveries.until)
        self._sources.decide()
        complete = self._deliveries.complete
        if complete >= self._settled + SETTLED:
            self._settled = complete
            self._sources.settle(int((complete - SETTLED) * SAMPLE_RATE))
            self._slots.close_idle(complete)
        items: list[SoundItem] = []
        sources = dict.fromkeys(self._sources.take())
        until = self._complete_until(complete)
        if self._continuous:
            sources |= dict.fromkeys(self._sources.all())
        for source in sources:
            if self._continuous:
                self.trimmed += source.take_trimmed()
                source.be_silent_until(until, clock.zero + until / SAMPLE_RATE)
            items += source.take(self._person_of(source.key, source.arrived))
        if self._mixer is not None:
            if self._is_mix and len(self._slots.by_address) == 1:
                until = max(until, self._mixer.end)
            items += self._mix(self._mixer, until, clock)
        return items

    def _complete_until(self, complete: float) -> int:
        """Where no more sound is expected before, in samples of meeting time; ``complete`` is what was delivered, in seconds.

        A packet is placed at most its jitter before its arrival. One that waits for others is placed after the deadline, and
        what is concealed before it lies as much earlier. What was later recently may be again.
        """
        earliest = None if self._mixer is None else self._mixer.earliest
        if earliest is not None:
            self._lateness.note(complete, min(complete - earliest / SAMPLE_RATE, MOST_LATENESS))
        waits = any(slot.buffer.pending for slot in self._slots.by_address.values())
        delay = max(self._deadline * (2 if waits else 1), self._lateness.value)
        return int((complete - delay) * SAMPLE_RATE) // QUANTUM * QUANTUM

    def _mix(self, mixer: LiveMixer, until: int, clock: MeetingClock) -> list[LiveMix]:
        latest = self._deliveries.latest
        items = []
        for position, pcm in mixer.take(until):
            end = (position + len(pcm) // 2 * mixer.step) / SAMPLE_RATE
            # Nothing has arrived of silence, so it is not late.
            arrived = latest if pcm.count(0) == len(pcm) else min(latest, end)
            items.append(LiveMix(position=position, pcm=pcm, arrived=clock.zero + arrived))
        return items

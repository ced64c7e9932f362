"""Who is in a call and what they do, as it happens (pure).

The rules are those of the documents that are written at the end (worker.manifest.meeting_log, worker.manifest.naming), with
what is known at the moment. The roster's changes are those of worker.roster.changes, found as soon as its messages come: the
tape's RosterChanged say the same up to a second later. The bot is nobody, but for what it writes, and so are those in the
waiting room; a screen share is somebody only while it is heard. Who turned a camera on is not known: neither platform says so
to one who receives no video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from worker.audio.opus import SAMPLE_RATE
from worker.contracts.live_items import Action, LiveEvent, LiveMicrophone, LiveOpus, LivePerson
from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.manifest.meeting_log import (
    LONGEST_ID,
    LONGEST_MESSAGE,
    MOST_PARTICIPANTS,
    visible_name,
    written_text,
)
from worker.manifest.naming import name_of, owner_of
from worker.manifest.person_numbers import (
    BOT_NUMBER,
    PersonNumbers,
    number_of_participant,
    number_of_source,
)
from worker.platforms.registry import PLATFORMS, AudioKind, Platform
from worker.roster.changes import CAMERA_OFF, CAMERA_ON, SHARES, STOPS_SHARING, RosterChanges
from worker.roster.decoder import RosterDecoder
from worker.roster.roster import Device, Roster
from worker.roster.tenures import split_key
from worker.roster.voice import LoneNoise
from worker.tape.events import (
    ChannelMessage,
    ChatReceived,
    DocumentClosed,
    PageObjects,
    RecordingPaused,
    RosterChanged,
    RosterResponse,
    SocketMessage,
    TapeEvent,
    TapeStarted,
    TilesSeen,
)

SPEECH_HANGOVER: Final = 0.8
"""Seconds of silence after which somebody has stopped speaking; the breath between two sentences is shorter."""

OURSELVES_WITHIN: Final = 3.0
"""Seconds of the recording for which nobody joins until the roster tells which device is the bot's own: its tile is there
first, and looks like anybody's."""

REFRESH_PAUSE: Final = 1e-4
"""Seconds for each device of the roster between two readings of it: reading one takes about a tenth of that."""

UNNAMED_LINGER: Final = 60.0
"""Seconds of silence after which a speaker whom no evidence names is forgotten: nothing tells when they leave."""

MOST_EARLY_MESSAGES: Final = 1_000
"""Bound on what is written before the recording begins; the latest are kept."""

_ROSTER_EVENTS: Final = (
    *(ChannelMessage, SocketMessage, PageObjects, RosterResponse, TilesSeen),
    *(TapeStarted, DocumentClosed),
)

_ENDS: Final = MappingProxyType({CAMERA_OFF: CAMERA_ON, STOPS_SHARING: SHARES})
"""What ends what."""

_BEGINS: Final = frozenset(_ENDS.values())


class LivePeople:
    """The people of one call. Takes events after ``decoder`` has, whose roster ``known`` completes.

    What happens is kept until ``drain``. Times are seconds of meeting time, but for ``now`` and ``logged``, which are Unix
    seconds.
    """

    def __init__(
        self,
        platform: Platform,
        decoder: RosterDecoder,
        known: Callable[[Roster], Roster] = lambda roster: roster,
    ) -> None:
        self._decoder = decoder
        self._known = known
        self._is_mixed = PLATFORMS[platform].audio is AudioKind.MIXED
        self._zero: float | None = None
        self._now = 0.0
        """The latest time that was passed in, in Unix seconds."""
        self._out: list[LiveEvent | LiveMicrophone] = []
        self._decoded = Roster()
        self._roster = self._decoded
        self._is_outdated = True
        self._refreshed = 0.0
        """When the roster was last read, in Unix seconds."""
        self._changed_at = 0.0
        """The time of the latest roster message."""
        self._knows_us = False
        self._changes = RosterChanges()
        self._here: dict[str, None] = {}
        """The devices of those who are in the call, in order."""
        self._showing: dict[tuple[str, str], None] = {}
        """Devices and what they show: a camera (CAMERA_ON) or a screen (SHARES)."""
        self._early: deque[ChatReceived] = deque(maxlen=MOST_EARLY_MESSAGES)
        self._numbers = _Numbers()
        self._described: dict[str, tuple[Device, LivePerson]] = {}
        self._speakers: dict[int, LivePerson | None] = {}
        """Whose each source is by the present roster, by its key."""
        self._members: dict[int, _Member] = {}
        """Those who are here or were heard, by number."""
        self._speaking: dict[int, _Member] = {}
        self._unnamed: dict[int, _Member] = {}
        """The members whom no evidence names; those who spoke last are last."""
        self._heard_as: dict[int, int | None] = {}
        """The number as whose each source was last heard."""
        self._noise = LoneNoise()

    def drain(self) -> list[LiveEvent | LiveMicrophone]:
        """What happened since the last call, in order."""
        out, self._out = self._out, []
        return out

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds. What holds now is at 0."""
        self._changed_at = 0.0
        self._refresh()
        self._zero = zero
        for device_id in self._here:
            self._join(device_id, 0.0)
        for device_id, change in self._showing:
            self._add(Action(change), self._person(device_id), 0.0)
        early, self._early = self._early, deque(maxlen=0)
        for message in early:
            self._take_message(message, 0.0)

    def observe(self, event: TapeEvent, at: float, logged: float) -> None:
        """Takes the tape's next event that is no FrameBatch; ``at`` counts only after ``begin``."""
        self._now = max(self._now, logged)
        match event:
            case ChatReceived() if self._zero is None:
                self._early.append(event)
            case ChatReceived():
                self._take_message(event, at)
            case RecordingPaused():
                self.be_silent()
            case _ if isinstance(event, _ROSTER_EVENTS):
                self._is_outdated = True
                self._changed_at = at if self._zero is not None else 0.0
                self._refresh_if_due()

    def advance(self, now: float) -> None:
        """Applies what is due at ``now``: the roster's latest changes, and that people stopped speaking."""
        self._now = max(self._now, now)
        self._refresh_if_due()
        if self._zero is None:
            return
        at = now - self._zero
        if self._speaking:
            silent_since = (at - SPEECH_HANGOVER) * SAMPLE_RATE
            for member in [each for each in self._speaking.values() if each.spoke_until <= silent_since]:
                self._stop_speaking(member)
        forgotten_since = (at - UNNAMED_LINGER) * SAMPLE_RATE
        while self._unnamed and (oldest := next(iter(self._unnamed.values()))).spoke_until <= forgotten_since:
            self._remove(oldest, at)

    def end(self) -> None:
        """The recording ends: applies the roster's latest changes, and that nobody speaks any more."""
        self._knows_us = True
        self._refresh()
        self.be_silent()

    def be_silent(self) -> None:
        """Nobody speaks any more."""
        for member in list(self._speaking.values()):
            self._stop_speaking(member)

    def person_of(self, key: int, _at: float) -> LivePerson | None:
        """Whose sound a source has, by its key (worker.roster.tenures), as far as is known.

        A speaker whom no evidence names is a person without a name. None: a mix in which nothing tells who speaks.
        """
        self._refresh_if_due()
        if key not in self._speakers:
            if len(self._speakers) >= MOST_PARTICIPANTS:
                self._speakers.clear()
            self._speakers[key] = self._find_speaker(key)
        return self._speakers[key]

    def hear(self, packet: LiveOpus) -> None:
        """Takes the next packet that is sent: who speaks, and that their microphone is on if nothing else tells."""
        if self._noise.is_alone(packet.source, packet.position & 0xFFFF_FFFF, packet.payload):
            return
        person = packet.person
        at = max(0.0, packet.position / SAMPLE_RATE)
        self._follow(packet.source, person, at)
        member = None if person is None else self._member_heard(person)
        end = packet.position + packet.samples
        if member is None or end <= member.spoke_until:
            return
        number = member.person.number
        if number not in self._speaking:
            self._speaking[number] = member
            if self._is_muted(member) is None:
                self._turn_microphone(member, on=True, at=at)
            self._add(Action.SPEECH_ON, member.person, at)
        if self._unnamed.pop(number, None) is not None:
            self._unnamed[number] = member
        member.spoke_until = end

    def _follow(self, source: int, person: LivePerson | None, at: float) -> None:
        """Where it turns out whose a source is, the unknown speaker that it was is gone."""
        number = None if person is None else person.number
        before = self._heard_as.pop(source, None)
        self._heard_as[source] = number
        if len(self._heard_as) > MOST_PARTICIPANTS:
            del self._heard_as[next(iter(self._heard_as))]
        if before is None or before == number:
            return
        member = self._members.get(before)
        if member is not None and member.device_id is None:
            self._remove(member, at)

    def _member_heard(self, person: LivePerson) -> _Member | None:
        """The member as whom ``person`` is heard. None for who is not in the call, as far as the roster tells: what is heard of
        them are their last words."""
        member = self._members.get(person.number)
        if member is not None:
            return member
        if person.participant_id is not None:
            device = self._roster.device(person.participant_id)
            if device.is_us or device.parent_id is None or not device.status.is_here:
                return None
        if len(self._members) >= 2 * MOST_PARTICIPANTS:
            return None
        member = self._members[person.number] = _Member(person, person.participant_id)
        if member.device_id is None:
            self._unnamed[person.number] = member
        return member

    def _find_speaker(self, key: int) -> LivePerson | None:
        owner = owner_of(key, self._roster)
        if owner is None and split_key(key)[0] >= FIRST_CAPTION_SOURCE:
            # A caption has named somebody, which is no change of the roster.
            self._roster = self._known(self._decoded)
            owner = owner_of(key, self._roster)
        if owner is not None:
            return self._person(owner.device_id)
        if self._is_mixed and key < 0:
            return None
        number = self._numbers.of(split_key(key)[0], number_of_source(key))
        return LivePerson(number=number, participant_id=None, name=None)

    def _person(self, device_id: str) -> LivePerson:
        device = self._roster.device(device_id)
        known = self._described.get(device_id)
        if known is not None and known[0] == device and device.parent_id is None:
            return known[1]
        number = BOT_NUMBER if device.is_us else self._numbers.of(device_id, number_of_participant(device_id))
        person = LivePerson(
            number=number,
            participant_id=written_text(device_id, LONGEST_ID),
            name=visible_name(name_of(device, self._roster)),
            is_host=device.is_host,
        )
        if len(self._described) < MOST_PARTICIPANTS:
            self._described[device_id] = (device, person)
        return person

    @property
    def _meeting_time(self) -> float:
        return 0.0 if self._zero is None else self._now - self._zero

    def _refresh_if_due(self) -> None:
        pause = REFRESH_PAUSE * len(self._roster.devices)
        is_outdated = self._is_outdated or not (self._knows_us or self._meeting_time < OURSELVES_WITHIN)
        if is_outdated and self._now >= self._refreshed + pause:
            self._refresh()

    def _refresh(self) -> None:
        """Reads the roster, and finds what has changed."""
        self._is_outdated, self._refreshed = False, self._now
        self._decoded = self._decoder.roster()
        self._roster = self._known(self._decoded)
        self._speakers.clear()
        self._knows_us = (
            self._knows_us or self._roster.us is not None or self._meeting_time >= OURSELVES_WITHIN
        )
        if not self._knows_us:
            return
        at = self._changed_at
        for change in self._changes.changes(self._roster, 0.0):
            self._apply(change, at)
        for device_id in [each for each in self._here if not self._is_person(self._roster.device(each))]:
            self._leave(device_id, at)
        if self._zero is not None:
            self._update_members(at)

    @staticmethod
    def _is_person(device: Device) -> bool:
        """Whether a device is a person's own; what it is may turn out after it came."""
        return not device.is_us and device.parent_id is None

    def _apply(self, change: RosterChanged, at: float) -> None:
        device_id = change.participant_id
        match change.change:
            case "join" if len(self._here) < MOST_PARTICIPANTS:
                self._here[device_id] = None
                self._join(device_id, at)
            case "leave":
                self._leave(device_id, at)
            case "mute" | "unmute" if device_id in self._here:
                member = self._members.get(self._person(device_id).number)
                if member is not None:
                    self._turn_microphone(member, on=change.change == "unmute", at=at)
            case _ if change.change in _ENDS or change.change in _BEGINS:
                self._show(device_id, change.change, at)
            case _:
                pass

    def _join(self, device_id: str, at: float) -> None:
        if self._zero is None:
            return
        person = self._person(device_id)
        member = self._members[person.number] = _Member(person, device_id)
        self._add(Action.JOIN, person, at)
        if self._is_muted(member) is False:
            self._turn_microphone(member, on=True, at=at)

    def _leave(self, device_id: str, at: float) -> None:
        if device_id not in self._here:
            return
        del self._here[device_id]
        if self._zero is None:
            return
        number = self._numbers.of(device_id, number_of_participant(device_id))
        member = self._members.get(number)
        if member is not None:
            self._remove(member, at)
            self._add(Action.LEAVE, member.person, at)

    def _show(self, device_id: str, change: str, at: float) -> None:
        """Takes that somebody's camera or screen began or ceased to be shown."""
        if change in _ENDS:
            self._showing.pop((device_id, _ENDS[change]), None)
        elif len(self._showing) < 2 * MOST_PARTICIPANTS:
            self._showing[device_id, change] = None
        if self._zero is not None:
            self._add(Action(change), self._person(device_id), at)

    def _update_members(self, at: float) -> None:
        """Notes names that were found or changed and new hosts; removes screen shares that are over."""
        for member in list(self._members.values()):
            device_id = member.device_id
            device = self._roster.devices.get(device_id or "")
            if device is None:
                continue
            if device.parent_id is not None and not device.status.is_here:
                self._remove(member, at)
                continue
            person = self._person(device.device_id)
            if person != member.person and person.number == member.person.number:
                member.person = person
                if device_id in self._here:
                    self._add(Action.UPDATE, person, at)

    def _take_message(self, message: ChatReceived, at: float) -> None:
        self._refresh_if_due()
        device = self._roster.devices.get(message.participant_id)
        if device is None:
            person = LivePerson(
                number=self._numbers.of(
                    message.participant_id, number_of_participant(message.participant_id)
                ),
                participant_id=written_text(message.participant_id, LONGEST_ID) or None,
                name=visible_name(message.name),
            )
        else:
            person = self._person(device.device_id)
        self._add(Action.CHAT_MESSAGE, person, at, written_text(message.text, LONGEST_MESSAGE))

    def _is_muted(self, member: _Member) -> bool | None:
        device = self._roster.devices.get(member.device_id or "")
        return None if device is None else device.muted

    def _stop_speaking(self, member: _Member) -> None:
        del self._speaking[member.person.number]
        self._add(Action.SPEECH_OFF, member.person, member.spoke_until / SAMPLE_RATE)

    def _remove(self, member: _Member, at: float) -> None:
        number = member.person.number
        if number in self._speaking:
            self._stop_speaking(member)
        self._turn_microphone(member, on=False, at=at)
        del self._members[number]
        self._unnamed.pop(number, None)

    def _turn_microphone(self, member: _Member, *, on: bool, at: float) -> None:
        if member.microphone != on:
            member.microphone = on
            self._out.append(LiveMicrophone(person=member.person, on=on, at=max(0.0, at)))

    def _add(self, action: Action, person: LivePerson, at: float, text: str | None = None) -> None:
        self._out.append(LiveEvent(action=action, person=person, at=max(0.0, at), text=text))


class _Member:
    """``device_id`` None: no evidence names them. ``microphone``: whether it was said to be on. ``spoke_until`` is the end of
    the latest speech, in samples."""

    __slots__ = ("device_id", "microphone", "person", "spoke_until")

    def __init__(self, person: LivePerson, device_id: str | None) -> None:
        self.person = person
        self.device_id = device_id
        self.microphone = False
        self.spoke_until = 0


class _Numbers:
    """The numbers of participants, by device id, and of unknown speakers, by source; those of the first MOST_PARTICIPANTS are
    all different."""

    def __init__(self) -> None:
        self._free = PersonNumbers()
        self._free.take(BOT_NUMBER)
        self._given: dict[str | int, int] = {}

    def of(self, identity: str | int, number: int) -> int:
        """The number of ``identity``, at first ``number`` if nobody else has it."""
        given = self._given.get(identity)
        if given is not None:
            return given
        if len(self._given) >= MOST_PARTICIPANTS:
            return number
        return self._given.setdefault(identity, self._free.take(number))

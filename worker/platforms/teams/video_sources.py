"""Finds whose video each receiver of a Microsoft Teams call shows (pure).

A receiver belongs to a slot (``a=x-source-streamid`` of its line), the page requests a person's source for a slot by ``sr`` on
the main channel, and the roster says whose source that is. Sources are numbered anew in each session; the lobby's numbers are
other people's in the call, so what the page requests while the bot waits there is nobody's.

After a request the slot goes on showing the former source for a while. A receiver's source changes with a key frame only, so

- frames until the first key frame after the request (``sr``) are the former source's,
- the first key frame after its answer (``sr_res``) is the requested source's, or that of a later request,
- a key frame in between may be of either, and so may all frames after it: they are nobody's until the next key frame.

Assumed, and not to be seen from here: the service begins to send the requested source, by a key frame, after it has answered,
and no key frame of the former source comes after the answer. Where the service never answers at all, a request counts as
answered UNANSWERED seconds after it was sent. A slot for which the page requests "whoever is worth showing", one that was never
requested and one that is not known have a source without an owner, unless the frames list a contributing source that is a known
camera or screen.

Chromium holds frames of H.264 back while packets before them are missing, so a lost key frame hides what follows; of other
codecs it passes them on, and they would be taken for the former source's.
"""

from __future__ import annotations

import logging
from collections import deque
from math import inf
from typing import Final, NamedTuple

from worker.platforms.teams.main_channel import (
    ANY_SOURCE,
    LABEL,
    MAX_SLOT,
    NO_SOURCE,
    VideoRequest,
    parse_slot,
    video_answers,
    video_requests,
)
from worker.platforms.teams.roster import TeamsRosterDecoder
from worker.roster.roster import Roster, Status
from worker.roster.video_keys import Bounded, ReceiverKeys
from worker.roster.video_sources import VideoEvidence, VideoKind, VideoOwner
from worker.tape.events import (
    ChannelMessage,
    DocumentClosed,
    PageObjects,
    RosterResponse,
    SocketMessage,
    TapeEvent,
    TapeStarted,
    VideoFrame,
    VideoTrackSeen,
)

logger = logging.getLogger(__name__)

UNANSWERED: Final = 10.0
"""Seconds after a request at which it counts as answered, where no request of the connection ever was."""
MOST_RECEIVERS: Final = 1_024
"""Receivers that are followed; the oldest are given up first."""
MOST_LINES: Final = 256
"""Slots that are kept of one receiver, the latest."""
MOST_CONNECTIONS: Final = 16
"""Connections whose requests are kept; the oldest are given up first."""
MOST_SLOTS: Final = 24
"""Slots of a connection; Teams has ten. Requests for further ones are ignored."""
MOST_REQUESTS: Final = 1_024
"""Requests that are kept of one slot, the latest."""
MOST_OPEN: Final = 512
"""Requests of a connection that wait for an answer; the oldest are given up first."""
MOST_KEYS: Final = 8_192
"""Sources that are kept; frames of further ones are nobody's."""

NO_SLOT: Final = "a video is in no known slot: whose it is cannot be told"
NO_REQUEST: Final = (
    "a slot shows video that the page did not request in a known way: whose it is cannot be told"
)
NO_ANSWERS: Final = (
    f"the service answers no request for video: each is taken for answered after {UNANSWERED:g} s"
)
CONTRADICTION: Final = "the frames of a slot name another source than the page requested: the frames count"

_BEFORE_REQUESTS: Final = -1
"""The number of what a slot showed before its first request."""
_SHARE_STREAM: Final = "applicationsharing"
"""How the media stream of the line for a shared screen begins."""


class TeamsVideoSources:
    """See worker.roster.video_sources.VideoSources. Frames are judged by their arrival, whenever they are asked about."""

    def __init__(self) -> None:
        self._decoder = TeamsRosterDecoder()
        self._roster: Roster | None = None
        """The roster after the last event; None until somebody asks."""
        self._receivers: Bounded[tuple[int, int], _Receiver] = Bounded(MOST_RECEIVERS)
        self._connections: Bounded[tuple[int, int], _Connection] = Bounded(MOST_CONNECTIONS)
        self._keys = ReceiverKeys()
        self._sources: dict[str, _Source] = {}
        self._warnings: dict[str, None] = {}

    def observe(self, event: TapeEvent) -> None:
        """See VideoSources."""
        match event:
            case VideoTrackSeen():
                self._receiver(event.document, event.receiver).describe(event)
            case ChannelMessage(label=label) if label == LABEL and event.sent:
                for request in video_requests(event.payload):
                    source = ANY_SOURCE if self._is_waiting() else request.source
                    connection = self._connection(event.document, event.connection)
                    connection.request(request._replace(source=source), event.at)
            case ChannelMessage(label=label) if label == LABEL:
                for answer in video_answers(event.payload):
                    self._connection(event.document, event.connection).answer(answer.sequence, event.at)
            case TapeStarted() | SocketMessage() | PageObjects() | RosterResponse() | DocumentClosed():
                self._decoder.observe(event)
                self._roster = None
            case _:
                pass

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        """See VideoSources."""
        receiver = self._receiver(document, frame.receiver)
        line = receiver.line(frame.arrival)
        requested = self._requested(document, receiver, line, frame)
        named = self._named(frame)
        if named is not None:
            if requested is not None and requested not in (named, ANY_SOURCE):
                self._warn(CONTRADICTION)
            return self._key_of(document, line, named, VideoEvidence.CSRC, frame)
        if requested is None:
            return self._keys.key_of(document, frame, None)
        return self._key_of(document, line, requested, VideoEvidence.REQUEST, frame)

    def owner_of(self, key: str) -> VideoOwner:
        """See VideoSources."""
        source = self._sources.get(key)
        if source is None:
            return VideoOwner(None, VideoKind.WEBCAM, VideoEvidence.NONE)
        shares = source.label.startswith(_SHARE_STREAM)
        camera = share = None
        if source.number is not None:
            camera = self._known(self._decoder.camera_owner(source.number, source.camera_tenure))
            share = self._known(self._decoder.share_owner(source.number, source.share_tenure))
        if (camera is None) != (share is None):
            shares = share is not None
        kind = VideoKind.SCREENSHARE if shares else VideoKind.WEBCAM
        device_id = share if shares else camera
        if device_id is None or (camera is not None and share is not None and camera != share):
            return VideoOwner(None, kind, VideoEvidence.NONE)
        return VideoOwner(device_id, kind, source.evidence)

    def warnings(self) -> list[str]:
        """See VideoSources."""
        return list(self._warnings)

    def _requested(self, document: int, receiver: _Receiver, line: _Line, frame: VideoFrame) -> int | None:
        """The source that the page requested and the slot shows; ANY_SOURCE where it may be anybody's, None where it is one of
        several.
        """
        connection = self._connections.get((document, line.connection))
        slot = None if connection is None or not line.slot else connection.slots.get(line.slot)
        if not line.slot:
            self._warn(NO_SLOT)
        elif slot is None:
            self._warn(NO_REQUEST)
        receiver.begin(line)
        if connection is None or slot is None:
            receiver.low = receiver.high = _BEFORE_REQUESTS
            return ANY_SOURCE
        if frame.key:
            latest = slot.latest_sent(frame.arrival)
            answered = slot.latest_answered(frame.arrival, answers=connection.answers_by(frame.arrival))
            if answered is not None and answered.answered > frame.arrival:
                self._warn(NO_ANSWERS)
            if receiver.low is None:
                receiver.low = min(latest, 0)
            receiver.low = max(receiver.low, _BEFORE_REQUESTS if answered is None else answered.number)
            receiver.high = latest
        if receiver.low is None or receiver.high is None:
            return None
        return slot.shown(receiver.low, receiver.high)

    def _named(self, frame: VideoFrame) -> int | None:
        """The source that the frame itself names: its only contributing source that is a known camera or screen."""
        named = [each for each in frame.csrcs if self._decoder.has_video(each)]
        return named[0] if len(named) == 1 else None

    def _key_of(
        self, document: int, line: _Line, number: int, evidence: VideoEvidence, frame: VideoFrame
    ) -> str | None:
        if number == ANY_SOURCE:
            source = _Source(None, 0, 0, VideoEvidence.NONE, line.label)
            key = f"{document}.{frame.receiver}"
        else:
            camera = self._decoder.camera_tenure(number, frame.arrival)
            share = self._decoder.share_tenure(number, frame.arrival)
            source = _Source(number, camera, share, evidence, line.label)
            key = f"{document}.{line.connection}/{number}.{camera}.{share}"
        known = key in self._sources or len(self._sources) < MOST_KEYS
        shown = self._keys.key_of(document, frame, key if known else None)
        if shown is not None and shown not in self._sources:
            self._sources[shown] = source
        return shown

    def _receiver(self, document: int, receiver: int) -> _Receiver:
        key = (document, receiver)
        return self._receivers.get(key) or self._receivers.put(key, _Receiver())

    def _connection(self, document: int, connection: int) -> _Connection:
        key = (document, connection)
        return self._connections.get(key) or self._connections.put(key, _Connection())

    def _is_waiting(self) -> bool:
        """Whether the bot is known to be in the lobby."""
        us = self._known_roster().us
        return us is not None and us.status is Status.WAITING

    def _known(self, device_id: str | None) -> str | None:
        """The device where the roster has it."""
        return device_id if device_id in self._known_roster().devices else None

    def _known_roster(self) -> Roster:
        if self._roster is None:
            self._roster = self._decoder.roster()
        return self._roster

    def _warn(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings[message] = None
            logger.warning("%s", message)


class _Source(NamedTuple):
    """What a key stands for. ``number`` is None where it may be anybody's; ``label`` is the media stream's id."""

    number: int | None
    camera_tenure: int
    share_tenure: int
    evidence: VideoEvidence
    label: str


class _Line(NamedTuple):
    """What is known of a receiver's line from ``at`` on."""

    at: float
    connection: int
    slot: str
    label: str


_UNKNOWN_LINE: Final = _Line(0.0, -1, "", "")


class _Receiver:
    """The lines of one receiver, and the requests of which one is shown: those with numbers from ``low`` to ``high``. Both are
    None until a key frame.
    """

    def __init__(self) -> None:
        self.low: int | None = None
        self.high: int | None = None
        self._lines: deque[_Line] = deque(maxlen=MOST_LINES)
        self._current: _Line | None = None

    def describe(self, event: VideoTrackSeen) -> None:
        """Takes a description. A slot that is learned late was the line's from its beginning."""
        slot = parse_slot(event.slot)
        label = event.streams[0][:MAX_SLOT] if event.streams else ""
        last = self._lines[-1] if self._lines else None
        if last is None or last.connection != event.connection or (slot and last.slot and slot != last.slot):
            at = event.at if last is None else max(event.at, last.at)
            self._lines.append(_Line(at, event.connection, slot, label))
        else:
            self._lines[-1] = last._replace(slot=last.slot or slot, label=label or last.label)

    def line(self, at: float) -> _Line:
        """The line at ``at``; the first one before."""
        for line in reversed(self._lines):
            if line.at <= at:
                return line
        return self._lines[0] if self._lines else _UNKNOWN_LINE

    def begin(self, line: _Line) -> None:
        """Has the receiver belong to ``line``; of a new one nothing is shown until a key frame."""
        current, self._current = self._current, line
        if current is not None and (current.connection, current.slot) != (line.connection, line.slot):
            self.low = self.high = None


class _Request:
    """The ``number``-th request of a slot."""

    __slots__ = ("answered", "number", "sent", "source")

    def __init__(self, number: int, source: int, sent: float) -> None:
        self.number = number
        self.source = source
        self.sent = sent
        self.answered = inf
        """When the first answer came."""


class _Slot:
    """The requests for one slot; one that only repeats the last is the same request."""

    def __init__(self) -> None:
        self._requests: deque[_Request] = deque(maxlen=MOST_REQUESTS)

    def request(self, source: int, at: float) -> _Request:
        last = self._requests[-1] if self._requests else None
        if last is not None and last.source == source:
            return last
        number, sent = (0, at) if last is None else (last.number + 1, max(at, last.sent))
        request = _Request(number, source, sent)
        self._requests.append(request)
        return request

    def latest_sent(self, at: float) -> int:
        """The number of the latest request that was sent until ``at``; _BEFORE_REQUESTS for none."""
        return next((each.number for each in reversed(self._requests) if each.sent <= at), _BEFORE_REQUESTS)

    def latest_answered(self, at: float, *, answers: bool) -> _Request | None:
        """The latest request that was answered before ``at``; None for none. ``answers``: the service answers requests."""
        return next((each for each in reversed(self._requests) if _is_answered(each, at, answers)), None)

    def shown(self, low: int, high: int) -> int | None:
        """The source that all requests with these numbers want, but for those that want none; ANY_SOURCE: it may be anybody's;
        None: they want several, or some are not known any more.
        """
        if low == high == _BEFORE_REQUESTS:
            return ANY_SOURCE
        if not self._requests or low < max(self._requests[0].number, 0):
            return None
        first = self._requests[0].number
        wanted = {self._requests[number - first].source for number in range(low, high + 1)} - {NO_SOURCE}
        return wanted.pop() if len(wanted) == 1 else None


class _Connection:
    """The slots of one connection, and its requests that wait for an answer."""

    def __init__(self) -> None:
        self.slots: dict[str, _Slot] = {}
        self._first_answer = inf
        self._open: deque[tuple[int | None, float, _Request]] = deque(maxlen=MOST_OPEN)
        """Their sequence numbers and times."""

    def request(self, request: VideoRequest, at: float) -> None:
        slot = self.slots.get(request.slot)
        if slot is None:
            if len(self.slots) >= MOST_SLOTS:
                return
            slot = self.slots[request.slot] = _Slot()
        self._open.append((request.sequence, at, slot.request(request.source, at)))

    def answer(self, sequence: int | None, at: float) -> None:
        """Takes the answer to the oldest request with this number; to the oldest of all where the answer has no number."""
        self._first_answer = min(self._first_answer, at)
        found = next((each for each in self._open if sequence is None or each[0] == sequence), None)
        if found is None:
            return
        answered = [
            each for each in self._open if each is found or (sequence is not None and each[:2] == found[:2])
        ]
        for each in answered:
            self._open.remove(each)
            request = each[2]
            request.answered = min(request.answered, max(at, request.sent))

    def answers_by(self, at: float) -> bool:
        """Whether the service had answered any request until ``at``."""
        return self._first_answer <= at


def _is_answered(request: _Request, at: float, answers: bool) -> bool:
    return request.answered < at or (not answers and request.sent + UNANSWERED < at)

"""What is shown of a bot, in plain English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from worker.contracts.bot_facts import BotFacts
from worker.contracts.status import StatusChange
from worker.iso_time import iso_utc
from worker.manifest.filenames import display_name
from worker.manifest.schema import Manifest, ParticipantStreams, Segment, VideoSegment
from worker.platforms.links import parse_link
from worker.platforms.registry import PLATFORMS
from worker.reasons import Fault, read_reason
from worker.rendering.timeline.intervals import union
from worker.rendering.timeline.speaker import clock_time, percent, svg_path
from worker.states import State, read_state


class StateView(NamedTuple):
    """``kind`` is the badge's: waiting, active, recording, done, unrecorded or failed."""

    kind: str
    label: str


_STATES: Final = {
    State.STARTING: StateView("active", "Starting"),
    State.JOINING: StateView("active", "Joining"),
    State.WAITING_ROOM: StateView("waiting", "In the waiting room"),
    State.IN_CALL_NOT_RECORDING: StateView("active", "In the call"),
    State.IN_CALL_RECORDING: StateView("recording", "Recording"),
    State.LEAVING: StateView("active", "Leaving"),
    State.STOPPED: StateView("active", "Finishing the files"),
    State.UPLOADING: StateView("active", "Finishing the files"),
    State.DONE: StateView("done", "Done"),
    State.FATAL: StateView("failed", "Failed"),
}


class Moment(NamedTuple):
    """A time: ``iso`` for programs, ``text`` for people, in UTC. ``is_exact``: to the second, else to the minute."""

    iso: str
    text: str
    is_exact: bool = False


class ListedBot(NamedTuple):
    """A bot in the list. ``why``: how it ended, empty before. ``began``: the recording, None before. ``lasted``: m:ss."""

    bot_id: str
    name: str
    meeting: str
    platform: str
    state: StateView
    why: str
    sent: Moment
    joins: Moment | None
    began: Moment | None
    lasted: str


class Step(NamedTuple):
    """A state that the bot entered. ``note``: more about it, may be empty."""

    at: Moment
    label: str
    note: str


class FileView(NamedTuple):
    """A file: ``path`` in the bot's folder, ``name`` to save it as, ``part``: which stretch, empty for the only one."""

    path: str
    name: str
    part: str


class SpeakerView(NamedTuple):
    """Somebody who was heard. ``lane``: the path of an SVG of the whole recording, with x in seconds."""

    number: int
    name: str
    is_host: bool
    spoke: str
    share: str
    lane: str
    files: list[FileView]


class VideoView(NamedTuple):
    """What somebody showed: ``what`` is Camera or Screen."""

    name: str
    what: str
    lasted: str
    files: list[FileView]


class RecordingView(NamedTuple):
    """``seconds`` is the width of the lanes; ``lane`` is of anybody. ``notices``: what is wrong with the recording."""

    seconds: str
    lasted: str
    began: Moment
    lane: str
    notices: list[str]
    mixes: list[FileView]
    speakers: list[SpeakerView]
    videos: list[VideoView]


def listed(facts: BotFacts) -> ListedBot:
    """The bot in the list."""
    began, ended = facts.at(State.IN_CALL_RECORDING), facts.at(State.LEAVING)
    return ListedBot(
        bot_id=facts.bot_id,
        name=display_name(facts.job.bot_name) or "Unnamed",
        meeting=parse_link(facts.job.meeting_url).shown.removeprefix("https://"),
        platform=PLATFORMS[facts.job.platform].title,
        state=state_of(facts),
        why=facts.status.message if facts.is_over and facts.status is not None else "",
        sent=moment(facts.created),
        joins=None if facts.job.join_at is None else moment(iso_utc(facts.job.join_at)),
        began=None if began is None else moment(began),
        lasted=_lasted(began, ended),
    )


def state_of(facts: BotFacts) -> StateView:
    """The bot's state."""
    if facts.status is None:
        return StateView("waiting", "Waiting for a worker" if facts.is_dispatched else "Scheduled")
    state = read_state(facts.status.state)
    known = None if state is None else _STATES.get(state)
    if known is None:
        return StateView("active", facts.status.bot_status)
    if state is State.DONE and facts.at(State.IN_CALL_RECORDING) is None:
        return StateView("unrecorded", "Not recorded")
    return known


def blame(facts: BotFacts) -> str:
    """What may be done about how the bot ended; empty where nothing has to be."""
    reason = read_reason(facts.status.reason) if facts.is_over and facts.status is not None else None
    match reason.fault if reason is not None else Fault.NOBODY:
        case Fault.USER:
            return "Check the link, the meeting's settings and the bot's account, then send another bot."
        case Fault.PLATFORM:
            return "The meeting's platform refused or did not answer. Another try may help."
        case Fault.OURS:
            return "This is a fault of the service, not of the meeting."
        case _:
            return ""


def steps(facts: BotFacts) -> list[Step]:
    """What became of the bot, in order."""
    first = [Step(moment(facts.created, is_exact=True), "Sent", "")]
    return [*first, *(_step(change, facts) for change in facts.history)]


def recording(manifest: Manifest) -> RecordingView:
    """What was recorded."""
    facts = manifest.recording
    spoken = [
        union(each for segment in person.segments() for each in segment.intervals)
        for person in manifest.participants
    ]
    sums = [sum(end - begin for begin, end in intervals) for intervals in spoken]
    notices = [display_name(warning) for warning in facts.warnings]
    if not facts.complete:
        why = display_name(facts.ended_detail) or display_name(facts.ended_reason)
        notices.insert(0, f"This recording is incomplete: {why}")
    return RecordingView(
        seconds=f"{max(facts.duration_seconds, 0.001):.3f}",
        lasted=clock_time(facts.duration_seconds),
        began=moment(facts.started_at),
        lane=svg_path(union(each for intervals in spoken for each in intervals)),
        notices=notices,
        mixes=list(_mixes(manifest)),
        speakers=[
            SpeakerView(
                number=index,
                name=_name(index, person),
                is_host=person.is_host is True,
                spoke=clock_time(sums[index - 1]),
                share=percent(sums[index - 1], sum(sums)),
                lane=svg_path(spoken[index - 1]),
                files=_files(list(person.segments())),
            )
            for index, person in enumerate(manifest.participants, start=1)
        ],
        videos=[
            VideoView(
                name=display_name(stream.participant_name) or "Unnamed",
                what="Screen" if stream.kind == "screenshare" else "Camera",
                lasted=clock_time(sum(segment.duration_seconds for segment in stream.segments)),
                files=_files(stream.segments),
            )
            for stream in manifest.video_streams or []
        ],
    )


def files_of(manifest: Manifest) -> dict[str, str]:
    """The paths in the bot's folder that may be asked for, each with the name to save it as."""
    streams = {segment.url: segment.filename for _, segment in manifest.segments()}
    videos = {segment.url: segment.filename for _, segment in manifest.video_segments()}
    return {**streams, **videos, **{mix.path: mix.name for mix in _mixes(manifest)}}


def moment(iso: str, *, is_exact: bool = False) -> Moment:
    """A time in ISO 8601; one that cannot be read is shown as it is."""
    try:
        at = datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError):
        return Moment("", iso)
    clock = "%H:%M:%S" if is_exact else "%H:%M"
    return Moment(at.isoformat(timespec="seconds"), f"{at.day} {at:%b %Y}, {at:{clock}} UTC", is_exact)


def _step(change: StatusChange, facts: BotFacts) -> Step:
    state = read_state(change.state)
    known = None if state is None else _STATES.get(state)
    is_end = state in {State.LEAVING, State.DONE, State.FATAL}
    note = change.message if is_end and change.reason else ""
    attempts = {each.attempt for each in facts.history}
    if len(attempts) > 1:
        note = f"{note} (attempt {change.attempt})".strip()
    return Step(moment(change.at, is_exact=True), known.label if known else change.bot_status, note)


def _mixes(manifest: Manifest) -> Iterator[FileView]:
    facts = manifest.recording
    if facts.mixed_audio is not None:
        yield FileView(facts.mixed_audio, "audio.wav", "")
        return
    parts = facts.parts or []
    for number, part in enumerate(parts, start=1):
        if part.mixed_audio is not None:
            name = f"audio-{number}.wav" if len(parts) > 1 else "audio.wav"
            yield FileView(part.mixed_audio, name, f"Part {number} of {len(parts)}")


def _files(segments: Sequence[Segment | VideoSegment]) -> list[FileView]:
    several = len(segments) > 1
    return [
        FileView(segment.url, segment.filename, f"Part {number} of {len(segments)}" if several else "")
        for number, segment in enumerate(segments, start=1)
    ]


def _name(index: int, person: ParticipantStreams) -> str:
    return display_name(person.participant_name) or f"Speaker {index}"


def _lasted(began: str | None, ended: str | None) -> str:
    if began is None or ended is None:
        return ""
    try:
        seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except ValueError:
        return ""
    return clock_time(max(0.0, seconds))

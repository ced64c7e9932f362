"""The parts of the timeline page about video: lanes, table and player; all empty without video (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from worker.manifest.filenames import display_name
from worker.manifest.schema import Interval, VideoSegment, VideoStreams
from worker.rendering.timeline.intervals import seconds, union
from worker.rendering.timeline.speaker import Speaker, clock_time, safe_url, svg_path

_KINDS: Final = {"webcam": "Camera", "screenshare": "Screen"}
_OWNER_KNOWN_FROM: Final = {
    "stream_id": "the stream's id",
    "csrc": "the packets",
    "request": "what the page asked for",
    "none": "not known",
}
_HEADINGS: Final = (
    "Name",
    "Shown",
    "Size",
    "Format",
    "Frames/s",
    "Frames",
    "Key frames",
    "Lost",
    "Owner known from",
    "Files",
)
_TEXTS: Final = {"Size", "Format", "Owner known from", "Files"}
_ICON: Final = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 4h9v8H1zm10 3 4-2.5v7L11 9z"/></svg>'


class VideoLane:
    """One camera or screen. ``number`` counts from 0; ``speaker`` is whose it is, None: of somebody who was not heard."""

    def __init__(self, number: int, streams: VideoStreams, speaker: Speaker | None, hue_class: str) -> None:
        self.number = number
        self.speaker = speaker
        self.hue_class = hue_class
        self.segments: list[VideoSegment] = streams.segments
        self.kind = _KINDS.get(streams.kind, display_name(streams.kind))
        self.name = display_name(streams.participant_name) or f"Camera {number + 1}"
        self.is_screen = streams.kind == "screenshare"
        self._shown = union(interval for segment in self.segments for interval in segment.intervals)

    def label(self) -> str:
        """The lane's label: the button that chooses it, whose it is, and how long it was shown."""
        name, what = escape(self.name), f"{escape(self.kind)} · {clock_time(seconds(self._shown))}"
        title = "" if self.speaker else f'<span class="name" dir="auto" title="{name}">{name}</span>'
        disabled = "" if self._clips() else " disabled"
        return (
            f'<div class="label video {self.hue_class}{"" if self.speaker else " alone"}">'
            f'<button class="show" type="button" data-video="{self.number}" aria-pressed="false"'
            f' aria-label="Show {escape(self.kind.lower())} of {name}"{disabled}>{_ICON}</button>'
            f'<span class="who">{title}<span class="sub">{what}</span></span></div>'
        )

    def lane(self, duration: float) -> str:
        """The lane with what was shown, to scale; ``duration`` is the whole lane in seconds."""
        within = [(max(0.0, begin), min(end, duration)) for begin, end in self._shown]
        return (
            f'<svg class="lane video {self.hue_class}{"" if self.speaker else " alone"}"'
            f' viewBox="0 0 {duration:.3f} 1" preserveAspectRatio="none" role="img"'
            f' aria-label="When {escape(self.kind.lower())} of {escape(self.name)} is shown">'
            f'<path d="{svg_path(each for each in within if each[0] < each[1])}"/></svg>'
        )

    def row(self) -> str:
        """The row of totals."""
        frames, shown = sum(each.frames for each in self.segments), seconds(self._shown)
        sizes = dict.fromkeys(f"{each.width}×{each.height}" for each in self.segments)
        formats = dict.fromkeys(display_name(each.codec) for each in self.segments)
        known_from = dict.fromkeys(
            _OWNER_KNOWN_FROM.get(each.owner_evidence, each.owner_evidence) for each in self.segments
        )
        lost = sum(each.lost for each in self.segments)
        links = "".join(
            f'<a href="{escape(url)}" download>{escape(display_name(each.filename))}</a>'
            for each in self.segments
            if (url := safe_url(each.url)) is not None
        )
        cells = (
            clock_time(shown),
            escape(", ".join(sizes)),
            escape(", ".join(formats)),
            f"{frames / shown:.1f}" if shown else "–",
            f"{frames:,}",
            f"{sum(each.key_frames for each in self.segments):,}",
            f"{lost:,}",
            escape(", ".join(known_from)),
            links,
        )
        classes = {"Lost": "some" if lost else "zero", "Files": "text wide files"}
        columns = "".join(
            f'<td data-label="{heading}" class="{classes.get(heading, "text" if heading in _TEXTS else "number")}">'
            f"{content}</td>"
            for heading, content in zip(_HEADINGS[1:], cells, strict=True)
        )
        return (
            f'<tr class="{self.hue_class}"><td><span class="dot"></span><bdi class="person">{escape(self.name)}</bdi>'
            f' <span class="badge">{escape(self.kind.lower())}</span></td>{columns}</tr>'
        )

    def data(self) -> dict[str, object]:
        """Data for the player: ``track`` is the speaker's, None without one; times are seconds of meeting time."""
        return {
            "name": f"{self.name} · {self.kind.lower()}",
            "track": self.speaker.number if self.speaker else None,
            "screen": self.is_screen,
            "clips": self._clips(),
            "shown": [_rounded(each) for each in self._shown],
        }

    def _clips(self) -> list[dict[str, object]]:
        return [
            {"url": url, "start": each.start_seconds, "duration": each.duration_seconds}
            for each in self.segments
            if (url := safe_url(each.url)) is not None
        ]


def video_lanes(streams: Sequence[VideoStreams], speakers: Sequence[Speaker], hues: int) -> list[VideoLane]:
    """The lanes of all cameras and screens; each belongs to the speaker who is the same participant, if there is one."""
    owners = {(each.participant.participant_name, each.participant.participant_id): each for each in speakers}
    others: dict[tuple[str, str | None], str] = {}
    lanes = []
    for number, each in enumerate(streams):
        person = (each.participant_name, each.participant_id)
        speaker = owners.get(person)
        if speaker is not None:
            hue = speaker.hue_class
        else:
            hue = others.setdefault(person, f"h{(len(speakers) + len(others)) % hues}")
        lanes.append(VideoLane(number, each, speaker, hue))
    return lanes


def video_tile(lanes: Sequence[VideoLane]) -> str:
    """The tile with the number of cameras and screens."""
    if not lanes:
        return ""
    screens = sum(lane.is_screen for lane in lanes)
    note = f"{screens} screen{'' if screens == 1 else 's'}" if screens else ""
    return f"<div><dt>Cameras</dt><dd>{len(lanes) - screens}<small>{note}</small></dd></div>"


def video_legend(lanes: Sequence[VideoLane]) -> str:
    """The legend's entry."""
    return '<span class="key video">shown</span>' if lanes else ""


def video_table(lanes: Sequence[VideoLane]) -> str:
    """The section with a row for each camera and screen."""
    if not lanes:
        return ""
    head = "".join(
        f'<th scope="col" class="{"text" if name in _TEXTS else "number"}">{name}</th>' for name in _HEADINGS
    )
    rows = "\n".join(lane.row() for lane in lanes)
    return (
        '\n<section class="speakers" aria-labelledby="video-title">\n<h2 id="video-title">Video</h2>\n'
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n</section>'
    )


def video_player(lanes: Sequence[VideoLane]) -> str:
    """The player, which is hidden until something is shown at the playhead. From then on its place stays, so that the lanes
    do not jump."""
    if not lanes:
        return ""
    return (
        '<div class="theatre" id="theatre" hidden><div class="stage" id="stage" hidden>'
        '<video id="picture" muted playsinline preload="auto"></video>'
        '<p id="pictured" dir="auto"></p></div>'
        '<button type="button" id="unstage" aria-label="Close the video">×</button></div>\n'
    )


def video_script(lanes: Sequence[VideoLane], data: str, script: str) -> str:
    """The player's ``data`` and ``script``."""
    if not lanes:
        return ""
    return f'\n<script type="application/json" id="videos">{data}</script>\n<script type="module">{script}</script>'


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], 3), round(interval[1], 3)

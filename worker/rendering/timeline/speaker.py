"""One speaker on the timeline page: label, lane, row of totals, and data for the player (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

from worker.manifest.filenames import display_name
from worker.manifest.schema import Interval, ParticipantStreams
from worker.rendering.timeline.gated_mix import evidence_badges, mix_strips, shared_seconds
from worker.rendering.timeline.intervals import seconds, turns, union

_NAMED_BY = {
    "collections": "roster channel",
    "channels": "data channel",
    "rpc": "roster request",
    "tiles": "page tiles",
    "frames": "roster messages",
    "objects": "page objects",
    "none": "nobody",
}


class Speaker:
    """A participant with all segments. ``number`` counts from 1 and is the player's track."""

    def __init__(self, number: int, participant: ParticipantStreams, *, hue_class: str) -> None:
        self.number = number
        self.hue_class = hue_class
        self.participant = participant
        self.name = display_name(participant.participant_name) or f"Speaker {number}"
        self.segments = list(participant.segments())
        self.speech = union(interval for segment in self.segments for interval in segment.intervals)
        self.speech_seconds = seconds(self.speech)
        self.packets = participant.packets()
        self.shared_seconds = shared_seconds(self.segments)

    def label(self, icons: str, all_speech: float) -> str:
        """The lane's label: play button, name, speech time and share."""
        name = escape(self.name)
        disabled = "" if self._clips() else " disabled"
        return (
            f'<div class="label {self.hue_class}" data-lane="{self.number}">'
            f'<button class="play" type="button" data-track="{self.number}" aria-pressed="false"'
            f' aria-label="Play {name}"{disabled}>{icons}</button>'
            f'<span class="who"><span class="name" dir="auto" title="{name}">{name}</span>'
            f'<span class="sub">{clock_time(self.speech_seconds)} · {percent(self.speech_seconds, all_speech)}</span></span>'
            '<span class="dot"></span></div>'
        )

    def lane(self, width: str) -> str:
        """The lane with the speech to scale; ``width`` is the whole lane in seconds."""
        return (
            f'<svg class="lane {self.hue_class}" viewBox="0 0 {width} 1" preserveAspectRatio="none" role="img"'
            f' aria-label="When {escape(self.name)} speaks"><path d="{svg_path(self.speech)}"/>'
            f"{mix_strips(self.segments)}</svg>"
        )

    def row(self, all_speech: float) -> str:
        """The row of totals."""
        packets, named_by = self.packets, self.participant.name_source
        share = percent(self.speech_seconds, all_speech)
        bar = 100 * self.speech_seconds / all_speech if all_speech else 0
        isolation = "".join(
            f'<span class="badge {escape(kind)}">{escape(kind)}</span>'
            for kind in dict.fromkeys(segment.isolation for segment in self.segments)
        )
        cells = [
            _cell("Speech", clock_time(self.speech_seconds)),
            _cell(
                "Share",
                f'<span class="share"><svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
                f'<rect width="{bar:.1f}" height="1"/></svg>{share}</span>',
            ),
            _cell("Turns", f"{turns(self.speech):,}"),
            *([] if self.shared_seconds is None else [_cell("Shared", clock_time(self.shared_seconds))]),
            _cell("Packets", f"{packets.received:,}"),
            _cell("Recovered", f"{packets.recovered:,}", "" if packets.recovered else "zero"),
            _cell("Lost", f"{packets.lost:,}", "some" if packets.lost else "zero"),
            _cell("Late", f"{packets.late:,}", "some" if packets.late else "zero"),
            _cell("Isolation", isolation, "text"),
            *(
                []
                if self.shared_seconds is None
                else [_cell("Told by", evidence_badges(self.segments), "text")]
            ),
            _cell("Named by", escape(_NAMED_BY.get(named_by, named_by)), "text"),
            _cell("Files", self._links(), "text wide files"),
        ]
        return f'<tr class="{self.hue_class}">{self._name_cell()}{"".join(cells)}</tr>'

    def track(self) -> dict[str, object]:
        """Data for the page's player: name, files and speech, in seconds of meeting time."""
        return {
            "name": self.name,
            "clips": self._clips(),
            "speech": [(round(begin, 3), round(end, 3)) for begin, end in self.speech],
        }

    def _clips(self) -> list[dict[str, object]]:
        return [
            {"url": url, "start": segment.start_seconds, "duration": segment.duration_seconds}
            for segment in self.segments
            if (url := safe_url(segment.url)) is not None
        ]

    def _name_cell(self) -> str:
        badge = ' <span class="badge">host</span>' if self.participant.is_host else ""
        csrcs = dict.fromkeys(
            source.ssrc if source.csrc is None else source.csrc
            for segment in self.segments
            for source in segment.sources
        )
        device = display_name(self.participant.participant_id or "") or "no device known"
        identity = escape(" · ".join([*(f"source {csrc}" for csrc in csrcs), device]))
        return (
            f'<td><span class="dot"></span><bdi class="person">{escape(self.name)}</bdi>{badge}'
            f'<span class="id" title="{identity}">{identity}</span></td>'
        )

    def _links(self) -> str:
        return "".join(
            f'<a href="{escape(url)}" download>{escape(display_name(segment.filename))}</a>'
            for segment in self.segments
            if (url := safe_url(segment.url)) is not None
        )


def svg_path(intervals: Iterable[Interval]) -> str:
    """One rectangle for each interval, 1 high, x in seconds; a single path, so that thousands of them render fast."""
    return "".join(f"M{begin:.3f} 0h{end - begin:.3f}v1h-{end - begin:.3f}z" for begin, end in intervals)


def clock_time(duration: float) -> str:
    """m:ss, or h:mm:ss from an hour on; ``duration`` in seconds, rounded down."""
    minutes, rest = divmod(int(duration), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def percent(part: float, whole: float) -> str:
    """A share in per cent: whole numbers, one decimal below ten."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %" if 0 < share < 9.95 else f"{share:.0f} %"


def safe_url(url: str) -> str | None:
    """The URL if it is relative or https; None for every other scheme, such as javascript."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    relative = not parts.scheme and not parts.netloc and bool(url)
    return url if relative or parts.scheme == "https" else None


def _cell(label: str, content: str, classes: str = "") -> str:
    kind = f' class="{classes}"' if classes else ""
    return f'<td data-label="{label}"{kind}>{content}</td>'

"""Renders ``timeline.html``, one self-contained page that shows a recording, from the manifest alone (pure).

The page loads only the audio files that the manifest names, and only when they are played. Names and all other text are
untrusted: everything is escaped, and the page's Content-Security-Policy allows only its own script and style, by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import urlsplit

import msgspec

from worker.manifest.filenames import display_name
from worker.manifest.schema import GatedMix, Interval, Manifest, Recording
from worker.platforms.registry import PLATFORMS
from worker.reasons import read_reason
from worker.rendering.timeline.gated_mix import attribution_tile, mix_legend, mix_notice
from worker.rendering.timeline.intervals import at_least, seconds
from worker.rendering.timeline.pauses import pause_band, pause_legend, pause_notice
from worker.rendering.timeline.speaker import Speaker, clock_time, percent, safe_url, svg_path
from worker.rendering.timeline.video import (
    VideoLane,
    video_lanes,
    video_legend,
    video_player,
    video_script,
    video_table,
    video_tile,
)

_HUES = 24
_FIRST_HUE = 262.0
_GOLDEN_ANGLE = 137.508
_TITLES = {platform.value: entry.title for platform, entry in PLATFORMS.items()}
_SHORTEST = 0.001
_ICONS = (
    '<svg class="start" viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2.2v11.6L13.5 8z"/></svg>'
    '<svg class="pause" viewBox="0 0 16 16" aria-hidden="true"><path d="M3.5 2h3v12h-3zm6 0h3v12h-3z"/></svg>'
)
Columns = tuple[tuple[str, bool], ...]
"""Headings, and whether their columns are text."""

_COLUMNS: Columns = (
    ("Name", False),
    ("Speech", False),
    ("Share", False),
    ("Turns", False),
    ("Packets", False),
    ("Recovered", False),
    ("Lost", False),
    ("Late", False),
    ("Isolation", True),
    ("Named by", True),
    ("Files", True),
)
_MIX_COLUMNS: Columns = (*_COLUMNS[:4], ("Shared", False), *_COLUMNS[4:9], ("Told by", True), *_COLUMNS[9:])
"""The columns if the files are a gated mix."""


def timeline_html(manifest: Manifest, media_origins: Sequence[str] = ()) -> str:
    """The whole page. Its audio URLs are those of the manifest, so it must be in the folder of ``audio_streams.json``.

    ``media_origins`` (``https://host``) are those to which a server redirects the files' URLs.
    """
    recording = manifest.recording
    duration = max(recording.duration_seconds, _SHORTEST)
    speakers = [
        Speaker(number, streams, hue_class=f"h{(number - 1) % _HUES}")
        for number, streams in enumerate(manifest.participants, start=1)
    ]
    videos = video_lanes(manifest.video_streams or [], speakers, _HUES)
    speech = [speaker.speech for speaker in speakers]
    anybody, two, three = (at_least(count, speech) for count in (1, 2, 3))
    all_speech = sum(speaker.speech_seconds for speaker in speakers)
    gated = isinstance(recording.gated_mix, GatedMix)
    styles = ["timeline.css"]
    styles += ["timeline_mix.css"] if gated else []
    styles += ["timeline_pauses.css"] if recording.pauses else []
    styles += ["timeline_video.css"] if videos else []
    style = "".join(map(_asset, styles)) + _hue_classes()
    script = _asset("timeline.js")
    player_script = _asset("timeline_video.js") if videos else ""
    labels, lanes = _rows(speakers, videos, duration, all_speech)
    meeting = _meeting(recording)
    return Template(_asset("timeline.html")).substitute(
        policy=escape(
            _policy(manifest, style, [script, *([player_script] if videos else [])], media_origins)
        ),
        style=style,
        script=script,
        title=escape(f"{meeting} · recording"),
        platform=escape(_platform(recording)),
        meeting=escape(meeting),
        when=_when(recording),
        notices=_notices(recording),
        tiles=_tiles(speakers, recording, anybody, two)
        + attribution_tile(recording.gated_mix)
        + video_tile(videos),
        mix_legend=mix_legend(recording.gated_mix),
        paused=pause_band(recording),
        pause_legend=pause_legend(recording),
        video_legend=video_legend(videos),
        icons=_ICONS,
        main_disabled="" if _mix_url(recording) else " disabled",
        duration=clock_time(recording.duration_seconds),
        seconds=f"{duration:.3f}",
        overlap_label=f"{percent(seconds(two), seconds(anybody))} overlap",
        labels=labels,
        lanes=lanes,
        anybody=svg_path(anybody),
        two=svg_path(two),
        three=svg_path(three),
        bands=svg_path(two),
        speakers=_table(speakers, all_speech, _MIX_COLUMNS if gated else _COLUMNS),
        video_table=video_table(videos),
        video_player=video_player(videos),
        video_script=video_script(videos, _json([video.data() for video in videos]), player_script),
        footer=_footer(manifest),
        data=_json(
            {
                "duration": duration,
                "tracks": [_mix_track(recording), *(speaker.track() for speaker in speakers)],
            }
        ),
    )


def _asset(name: str) -> str:
    return files("worker.rendering.timeline").joinpath(name).read_text("utf-8")


def _rows(
    speakers: list[Speaker], videos: list[VideoLane], duration: float, all_speech: float
) -> tuple[str, str]:
    """Labels and lanes: each speaker's with those of the speaker's video, then the video of those who were not heard."""
    labels: list[str] = []
    lanes: list[str] = []
    for speaker in [*speakers, None]:
        if speaker is not None:
            labels.append(speaker.label(_ICONS, all_speech))
            lanes.append(speaker.lane(f"{duration:.3f}"))
        own = [video for video in videos if video.speaker is speaker]
        labels += [video.label() for video in own]
        lanes += [video.lane(duration) for video in own]
    return "\n".join(labels), "\n".join(lanes)


def _policy(manifest: Manifest, style: str, scripts: Sequence[str], media_origins: Sequence[str]) -> str:
    """Content-Security-Policy (CSP level 3, §2.4): this style and these scripts, media of this origin or of the manifest's
    hosts."""
    urls = [segment.url for _, segment in manifest.segments()]
    urls += [segment.url for shown in manifest.video_streams or [] for segment in shown.segments]
    hosts = {_origin(url) for url in [*urls, manifest.recording.mixed_audio or ""]} - {None}
    media = " ".join(["'self'", *sorted({*(host for host in hosts if host), *media_origins})])
    return (
        f"default-src 'none'; style-src {_csp_hash(style)}; script-src {' '.join(map(_csp_hash, scripts))}; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )


def _origin(url: str) -> str | None:
    """The origin of an absolute https URL; None for all others."""
    if safe_url(url) is None or not url.startswith("https://"):
        return None
    host = urlsplit(url).netloc
    return f"https://{host}" if all(c.isalnum() or c in ".-:" for c in host) else None


def _csp_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _hue_classes() -> str:
    """A colour for each speaker: neighbours differ strongly, all have the same brightness (oklch) in either theme."""
    return "".join(
        f".h{n} {{ --speech: oklch(var(--speech-l) var(--speech-c) {(_FIRST_HUE + n * _GOLDEN_ANGLE) % 360:.0f}); }}\n"
        for n in range(_HUES)
    )


def _platform(recording: Recording) -> str:
    return _TITLES.get(recording.platform, display_name(recording.platform))


def _meeting(recording: Recording) -> str:
    """The meeting's code: the last part of its URL."""
    return display_name(recording.meeting_url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]) or "Meeting"


def _when(recording: Recording) -> str:
    """Date, duration and bot name; an invalid date is shown as it is."""
    try:
        begun = datetime.fromisoformat(recording.started_at).astimezone(UTC)
        date = f"{begun.day} {begun:%B %Y, %H:%M} UTC"
    except (ValueError, OverflowError):
        date = display_name(recording.started_at)
    parts = [date, clock_time(recording.duration_seconds), f"recorded by {display_name(recording.bot_name)}"]
    return " · ".join(f"<bdi>{escape(part)}</bdi>" for part in parts)


def _notices(recording: Recording) -> str:
    notices = [f"<li>{escape(display_name(warning))}</li>" for warning in recording.warnings]
    if not recording.complete:
        ended = read_reason(recording.ended_reason)
        if recording.holes and ended is not None and not ended.is_cut_off:
            why = "sound is missing in between"
        else:
            why = display_name(recording.ended_detail) or display_name(recording.ended_reason)
        notices.insert(0, f'<li class="bad">This recording is incomplete: {escape(why)}</li>')
    notices += pause_notice(recording)
    notices += mix_notice(recording.gated_mix)
    return f'<ul class="notices">{"".join(notices)}</ul>' if notices else ""


def _tiles(
    speakers: list[Speaker], recording: Recording, anybody: list[Interval], two: list[Interval]
) -> str:
    duration = max(recording.duration_seconds, _SHORTEST)
    mix = recording.gated_mix
    came = [speaker.packets for speaker in speakers] if mix is msgspec.UNSET else [mix.mix]
    received, recovered, lost = (
        sum(getattr(packets, field) for packets in came) for field in ("received", "recovered", "lost")
    )
    tiles = [
        ("Speakers", str(len(speakers)), ""),
        ("Speech", clock_time(seconds(anybody)), percent(seconds(anybody), duration)),
        ("Two or more at once", clock_time(seconds(two)), percent(seconds(two), seconds(anybody))),
        ("Packets", f"{received + recovered:,}", f"{recovered:,} recovered" if recovered else ""),
        ("Lost", f"{lost:,}", percent(lost, received + recovered + lost)),
    ]
    return "".join(
        f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in tiles
    )


def _table(speakers: list[Speaker], all_speech: float, columns: Columns) -> str:
    if not speakers:
        return '<p class="empty">Nobody spoke while this was recorded.</p>'
    head = "".join(
        f'<th scope="col" class="{"text" if text else "number"}">{name}</th>' for name, text in columns
    )
    rows = "\n".join(speaker.row(all_speech) for speaker in speakers)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _footer(manifest: Manifest) -> str:
    recording = manifest.recording
    parts = [
        recording.meeting_url,
        f"audio path: {recording.audio_path}",
        f"ended: {recording.ended_reason}",
    ]
    if manifest.bot_id:
        parts.append(f"bot {manifest.bot_id}")
    if recording.unattributed_packets:
        parts.append(f"{recording.unattributed_packets:,} packets named no source")
    return " · ".join(f"<bdi>{escape(display_name(part))}</bdi>" for part in parts)


def _mix_url(recording: Recording) -> str | None:
    return safe_url(recording.mixed_audio) if recording.mixed_audio else None


def _mix_track(recording: Recording) -> dict[str, object]:
    url = _mix_url(recording)
    clips = [{"url": url, "start": 0, "duration": recording.duration_seconds}] if url else []
    return {"name": "everyone", "clips": clips, "speech": []}


def _json(value: object) -> str:
    """JSON that cannot close the script element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

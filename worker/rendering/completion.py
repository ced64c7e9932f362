"""Completes a recording's files at its end, the most valuable first; each fails alone.

Only stems, mix and manifest make a recording: an error in one of these is its ``failure``. Any other file repeats what they
say, or adds to it, so an error there is a warning in the manifest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from worker.audio.mixer import Mix
from worker.audio.opus import SAMPLE_RATE
from worker.errors import cause
from worker.manifest.assemble import assemble_manifest
from worker.manifest.meeting_log import MeetingCollector
from worker.manifest.meeting_schema import encode_meeting
from worker.manifest.naming import name_sources
from worker.manifest.recording_facts import SessionFacts
from worker.manifest.schema import Manifest, VideoStreams, encode_manifest
from worker.rendering.missing_video import MissingVideo
from worker.rendering.mix_file import MixFile
from worker.rendering.output import (
    AUDIO_FILE,
    MANIFEST_FILE,
    MEETING_FILE,
    STREAMS_FOLDER,
    TIMELINE_FILE,
    replace_file,
)
from worker.rendering.timeline.page import timeline_html
from worker.rendering.video_recording import VideoRecording
from worker.roster.decoder import RosterDecoder
from worker.roster.roster import Roster
from worker.stems.stem_set import StemSet

logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Failed(NamedTuple):
    """A file that could not be completed here, or has not its final name; ``sentence`` is for the manifest.

    ``file`` is None for more than one.
    """

    file: str | None
    sentence: str


class Completion:
    """The end of a recording in ``output``: its stems and ``video`` (None: it has none) are closed already, ``mixer`` is not,
    which writes ``mix_file``.

    ``warnings`` are sentences for the manifest about what was received, ``missing_video`` has those about video that was not.
    """

    def __init__(
        self,
        output: Path,
        stem_set: StemSet,
        mixer: Mix | None,
        mix_file: MixFile | None,
        facts: SessionFacts,
        meeting: MeetingCollector,
        decoder: RosterDecoder,
        warnings: Callable[[], list[str]],
        video: VideoRecording | None = None,
        missing_video: MissingVideo | None = None,
    ) -> None:
        self._output = output
        self._stem_set = stem_set
        self._mixer = mixer
        self._mix_file = mix_file
        self._facts = facts
        self._meeting = meeting
        self._decoder = decoder
        self._warnings = warnings
        self._video = video
        self._missing_video = missing_video or MissingVideo()
        self._failed: list[_Failed] = []
        self._mix_error: Exception | None = None

    @property
    def failure(self) -> Exception | None:
        """The first error that cost a stem or the mix its completeness. One in another file is only in the manifest."""
        errors = [self._mix_error, *(stem.file.failure for stem in self._stem_set.stems.values())]
        if self._mix_file:
            errors.append(self._mix_file.failure)
        return next((error for error in errors if error is not None), None)

    def complete(self, end: int) -> Manifest:
        """Completes all files of a recording that ends at ``end`` (samples of meeting time); returns the manifest.

        The speakers' files get their names and the manifest is written before the mix, which takes the most space, and before
        the timeline. Raises the error that makes the manifest impossible, once the others are complete.
        """
        self._name_files(end)
        written = None
        # It is written again below; until then the other files come first.
        with suppress(Exception):
            written = self._write_manifest(end, None)
        self._write_meeting(end)
        self._close_mix(end)
        self._write_timeline(end)
        return self._write_manifest(end, written)

    def _name_files(self, end: int) -> None:
        """Gives the stems' files their final names; one that cannot be renamed keeps the name that it has."""
        stems = self._stem_set.stems
        names: dict[int, str] = {}
        # It fails again where the manifest is written, after the other files.
        with suppress(Exception):
            manifest, names = self._assemble(end)
            self._name_videos(manifest)
        for source, name in names.items():
            path = stems[source].path
            try:
                stems[source].path = path.rename(path.with_name(name))
            except Exception as error:  # noqa: BLE001 - whatever it is costs this file its name alone
                self._fail(
                    f"{STREAMS_FOLDER}/{path.name}", f"{path.name} could not be renamed to {name}", error
                )

    def _name_videos(self, manifest: Manifest) -> None:
        if self._video is None:
            return
        try:
            roster = self._stem_set.known(self._decoder.roster())
            self._video.name_files(roster, manifest.participants)
        except Exception as error:  # noqa: BLE001 - whatever it is costs the videos their names alone
            self._fail(None, "Video files could not be renamed", error)

    def _write_manifest(self, end: int, before: Manifest | None) -> Manifest:
        """Writes the manifest as of now, unless it is the same as ``before``. Raises the error that makes it impossible."""
        manifest = self._assemble(end)[0]
        if manifest != before:
            replace_file(self._output / MANIFEST_FILE, encode_manifest(manifest))
        return manifest

    def _close_mix(self, end: int) -> None:
        if self._mixer is None:
            return
        try:
            self._mixer.close(end)
        except Exception as error:  # noqa: BLE001 - whatever it is costs the mix alone
            self._mix_error = error
            self._fail(AUDIO_FILE, "The mixed audio may lack its end: it could not be completed", error)

    def _write_meeting(self, end: int) -> None:
        try:
            started = self._facts.started
            log = self._meeting.log(self._decoder.roster(), started.at if started else 0.0, end / SAMPLE_RATE)
            replace_file(self._output / MEETING_FILE, encode_meeting(log))
        except Exception as error:  # noqa: BLE001 - whatever it is costs this document alone
            self._fail(
                MEETING_FILE, "There is no list of participants and messages: it could not be written", error
            )

    def _write_timeline(self, end: int) -> None:
        try:
            page = timeline_html(self._assemble(end)[0])
            replace_file(self._output / TIMELINE_FILE, page.encode())
        except Exception as error:  # noqa: BLE001 - whatever it is costs the timeline alone
            self._fail(TIMELINE_FILE, "There is no timeline: it could not be written", error)

    def _fail(self, file: str | None, sentence: str, error: Exception) -> None:
        """Notes that ``file`` (None: more than one) is missing or has not its final name; ``sentence`` has no full stop."""
        self._failed.append(_Failed(file, f"{sentence} ({cause(error)})."))
        logger.warning("%s (%s)", sentence, error)

    def _assemble(self, end: int) -> tuple[Manifest, dict[int, str]]:
        """The manifest as of now, and the final name of each stem's file."""
        stems = self._stem_set.stems
        roster = self._stem_set.known(self._decoder.roster())
        manifest, names = assemble_manifest(
            [each for each in self._stem_set.heard() if stems[each.source].path.is_file()],
            roster,
            self._facts,
            end / SAMPLE_RATE,
            STREAMS_FOLDER,
            AUDIO_FILE if self._mix_file and self._mix_file.path.is_file() else None,
            [
                *_sentences(self._warnings),
                *_sentences(partial(self._stem_failures, roster)),
                *_sentences(self._mix_failures),
                *(each.sentence for each in self._failed),
            ],
            self._stem_set.gated_mix(),
        )
        manifest = _with_present_names(
            manifest, {name: stems[source].path.name for source, name in names.items()}
        )
        if self._video:
            manifest = _with_video(manifest, self._video, self._missing_video, roster)
        incomplete = self._incomplete_files()
        if incomplete:
            recording = msgspec.structs.replace(manifest.recording, incomplete_files=incomplete)
            manifest = msgspec.structs.replace(manifest, recording=recording)
        return manifest, names

    def _incomplete_files(self) -> list[str]:
        stems = self._stem_set.stems.values()
        files = [f"{STREAMS_FOLDER}/{stem.path.name}" for stem in stems if stem.file.failure is not None]
        if self._mix_file and self._mix_file.failure is not None:
            files.append(AUDIO_FILE)
        if self._video:
            files += _unless_it_fails(self._video.incomplete_files, [])
        return list(dict.fromkeys([*files, *(each.file for each in self._failed if each.file is not None)]))

    def _stem_failures(self, roster: Roster) -> Iterator[str]:
        """A sentence for each speaker's file and each live stream that ended early."""
        stems = self._stem_set.stems
        people = name_sources(list(stems), roster)
        names = {source: person.participant_name for person in people for source in person.keys}
        for source, stem in stems.items():
            name, file = names[source], stem.file
            if file.failure is not None:
                why = cause(file.failure)
                if not stem.path.is_file():
                    yield f"There is no file of {name}: it could not be created ({why})."
                elif file.ends_at is None:
                    yield f"The file of {name} may lack its end: it could not be completed ({why})."
                else:
                    yield f"The file of {name} ends at {file.ends_at:.1f} s or before: it could not be written ({why})."
            for error in stem.track.failures:
                yield f"A live stream of {name} ended early ({cause(error)})."

    def _mix_failures(self) -> Iterator[str]:
        mix_file = self._mix_file
        if mix_file and mix_file.failure is not None:
            why = cause(mix_file.failure)
            if mix_file.path.is_file():
                yield f"The mixed audio ends at {mix_file.seconds:.1f} s: it could not be written ({why})."
            else:
                yield f"There is no mixed audio: it could not be created ({why})."
        if self._mixer and self._mixer.undecodable:
            yield f"{self._mixer.undecodable} packets could not be decoded and are silent in the mixed audio."


def _sentences(sentences: Callable[[], Iterable[str]]) -> list[str]:
    """The sentences for the manifest; where they cannot be made, one that says so."""
    missing = ["Some warnings are missing: there was an internal error."]
    return _unless_it_fails(lambda: list(sentences()), missing)


def _unless_it_fails(get: Callable[[], T], otherwise: T) -> T:
    """What ``get`` returns; ``otherwise``, where it raises: nothing of this is worth the manifest."""
    try:
        return get()
    except Exception:
        logger.exception("an internal error in a part of the manifest")
        return otherwise


def _with_video(manifest: Manifest, video: VideoRecording, missing: MissingVideo, roster: Roster) -> Manifest:
    """The manifest with its video streams, and the warnings about them."""
    none: list[VideoStreams] = []
    streams = _unless_it_fails(lambda: video.streams(roster, manifest.participants), none)
    recording = manifest.recording
    of_video, of_missing = (_sentences(partial(each.warnings, streams)) for each in (video, missing))
    warnings = [*recording.warnings, *of_video, *of_missing]
    if warnings != recording.warnings:
        recording = msgspec.structs.replace(recording, warnings=warnings)
    return msgspec.structs.replace(manifest, recording=recording, video_streams=streams)


def _with_present_names(manifest: Manifest, present: dict[str, str]) -> Manifest:
    """The manifest with the names that files have at present, by their final names."""
    if all(name == final for final, name in present.items()):
        return manifest
    participants = [
        person.with_segments(
            lambda segment: msgspec.structs.replace(
                segment,
                filename=present[segment.filename],
                url=f"{STREAMS_FOLDER}/{present[segment.filename]}",
            )
        )
        for person in manifest.participants
    ]
    return msgspec.structs.replace(manifest, participants=participants)

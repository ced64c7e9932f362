"""The files of ``meetstems listen --save``: a WAV for each speaker, and ``events.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import msgspec

from worker.audio.placed_wav import PlacedWav
from worker.cli.heard import HeardSpeaker, PlacedSound, SpeakerKey
from worker.contracts.live_received import Happened
from worker.manifest.filenames import live_file_name
from worker.rendering.output import claim_output

EVENTS_FILE: Final = "events.jsonl"


class _File(msgspec.Struct):
    wav: PlacedWav
    path: Path


class SavedSound:
    """Writes into ``folder``, which must be new or empty. Files of one bot begin with its recording and are equally long. A
    file is called after the newest name of its speaker.

    ``error`` is what kept it from writing: nothing is written from then on. Raises OutputError when it is made.
    """

    def __init__(self, folder: Path) -> None:
        claim_output(folder)
        self.folder = folder
        self.error: OSError | None = None
        self._files: dict[SpeakerKey, _File] = {}
        self._events = (folder / EVENTS_FILE).open("w", encoding="utf-8", buffering=1)

    @property
    def names(self) -> dict[SpeakerKey, str]:
        """The name of each speaker's file."""
        return {key: file.path.name for key, file in self._files.items()}

    def sound(self, sound: PlacedSound) -> None:
        """Writes sound of a speaker."""
        if self.error is None:
            try:
                self._file(sound.speaker).wav.place(sound.position, sound.pcm)
            except OSError as error:
                self.error = error

    def event(self, event: Happened) -> None:
        """Writes an event as a line of JSON in ASCII."""
        if self.error is None:
            try:
                self._events.write(json.dumps(msgspec.to_builtins(event)) + "\n")
            except OSError as error:
                self.error = error

    def close(self) -> None:
        """Closes the files."""
        ends: dict[str, float] = {}
        for key, file in self._files.items():
            ends[key.bot] = max(ends.get(key.bot, 0.0), file.wav.samples / key.rate)
        for key, file in self._files.items():
            try:
                file.wav.close(round(ends[key.bot] * key.rate))
            except OSError as error:
                self.error = self.error or error
        try:
            self._events.close()
        except OSError as error:
            self.error = self.error or error

    def _file(self, speaker: HeardSpeaker) -> _File:
        bot, participant, rate = speaker.key
        path = self.folder / live_file_name(speaker.title, f"{bot}\n{participant}", rate)
        file = self._files.get(speaker.key)
        if file is None:
            file = self._files[speaker.key] = _File(PlacedWav(path, speaker.key.rate), path)
        elif file.path != path:
            file.path = file.path.rename(path)
        return file

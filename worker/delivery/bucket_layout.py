"""The keys of a bot's objects in the bucket.

::

    {prefix}bots/{bot_id}/bot.json                                  the bot's current state
                          audio_streams.json                        the manifest of all attempts together
                          meeting.json                              participants, their changes, and chat, likewise
                          lease.json                                the worker that owns the bot, and until when
                          result.json                               how the job ended; written once
                          commands.json                             what the bot is told, by the API
                          command_state.json                        what became of it, by the worker
                          screenshots/1790000000000-4c1e….png       pictures of the page that were asked for
                          attempts/0001/attempt.json                the worker that claimed the number
                                        tape/part-000000.mcap       as written, part by part
                                        files/streams/….webm        finished files: the speakers'
                                        files/video/….mp4           cameras and screen shares, if they were asked for
                                        files/meeting.json          participants, their changes, and chat of the attempt
                                        failure/screenshot.png      what the page showed when it failed
                          deliveries/msg_….json                     a webhook: worker.delivery.webhook_deliveries
    {prefix}bots/_probe/{random}/                                   a check of the store; removed at once

Each attempt writes under its own number, so a later attempt cannot overwrite it. The API has more: worker.server.records.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from worker.errors import InputError

MAX_KEY_BYTES: Final = 1024
"""S3's limit for a key in UTF-8 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

_BOT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ATTEMPT: Final = re.compile(r"attempts/(\d{4,})/")


class LayoutError(InputError):
    """A name that cannot be part of a key; the message names it and what was expected."""


class BotKeys(NamedTuple):
    """The keys of one bot; made by ``bot_keys``."""

    folder: str

    @property
    def status(self) -> str:
        """``bot.json``."""
        return f"{self.folder}bot.json"

    @property
    def audio_streams(self) -> str:
        """``audio_streams.json``."""
        return f"{self.folder}audio_streams.json"

    @property
    def meeting(self) -> str:
        """``meeting.json``."""
        return f"{self.folder}meeting.json"

    @property
    def lease(self) -> str:
        """``lease.json``."""
        return f"{self.folder}lease.json"

    @property
    def commands(self) -> str:
        """``commands.json``."""
        return f"{self.folder}commands.json"

    @property
    def command_state(self) -> str:
        """``command_state.json``."""
        return f"{self.folder}command_state.json"

    @property
    def screenshots(self) -> str:
        """The prefix of the pictures that were asked for."""
        return f"{self.folder}screenshots/"

    def screenshot(self, milliseconds: int, command_id: str) -> str:
        """The picture that a command asked for, taken at this time since the Unix epoch."""
        return self.screenshots + _relative(f"{milliseconds:013d}-{command_id}.png")

    @property
    def attempts(self) -> str:
        """The prefix of all attempts."""
        return f"{self.folder}attempts/"

    def attempt(self, number: int) -> AttemptKeys:
        """The keys of attempt ``number``, which counts from 1."""
        if number < 1:
            raise LayoutError(f"attempt={number}: expected 1 or more")
        return AttemptKeys(f"{self.attempts}{number:04d}/")

    def attempt_of(self, key: str) -> int | None:
        """The number of the attempt that ``key`` belongs to; None where it belongs to no attempt of this bot."""
        if not key.startswith(self.folder):
            return None
        found = _ATTEMPT.match(key, len(self.folder))
        return int(found[1]) if found else None


class AttemptKeys(NamedTuple):
    """The keys of one attempt; made by ``BotKeys.attempt``."""

    folder: str

    @property
    def tape(self) -> str:
        """The prefix of the tape's parts."""
        return f"{self.folder}tape/"

    @property
    def files(self) -> str:
        """The prefix of the finished files."""
        return f"{self.folder}files/"

    @property
    def failure(self) -> str:
        """The prefix of the files that document a failure."""
        return f"{self.folder}failure/"

    def tape_part(self, name: str) -> str:
        """A part of the tape by its file name, ``part-000000.mcap``."""
        return self.tape + _relative(name)

    def file(self, name: str) -> str:
        """A finished file by its path relative to the output folder, with ``/`` as separator: ``streams/anna.webm``."""
        return self.files + _relative(name)

    def failure_file(self, name: str) -> str:
        """A file that documents a failure, by its name."""
        return self.failure + _relative(name)


def bot_keys(prefix: str, bot_id: str) -> BotKeys:
    """The keys of ``bot_id`` under ``prefix``, which may be empty and need not end in ``/``. Raises LayoutError."""
    if not _BOT_ID.fullmatch(bot_id):
        raise LayoutError(
            f"bot_id={bot_id[:140]!r}: expected 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        )
    start = prefix.strip("/")
    folder = f"{start}/bots/{bot_id}/" if start else f"bots/{bot_id}/"
    if len(folder.encode()) > MAX_KEY_BYTES // 2:
        raise LayoutError(
            f"prefix={prefix[:80]!r}…: expected a shorter one: keys have at most {MAX_KEY_BYTES} bytes"
        )
    return BotKeys(folder)


def probe_folder(prefix: str, name: str) -> str:
    """The folder of a check of the store; no bot can have it, since no bot_id begins with ``_``."""
    start = prefix.strip("/")
    return f"{start}/bots/_probe/{name}/" if start else f"bots/_probe/{name}/"


def _relative(name: str) -> str:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or str(path) != name or ".." in path.parts or len(name.encode()) > 480:
        raise LayoutError(
            f"file name={name[:80]!r}: expected a relative path of at most 480 bytes without '..'"
        )
    return name

"""The command ``meetstems streams BOT_ID``: prints MeetStream's get_audio_streams or get_recording_streams document."""

from __future__ import annotations

import os

from worker.delivery.bucket_layout import bot_keys
from worker.delivery.retries import COMMAND_RETRY
from worker.jobs.backend import aws_of, open_results
from worker.jobs.streams import recording_streams_of, streams_of
from worker.settings import WorkerSettings


def streams_command(bot_id: str, *, video: bool = False) -> int:
    """Prints the document, of the videos or the audio, with fresh URLs; returns the exit code. Raises MeetstemsError."""
    worker_settings = WorkerSettings.from_environment(os.environ)
    store = open_results(worker_settings, aws_of(worker_settings), COMMAND_RETRY)
    document = recording_streams_of if video else streams_of
    print(document(store, bot_keys(worker_settings.prefix, bot_id)))
    return 0

"""The command ``meetstems streams BOT_ID``: prints MeetStream's get_audio_streams document."""

from __future__ import annotations

import os

from worker.delivery.bucket_layout import bot_keys
from worker.delivery.object_store import open_store
from worker.delivery.retries import COMMAND_RETRY
from worker.jobs.context import aws_of
from worker.jobs.streams import streams_of
from worker.settings import SettingsError, WorkerSettings


def streams_command(bot_id: str) -> int:
    """Prints the document, with fresh URLs; returns the exit code. Raises MeetstemsError."""
    worker_settings = WorkerSettings.from_environment(os.environ)
    if worker_settings.bucket is None:
        raise SettingsError("MEETSTEMS_BUCKET: is not set, expected the name of an S3 bucket")
    store = open_store(aws_of(worker_settings), worker_settings.bucket, retry=COMMAND_RETRY)
    print(streams_of(store, bot_keys(worker_settings.prefix, bot_id)))
    return 0

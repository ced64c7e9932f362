"""What ``meetstems streams BOT_ID`` does: prints MeetStream's get_audio_streams document."""

from __future__ import annotations

import os

import msgspec

from worker.delivery.clients import s3_client
from worker.delivery.layout import BotKeys, bot_keys
from worker.delivery.object_store import NotFoundError, ObjectStore, S3Store
from worker.delivery.retries import RetryPolicy
from worker.errors import MeetstemsError
from worker.run_command import aws_of
from worker.settings import RunSettings, SettingsError
from worker.status import BotStatus
from worker.stems.manifest import Manifest
from worker.streams_document import URL_SECONDS, streams_document


class UnknownBotError(MeetstemsError):
    """The bucket holds nothing of this bot."""


def streams_command(bot_id: str) -> int:
    """Prints the document, with fresh URLs; returns the exit code. Raises MeetstemsError."""
    run = RunSettings.from_environment(os.environ)
    if run.bucket is None:
        raise SettingsError("MEETSTEMS_BUCKET: is not set, expected the name of an S3 bucket")
    store = S3Store(s3_client(aws_of(run)), run.bucket, retry=RetryPolicy(budget=30.0))
    print(streams_of(store, bot_keys(run.prefix, bot_id)))
    return 0


def streams_of(store: ObjectStore, keys: BotKeys) -> str:
    """The document as JSON. Raises UnknownBotError, and what the store raises."""
    try:
        status = msgspec.json.decode(store.get(keys.status).data, type=BotStatus)
    except NotFoundError as error:
        raise UnknownBotError(
            f"bot {keys.folder}: is not known, expected a bot whose job was begun"
        ) from error
    try:
        manifest = msgspec.json.decode(store.get(keys.audio_streams).data, type=Manifest)
    except NotFoundError:
        manifest = None

    def presign(url: str, filename: str) -> str:
        return store.presign(f"{keys.folder}{url}", URL_SECONDS, filename)

    document = streams_document(status, manifest, presign)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()

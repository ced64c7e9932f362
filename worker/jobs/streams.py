"""MeetStream's get_audio_streams and get_recording_streams documents of a bot, from the bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from worker.contracts.status import BotStatus
from worker.contracts.streams_document import (
    URL_SECONDS,
    Presign,
    recording_streams_document,
    streams_document,
)
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import NotFoundError, ObjectStore
from worker.errors import MeetstemsError
from worker.manifest.schema import Manifest


class UnknownBotError(MeetstemsError):
    """The bucket has nothing of this bot."""


def streams_of(store: ObjectStore, keys: BotKeys) -> str:
    """The document of the audio as JSON. Raises UnknownBotError, and what the store raises."""
    return _document(store, keys, streams_document)


def recording_streams_of(store: ObjectStore, keys: BotKeys) -> str:
    """The document of cameras and screen shares, likewise."""
    return _document(store, keys, recording_streams_document)


def _document(
    store: ObjectStore,
    keys: BotKeys,
    make: Callable[[BotStatus, Manifest | None, Presign], dict[str, Any]],
) -> str:
    try:
        status = msgspec.json.decode(store.get(keys.status).data, type=BotStatus)
    except NotFoundError as error:
        raise UnknownBotError(
            f"bot {keys.folder}: is not known, expected a bot whose job was started"
        ) from error
    try:
        manifest = msgspec.json.decode(store.get(keys.audio_streams).data, type=Manifest)
    except NotFoundError:
        manifest = None

    def presign(url: str, filename: str) -> str:
        return store.presign(f"{keys.folder}{url}", URL_SECONDS, filename)

    document = make(status, manifest, presign)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()

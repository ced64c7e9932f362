"""Uploads an attempt's timeline page after its videos: it names what is in the store by then, and nothing else."""

from __future__ import annotations

import logging

import msgspec

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import NotFoundError, ObjectStore
from worker.jobs.publish import CONTENT_TYPES, MEETING_PATIENCE
from worker.manifest.merge_videos import only_videos
from worker.manifest.schema import Manifest, Segment
from worker.rendering.output import TIMELINE_FILE
from worker.rendering.timeline.page import timeline_html

logger = logging.getLogger(__name__)


def publish_page(store: ObjectStore, keys: AttemptKeys, manifest: Manifest) -> None:
    """Uploads the page of ``manifest``, in the place of one that says something else.

    It plays the files that are in the store: videos may have been transcoded or lost, and a job may ask for no files of
    speakers, who are shown without a sound of their own. Blocks. Raises LeaseLostError: whatever else is wrong costs the page
    alone.
    """
    store = store.within(MEETING_PATIENCE)
    key = keys.file(TIMELINE_FILE)
    try:
        there = frozenset(listed.key.removeprefix(keys.files) for listed in store.list(keys.files))
        page = timeline_html(_with_files(manifest, there)).encode()
        if _stored(store, key) != page:
            store.put(key, page, content_type=CONTENT_TYPES[".html"])
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - the page repeats what the manifest says
        logger.error("%s is not uploaded: %s", key, error)


def _with_files(manifest: Manifest, there: frozenset[str]) -> Manifest:
    """The manifest with the files that are ``there``: what else it names has no URL, or is left out."""

    def with_file(segment: Segment) -> Segment:
        return segment if segment.url in there else msgspec.structs.replace(segment, url="")

    recording = manifest.recording
    if recording.mixed_audio not in there:
        recording = msgspec.structs.replace(recording, mixed_audio=None)
    participants = [person.with_segments(with_file) for person in manifest.participants]
    manifest = msgspec.structs.replace(manifest, recording=recording, participants=participants)
    return only_videos(manifest, there)


def _stored(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key).data
    except NotFoundError:
        return None

"""Where jobs come from and results go: S3 and SQS, or a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.delivery.aws_clients import Aws, s3_client, sqs_client
from worker.delivery.event_sinks import EventSink
from worker.delivery.events_queue import EventsQueue
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.folder_store import FolderStore
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.message_queue import MessageQueue
from worker.delivery.object_store import PagedStore, S3Store
from worker.delivery.queued_events import QueuedEvents
from worker.delivery.request_errors import RequestError, watch_requests
from worker.delivery.retries import RetryPolicy
from worker.settings import SettingsError, WorkerSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUE_FOLDER: Final = "queue"
"""The folder of waiting jobs in the data folder."""

EVENTS_FOLDER: Final = "events"
"""The folder of events in the data folder that the server has not taken yet."""

RequestFailed = Callable[[str, RequestError], None]
"""Called with ``S3`` or ``SQS`` and the error for each request that failed."""


def aws_of(worker_settings: WorkerSettings) -> Aws:
    """The endpoint of S3 and SQS; boto3 finds region and credentials."""
    return Aws(endpoint_url=worker_settings.aws_endpoint_url)


def open_results(
    worker_settings: WorkerSettings, aws: Aws, retry: RetryPolicy, failed: RequestFailed | None = None
) -> PagedStore:
    """The store of results. Raises SettingsError, RefusedError, StoreUnavailableError."""
    if worker_settings.data_folder is not None:
        return FolderStore(worker_settings.data_folder)
    if worker_settings.bucket is None:
        raise SettingsError("MEETSTEMS_BUCKET: is not set, expected the name of an S3 bucket")
    client = s3_client(aws)
    if failed is not None:
        watch_requests(client, partial(failed, "S3"))
    return S3Store(client, worker_settings.bucket, retry=retry, encryption=worker_settings.encryption)


def open_jobs(
    worker_settings: WorkerSettings, aws: Aws, retry: RetryPolicy, failed: RequestFailed | None = None
) -> MessageQueue:
    """The queue of jobs. Raises SettingsError, RefusedError, QueueUnavailableError."""
    visibility = worker_settings.visibility_seconds
    if worker_settings.data_folder is not None:
        return jobs_in(worker_settings.data_folder, visibility)
    url = jobs_url(worker_settings)
    return JobsQueue(_open_sqs(aws, failed), url, visibility=visibility, retry=retry)


def jobs_url(worker_settings: WorkerSettings) -> str:
    """The URL of the SQS queue of jobs. Raises SettingsError."""
    if worker_settings.jobs_queue_url is None:
        raise SettingsError("MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue")
    return worker_settings.jobs_queue_url


def jobs_in(data_folder: Path, visibility: int) -> FolderQueue:
    """The queue of jobs of a data folder. Raises QueueUnavailableError."""
    return FolderQueue(data_folder / QUEUE_FOLDER, visibility=visibility)


def open_events(
    worker_settings: WorkerSettings, aws: Aws, retry: RetryPolicy, failed: RequestFailed | None = None
) -> EventSink:
    """Where events go. Raises RefusedError, QueueUnavailableError."""
    if worker_settings.data_folder is not None:
        return QueuedEvents(events_in(worker_settings.data_folder, worker_settings.visibility_seconds))
    return EventsQueue(_open_sqs(aws, failed), worker_settings.events_queue_url, retry=retry)


def open_sent_events(
    worker_settings: WorkerSettings, aws: Aws, retry: RetryPolicy, failed: RequestFailed | None = None
) -> MessageQueue | None:
    """The queue from which events are taken; None: they go nowhere. Raises RefusedError, QueueUnavailableError."""
    visibility = worker_settings.visibility_seconds
    if worker_settings.data_folder is not None:
        return events_in(worker_settings.data_folder, visibility)
    url = worker_settings.events_queue_url
    if url is None:
        return None
    return JobsQueue(_open_sqs(aws, failed), url, visibility=visibility, retry=retry)


def events_in(data_folder: Path, visibility: int) -> FolderQueue:
    """The queue of events of a data folder. Raises QueueUnavailableError."""
    return FolderQueue(data_folder / EVENTS_FOLDER, visibility=visibility)


def _open_sqs(aws: Aws, failed: RequestFailed | None) -> SQSClient:
    client = sqs_client(aws)
    if failed is not None:
        watch_requests(client, partial(failed, "SQS"))
    return client

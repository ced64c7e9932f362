"""Ends a job that no worker has begun: its bot never joins."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import AUDIO_SUCCESS, OutcomeKind, bot_status, with_change
from worker.contracts.vendor_words import words
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import ObjectStore
from worker.jobs.bot_claim import claim_bot
from worker.jobs.job_outcome import JobOutcome, make_result
from worker.jobs.reporter import JSON, read_status
from worker.jobs.result_file import keep_result
from worker.reasons import Reason
from worker.states import State

LEASE: Final = 30.0
"""Seconds of the lease. A worker that receives the job meanwhile waits for it."""


def cancel_job(store: ObjectStore, keys: BotKeys, job: Job, now: float) -> bool:
    """Ends ``job`` as left before the call; returns False, and changes nothing, if a worker has begun it.

    The lease is held meanwhile, so no worker can begin. One that receives the job later finds its result and deletes the
    message. ``now`` is in Unix seconds. Blocks. Raises what the store raises.
    """
    claim_bot(store, keys, job)
    try:
        lease = Lease.acquire(store, keys.lease, f"cancel/{uuid.uuid4()}", now, LEASE, time.monotonic)
    except LeaseHeldError:
        return False
    try:
        etag, status = read_status(store, keys)
        if status is not None:
            return False
        outcome = JobOutcome(
            OutcomeKind.NOT_ADMITTED, State.DONE, Reason.INTERRUPTED, "cancelled before the bot joined"
        )
        result = make_result(
            job,
            outcome,
            None,
            files=[],
            tape_bytes=0,
            tape_parts=0,
            audio_streams=None,
            attempt=0,
            sequence=0,
            at=now,
        )
        keep_result(store, keys, result)
        left = bot_status(
            job,
            State.LEAVING,
            Reason.INTERRUPTED,
            words(State.LEAVING, Reason.INTERRUPTED, job.platform),
            0,
            0,
            now,
        )
        names = words(State.DONE, Reason.INTERRUPTED, job.platform)
        done = bot_status(job, State.DONE, Reason.INTERRUPTED, names, 0, 1, now)
        done = with_change(done, with_change(left, []).history)
        done = msgspec.structs.replace(done, audio_status=AUDIO_SUCCESS, reported=True)
        body = msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n"
        store.put(keys.status, body, content_type=JSON, if_absent=etag is None, if_match=etag)
        return True
    finally:
        # A deletion at the same moment may remove it.
        with suppress(LeaseLostError):
            lease.release(now)

"""Waits until all tapes of a job are in the bucket: the first step after every call, for every kind of end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from worker.delivery.tape_upload import TapeUpload

logger = logging.getLogger(__name__)

ROUND_SECONDS: Final = 2.0
"""Seconds that one round waits; ``out_of_time`` is noticed between rounds."""

STUCK_SECONDS: Final = 20.0
"""Seconds after which an upload is stuck: parts are small, and the newest were written while the call lasted."""


async def drain_tapes(
    uploads: Sequence[TapeUpload], out_of_time: threading.Event, on_stuck: Callable[[int], None]
) -> bool:
    """Waits for all parts of ``uploads`` for as long as that takes, or until ``out_of_time`` is set.

    ``on_stuck`` is called with the number of missing parts after each further STUCK_SECONDS. Returns whether every part is in
    the bucket.
    """
    stuck_at = time.monotonic() + STUCK_SECONDS
    while missing := sum(len(upload.pending()) for upload in uploads):
        if time.monotonic() >= stuck_at:
            stuck_at += STUCK_SECONDS
            on_stuck(missing)
        if out_of_time.is_set():
            logger.error("%d parts of the tape could not be uploaded in time", missing)
            return False
        await asyncio.gather(*(asyncio.to_thread(upload.drain, ROUND_SECONDS) for upload in uploads))
    return all(upload.given_up == 0 for upload in uploads)

"""Heartbeats that keep what a worker holds while it works: its message hidden from others, its lease on the bot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from worker.delivery.errors import DeliveryError
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.jobs_queue import (
    MAX_VISIBILITY,
    Delivery,
    MessageLostError,
    VisibilityCapError,
)
from worker.delivery.lease import Lease, LeaseLostError
from worker.delivery.message_queue import MessageQueue

BEATS_PER_TERM: Final = 3
"""A beat each third of the visibility, so that two may fail."""


def keep_message(
    queue: MessageQueue,
    delivery: Delivery,
    received_at: float,
    clock: Callable[[], float],
    on_lost: Callable[[Exception], None],
    on_beat: Callable[[bool], None],
) -> Heartbeat:
    """A heartbeat, not yet begun, that keeps ``delivery`` hidden; ``received_at`` and ``clock`` are seconds of one steady
    clock.

    ``on_lost`` receives a MessageLostError when another worker may receive the message, and a VisibilityCapError once the 12
    hours allow no full extension any more: the message becomes visible at their end. ``on_beat`` receives, in the heartbeat's
    thread, whether each extension succeeded.
    """
    interval = queue.visibility / BEATS_PER_TERM
    # A beat that takes longer than the interval would only delay the next one.
    bounded = queue.within(interval)

    def beat() -> None:
        extension = visibility_left(received_at, clock(), queue.visibility)
        if extension > 0:
            try:
                bounded.extend(delivery.receipt, extension)
            except DeliveryError:
                on_beat(False)
                raise
            on_beat(True)
        if extension < queue.visibility:
            raise VisibilityCapError(
                f"SQS: 12 hours are nearly over; the message becomes visible in {extension} s"
            )

    return Heartbeat("message", interval, beat, MessageLostError, on_lost)


def keep_lease(
    lease: Lease,
    clock: Callable[[], float],
    on_lost: Callable[[Exception], None],
    on_beat: Callable[[bool], None],
) -> Heartbeat:
    """A heartbeat, not yet begun, that renews ``lease``; ``on_lost`` receives a LeaseLostError when another owner has it.

    ``clock`` returns Unix seconds. ``on_beat`` receives, in the heartbeat's thread, whether each other renewal succeeded. The
    first beat comes at once: acquiring may have taken as long as an outage, after the expiry was computed.
    """

    def beat() -> None:
        try:
            lease.renew(clock())
        except LeaseLostError:
            raise
        except DeliveryError:
            on_beat(False)
            raise
        on_beat(True)

    return Heartbeat("lease", lease.renewal_interval, beat, LeaseLostError, on_lost, first=0.0)


def visibility_left(received_at: float, now: float, visibility: int) -> int:
    """Whole seconds for which a message received at ``received_at`` may be hidden from ``now`` on, at most ``visibility``.

    Both times are seconds of one clock.
    """
    return max(0, min(visibility, math.floor(received_at + MAX_VISIBILITY - now)))

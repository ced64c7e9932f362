"""Metrics of the worker's job: its state, its attempts, how long things took, how it ended."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Enum

from worker.monitoring.families import NAMESPACE, BoundedLabels, counter, gauge, histogram
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.states import State, read_state
from worker.tape.events import StateChanged, TapeEvent, TapeStarted

STATES: Final = tuple(state for state in State if state is not State.STOPPED)
"""Without ``stopped``, which is reported to users only: the worker is still uploading."""

JOIN_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
WAIT_BUCKETS: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class JobMetrics:
    """Fed with the tape's events, and by the consumer that receives, runs and ends jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._labels = BoundedLabels()
        self._platform = ""
        self._joining_since: float | None = None
        self._state = Enum(
            "state", "What the worker is doing.", namespace=NAMESPACE, registry=registry, states=STATES
        )
        self._attempt = gauge(registry, "attempt", "Number of the bot's attempt, from 1; 0 without a job.")
        self._join = histogram(
            registry, "join_seconds", "From joining to recording.", "platform", buckets=JOIN_BUCKETS
        )
        self._first_packet = histogram(
            registry, "first_packet_seconds", "From the lobby's end to the first packet."
        )
        self._finish = histogram(registry, "finish_seconds", "From the call's end to the closed files.")
        self._outcomes = counter(
            registry, "outcomes", "Ended jobs, in the vendors' words.", "platform", "code", "sub_code"
        )
        self._restarts = counter(registry, "restarts", "Captures restarted as a new attempt.", "reason")
        self._job_wait = histogram(
            registry,
            "job_wait_seconds",
            "How long a job had been due when it was received.",
            buckets=WAIT_BUCKETS,
        )
        self._job_receives = gauge(registry, "job_receives", "How often the present job has been received.")
        self._delayed = counter(
            registry, "jobs_delayed", "Jobs postponed because they could not be run, by reason.", "reason"
        )
        self.had_a_job = False
        """Whether a job was received, or run without a queue."""

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        match event:
            case TapeStarted():
                self._platform = event.platform
            case StateChanged():
                if (state := read_state(event.state)) is not None:
                    self.set_state(state, event.at)
            case _:
                pass

    def set_state(self, state: State, at: float) -> None:
        """The worker entered ``state`` at ``at`` (seconds on any one clock)."""
        if state in STATES:
            self._state.state(state)
        self.had_a_job |= state is not State.IDLE
        if state is State.JOINING:
            self._joining_since = at
        elif state is State.IN_CALL_RECORDING and self._joining_since is not None:
            platform = self._labels.bound("platform", self._platform)
            self._join.labels(platform).observe(max(0.0, at - self._joining_since))
            self._joining_since = None

    def set_attempt(self, number: int) -> None:
        """The bot's attempt, from 1."""
        self._attempt.set(number)

    def observe_first_packet(self, seconds: float) -> None:
        """The time from the lobby's end to the first packet on the tape."""
        self._first_packet.observe(seconds)

    def observe_finish(self, seconds: float) -> None:
        """The time from the call's end until all files were closed."""
        self._finish.observe(seconds)

    def outcome(self, platform: Platform, code: str, sub_code: str | None) -> None:
        """A job ended. ``code`` and ``sub_code`` are Recall's words (worker.contracts.vendor_words)."""
        labels = (
            self._labels.bound("platform", platform),
            self._labels.bound("code", code),
            self._labels.bound("sub_code", sub_code or "none"),
        )
        self._outcomes.labels(*labels).inc()

    def restarted(self, reason: Reason) -> None:
        """The capture was restarted as a new attempt, because of ``reason``."""
        self._restarts.labels(self._labels.bound("reason", reason)).inc()

    def job_delayed(self, reason: str) -> None:
        """A job was postponed with a back-off, because it could not be run: ``reason``, a short word."""
        self._delayed.labels(self._labels.bound("delayed", reason)).inc()

    def job_received(self, waited_seconds: float, receives: int) -> None:
        """A job was received: the seconds since it was due (its join_at, or when it was sent), and its receive count."""
        self.had_a_job = True
        self._job_wait.observe(max(0.0, waited_seconds))
        self._job_receives.set(receives)

"""Everything that goes to one endpoint: items become messages, and messages go on connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from worker.contracts.live_endpoints import LiveEndpoint, Transport
from worker.contracts.live_forms import MessageForm
from worker.contracts.live_items import LiveItem, LiveMix, LiveOpus, LivePcm
from worker.safe_text import printable
from worker.settings import LiveOptions
from worker.streaming.connections import MOST_CONNECTIONS, Connection, Connections, Route
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.endpoint_state import EndpointState, LiveMetrics, Report
from worker.streaming.live_queue import CLOCK_RATE, MOST_SOUND_BYTES, Loss, Message, Sound, SoundBuffer
from worker.streaming.live_sound import LostSound
from worker.streaming.sender import Sender, SenderObserver

logger = logging.getLogger(__name__)

INTERNAL_ERROR: Final = "an internal error"
_NEVER_REACHED: Final = "it was never reached"
_LONGEST_CAUSE: Final = 200

SenderFactory = Callable[[str, EndpointFigures, SenderObserver, SoundBuffer], Sender]
"""Takes the name for the log, what the sender tells, and where its sound is counted."""


class Share(NamedTuple):
    """What an endpoint may have at once, so that all endpoints together have no more than the worker bears."""

    connections: int = MOST_CONNECTIONS
    sound_bytes: int = MOST_SOUND_BYTES


WHOLE: Final = Share()
"""Of one endpoint alone."""


class EndpointStream:
    """Sends items to ``endpoint`` in ``form``. Nothing that is called raises; a fault costs this endpoint alone."""

    def __init__(
        self,
        endpoint: LiveEndpoint,
        form: MessageForm,
        options: LiveOptions,
        new_sender: SenderFactory,
        metrics: LiveMetrics,
        report: Report,
        share: Share = WHOLE,
    ) -> None:
        self._endpoint = endpoint
        self._name = f"live endpoint {endpoint.number} ({endpoint.form.value}, {endpoint.transport.value})"
        self._form = form
        self._new_sender = new_sender
        self._report = report
        self._connections = Connections(endpoint, options.connections, share.connections)
        self._figures = EndpointFigures(endpoint, metrics)
        self._buffer = SoundBuffer(share.sound_bytes)
        self._senders: dict[Connection, Sender] = {}
        self._given_up: dict[Connection, str] = {}
        """Why connections were not reached in all retries, nor later."""
        self._ending: set[asyncio.Task[None]] = set()
        """Tasks of senders that were broken off."""
        self._was_dialled = False
        self._reached = False
        self._ended = False

    def take(self, item: LiveItem, now: float) -> None:
        """Sends the next item, which came at ``now`` (Unix seconds). Never blocks."""
        if self._ended:
            return
        try:
            route = self._connections.route(item, now)
            payload = self._form.encode(item)
            self._follow(route, None if payload is None else Message(payload, self._sound(item)))
        except Exception:
            logger.exception("%s: an item cannot be sent", self._name)
            self.fail(INTERNAL_ERROR)

    def advance(self, now: float) -> None:
        """Closes what is due at ``now``, and drops sound that is too old."""
        self._figures.lost(self._buffer.advance())
        if not self._ended and self._connections.waiting:
            self._follow(self._connections.advance(now), None)

    def fail(self, cause: str) -> None:
        """Ends everything, and reports the endpoint as failed. Does nothing once it has ended."""
        if self._ended:
            return
        self._ended = True
        for sender in self._senders.values():
            self._ending.add(sender.task)
            sender.task.cancel()
        self._senders.clear()
        logger.error("%s: failed: %s", self._name, cause)
        self._tell(EndpointState.FAILED, cause)

    def miss(self, lost: LostSound) -> None:
        """So much sound of the call did not become items, in all."""
        if not self._ended:
            self._figures.missed(lost)

    async def close(self, within: float) -> None:
        """Sends what waits, closes the connections and reports the last state; ends after about ``within`` seconds."""
        senders = list(self._senders.values())
        await asyncio.gather(*(sender.close(within) for sender in senders), return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)
        if self._figures.lost_seconds or self._figures.lost_events:
            lost = (self._figures.lost_seconds, self._figures.lost_events, self._figures.doubted_seconds)
            logger.warning(
                "%s: %.1f s of sound and %d events are lost; of %.1f s it is not known whether they arrived",
                self._name,
                *lost,
            )
        if self._ended:
            return
        is_socket = self._endpoint.transport is Transport.WEBSOCKET
        if not self._reached and (self._was_dialled if is_socket else self._figures.lost_events):
            self.fail(_NEVER_REACHED)
            return
        if self._given_up and (self._figures.lost_seconds or self._figures.lost_events):
            # What should have gone there is lost for good, and the receiver knows nothing of it.
            self.fail(f"not all connections could be made: {next(iter(self._given_up.values()))}")
            return
        self._ended = True
        self._tell(EndpointState.DONE)

    def up(self, connection: Connection) -> None:
        """The sender of ``connection`` reached the receiver."""
        self._given_up.pop(connection, None)
        if not self._reached and not self._ended:
            self._reached = True
            self._tell(EndpointState.RUNNING)

    def exhausted(self, connection: Connection, cause: str) -> bool:
        """The sender of ``connection`` failed in all its retries. If others are connected, the receiver may limit their number:
        True, it goes on to try.
        """
        others = [sender for name, sender in self._senders.items() if name != connection]
        if not any(sender.is_connected for sender in others):
            self.fail(cause)
            return False
        if connection not in self._given_up:
            logger.warning("%s: the connection of %s is tried seldom: %s", self._name, connection, cause)
        self._given_up[connection] = cause
        return True

    def _follow(self, route: Route, message: Message | None) -> None:
        for connection in route.opened:
            self._open(connection)
        if message is not None:
            for connection in route.to:
                self._put(connection, message)
        for connection in route.closed:
            if (sender := self._senders.get(connection)) is not None:
                sender.finish()

    def _open(self, connection: Connection) -> None:
        sender = self._senders.get(connection)
        if sender is not None and not sender.task.done():
            sender.open()
            return
        self._was_dialled = True
        name, observer = f"{self._name}, {connection}", _Observer(self, connection)
        sender = self._new_sender(name, self._figures, observer, self._buffer)
        self._senders[connection] = sender
        sender.task.add_done_callback(lambda task: self._sender_ended(connection, task))

    def _put(self, connection: Connection, message: Message) -> None:
        sender = self._senders.get(connection)
        if sender is not None and not sender.task.done():
            sender.put(message)
        elif message.sound is not None:
            self._figures.lost(Loss(seconds=message.sound.seconds))
        else:
            self._figures.lost(Loss(events=1))

    def _sender_ended(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        sender = self._senders.get(connection)
        if sender is not None and sender.task is task:
            del self._senders[connection]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: a sender ended", self._name, exc_info=error)
            self.fail(INTERNAL_ERROR)

    def _sound(self, item: LiveItem) -> Sound | None:
        match item:
            case LivePcm():
                seconds = len(item.pcm) / 2 / self._endpoint.rate
                return Sound(item.position, seconds, item.person, item.arrived)
            case LiveMix():
                return Sound(item.position, len(item.pcm) / 2 / self._endpoint.rate, None, item.arrived)
            case LiveOpus():
                return Sound(item.position, item.samples / CLOCK_RATE, item.person, item.arrived)
        return None

    def _tell(self, state: EndpointState, cause: str = "") -> None:
        try:
            self._report(self._endpoint.number, state, printable(cause, _LONGEST_CAUSE))
        except Exception:
            logger.exception("%s: the state %s cannot be reported", self._name, state.value)


class _Observer:
    """Tells an endpoint of one of its senders; a SenderObserver."""

    def __init__(self, stream: EndpointStream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection

    def up(self) -> None:
        self._stream.up(self._connection)

    def exhausted(self, cause: str) -> bool:
        return self._stream.exhausted(self._connection, cause)

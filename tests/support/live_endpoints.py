"""Endpoints of live streams that want everything there is, and the queues in which it waits for them."""

from __future__ import annotations

from typing import Final
from weakref import WeakSet

from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    PARTICIPANT_EVENTS,
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_items import Action
from worker.streaming.live_queue import LiveQueue, Loss, Message

EVENTS: Final = tuple(f"{PARTICIPANT_EVENTS}{action}" for action in Action)

EVERYTHING: Final = (AUDIO_SEPARATE, AUDIO_MIXED, AUDIO_OPUS, *EVENTS)


def endpoint(number: int, url: str) -> LiveEndpoint:
    """A WebSocket gets all sound and events, a webhook all events."""
    is_socket = url.startswith("ws")
    return LiveEndpoint(
        number=number,
        form=LiveForm.RECALL,
        transport=Transport.WEBSOCKET if is_socket else Transport.WEBHOOK,
        url=url,
        events=EVERYTHING if is_socket else EVENTS,
    )


class WatchedQueues:
    """All queues of the kind ``Watched``, which takes LiveQueue's place; ``most`` bytes were in them at once."""

    def __init__(self) -> None:
        self.most = 0
        self._all: WeakSet[LiveQueue] = WeakSet()
        queues = self

        class Watched(LiveQueue):
            def put(self, message: Message) -> Loss:
                queues._all.add(self)
                loss = super().put(message)
                queues.most = max(queues.most, queues.size)
                return loss

        self.Watched = Watched

    def __len__(self) -> int:
        """How many messages wait."""
        return sum(map(len, self._all))

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(queue.size for queue in self._all)

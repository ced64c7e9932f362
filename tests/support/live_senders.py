"""What a sender of live streams is given in tests: a form, figures, an observer, and a clock that waits move on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

from worker.contracts.live_endpoints import AUDIO_SEPARATE, LiveEndpoint, LiveForm, Transport
from worker.contracts.live_items import LiveItem, LivePerson
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.settings import LiveOptions

NAME = "live.example"
LOCAL = read_allowed(["127.0.0.1"])
ANNA = LivePerson(number=1, participant_id="p1", name="Anna")


class Names:
    """A resolver whose answers follow each other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def no_authorities() -> ssl.SSLContext:
    """Trusts nobody, and is made at once: reading the system's authorities takes longer than most tests."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def local_guard() -> UrlGuard:
    """Allows 127.0.0.1, which is what each name leads to."""
    return UrlGuard(LOCAL, Names(["127.0.0.1"]))


def endpoint(
    url: str,
    number: int = 0,
    *,
    events: tuple[str, ...] = (AUDIO_SEPARATE,),
    form: LiveForm = LiveForm.RECALL,
    headers: dict[str, str] | None = None,
) -> LiveEndpoint:
    transport = Transport.WEBHOOK if url.startswith("http") else Transport.WEBSOCKET
    return LiveEndpoint(
        number=number, form=form, transport=transport, url=url, events=events, headers=headers or {}
    )


def options(**changes: object) -> LiveOptions:
    """Without TLS, and with one connection for the whole call."""
    return LiveOptions(**{"allow_plain": True, "connections": "endpoint", **changes})  # type: ignore[arg-type]


class PlainForm:
    """Names each item; ``first`` is the opening. ``broken``: the next item raises."""

    def __init__(self, first: Sequence[str | bytes] = ()) -> None:
        self.first = list(first)
        self.broken = False

    def opening(self) -> list[str | bytes]:
        return self.first

    def encode(self, item: LiveItem) -> str | bytes | None:
        if self.broken:
            raise ValueError("broken")
        kind = type(item).__name__
        return None if kind in {"LiveStart", "LiveMicrophone"} else kind

    def gap(self, seconds: float, person: LivePerson | None) -> str | bytes | None:
        return f"gap {seconds:.2f} {person.name if person is not None else '-'}"


class Clock:
    """Unix seconds that only ``sleep`` moves. ``slept`` are the waits. Each gives the loop a turn."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        self.held_from = 10_000
        """The number of the first wait, from 1 on, that lasts until ``released``."""
        self.released = asyncio.Event()
        self.at_wait: dict[int, Callable[[], None]] = {}
        """What is done in a wait, by its number from 1 on."""

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_wait.pop(len(self.slept), lambda: None)()
        if len(self.slept) >= self.held_from:
            await self.released.wait()
        self.now += seconds
        await asyncio.sleep(0)


class Figures:
    """Live metrics that add up."""

    def __init__(self) -> None:
        self.connections = 0
        self.made = 0
        self.messages = 0
        self.bytes = 0
        self.lags: list[float] = []
        self.dropped_seconds = 0.0
        self.reconnects = 0
        self.kinds: set[tuple[Transport, LiveForm]] = set()

    def connected(self, transport: Transport, form: LiveForm, change: int) -> None:
        self.kinds.add((transport, form))
        self.connections += change
        self.made += change > 0

    def message(self, transport: Transport, form: LiveForm, size: int) -> None:
        self.messages += 1
        self.bytes += size

    def lag(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        self.lags.append(seconds)

    def dropped(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        self.dropped_seconds += seconds

    def reconnected(self, transport: Transport, form: LiveForm) -> None:
        self.reconnects += 1


class Told:
    """A SenderObserver that keeps what it is told."""

    def __init__(self) -> None:
        self.ups = 0
        self.causes: list[str] = []
        self.goes_on = False
        """Whether its sender may go on to try."""

    def up(self) -> None:
        self.ups += 1

    def exhausted(self, cause: str) -> bool:
        self.causes.append(cause)
        return self.goes_on


Sleep = Callable[[float], Awaitable[None]]

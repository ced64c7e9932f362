"""The command ``meetstems listen PORT``: a receiver of live streams, which shows who speaks."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from worker.cli.console import open_console
from worker.cli.heard import Heard, PlacedSound
from worker.cli.heard_display import HeardDisplay, counts, open_heard_display, summary
from worker.cli.saved_sound import EVENTS_FILE, SavedSound
from worker.contracts.live_received import Happened
from worker.errors import InputError
from worker.safe_text import printable

logger = logging.getLogger(__name__)

LONGEST_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes; a connection that sends more at once is closed (1009)."""

CLOSE_SECONDS: Final = 1.0
"""How long connections have to close at the end."""

_LOCAL: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""Where this machine reaches a server that listens on all addresses."""

# What strangers send to an open port is not worth a line in the view.
_quiet = logging.getLogger("meetstems.listen")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class PortError(InputError):
    """The port cannot be listened on."""


class Listener:
    """Receives the live streams of both vendors on WebSockets. ``on_sound`` and ``on_event`` get what can be kept."""

    def __init__(
        self,
        on_sound: Callable[[PlacedSound], None],
        on_event: Callable[[Happened], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.heard = Heard(on_sound, on_event)
        self._clock = clock

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Listens for the block, and yields the address; ``port`` 0: any free one. Raises PortError."""
        try:
            server = await serve(
                self._receive,
                host,
                port,
                max_size=LONGEST_MESSAGE,
                close_timeout=CLOSE_SECONDS,
                logger=_quiet,
                compression=None,
            )
        except (OSError, OverflowError) as error:
            raise PortError(f"{host}:{port}: cannot be listened on ({error})") from error
        async with server:
            yield _address(host, server)

    async def _receive(self, connection: ServerConnection) -> None:
        told = self.heard.connect()
        try:
            async for message in connection:
                answer = self.heard.take(told, message, self._clock())
                if answer is not None:
                    await connection.send(answer)
        except ConnectionClosed:
            pass
        finally:
            self.heard.disconnect()


def listen_command(port: int, host: str, save: Path | None) -> int:
    """Listens until SIGINT or SIGTERM, then prints what was heard; returns the exit code. Raises PortError and OutputError."""
    asyncio.run(_listen_until_told(port, host, save))
    return 0


async def _listen_until_told(port: int, host: str, save: Path | None) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    console = open_console()
    async with listening(console, host, port, save) as address:
        if not console.is_terminal:
            console.print(Text(f"listening on {address}"), soft_wrap=True)
        await stopped.wait()


@asynccontextmanager
async def listening(console: Console, host: str, port: int, save: Path | None) -> AsyncIterator[str]:
    """Listens for the block, which gets the address, and shows on ``console`` who speaks; prints what was heard at the end.

    ``save`` is the folder for what is heard, None: it is not kept. Raises PortError and OutputError.
    """
    saved = None if save is None else SavedSound(save)
    shown: list[HeardDisplay] = []

    def take_sound(sound: PlacedSound) -> None:
        if saved is not None:
            saved.sound(sound)

    def take_event(event: Happened) -> None:
        if saved is not None:
            saved.event(event)
        for display in shown:
            _show(partial(display.event, event))

    listener = Listener(take_sound, take_event)
    try:
        async with listener.listening(host, port) as address:
            display = open_heard_display(console, address, time.time())
            shown.append(display)
            updates = asyncio.create_task(_update(display, listener.heard))
            try:
                yield address
            finally:
                updates.cancel()
                await asyncio.gather(updates, return_exceptions=True)
                display.close()
    finally:
        if saved is not None:
            saved.close()
    _print_summary(console, listener.heard, saved)


async def _update(display: HeardDisplay, heard: Heard) -> None:
    while True:
        _show(partial(display.update, heard, time.time()))
        await asyncio.sleep(display.interval)


def _show(callback: Callable[[], None]) -> None:
    """Calls a display's ``callback``; a closed terminal must not end a connection."""
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - a closed stream raises ValueError, a narrow encoding UnicodeEncodeError
        logger.info("what was heard cannot be shown: %s", error)


def _print_summary(console: Console, heard: Heard, saved: SavedSound | None) -> None:
    console.print(summary(heard, {} if saved is None else saved.names))
    console.print()
    console.print(Text(counts(heard)), soft_wrap=True)
    if saved is not None:
        console.print(
            Text(f"sound and {EVENTS_FILE} are in {printable(str(saved.folder), 300)}"), soft_wrap=True
        )
        if saved.error is not None:
            console.print(
                Text.assemble(("warning: ", "yellow"), f"not all was written: {saved.error}"), soft_wrap=True
            )


def _address(host: str, server: Server) -> str:
    port = next(iter(server.sockets)).getsockname()[1]
    reached = _LOCAL.get(host, f"[{host}]" if ":" in host else host)
    return f"ws://{reached}:{port}/"

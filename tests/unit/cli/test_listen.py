"""The receiver of live streams, with real connections."""

from __future__ import annotations

import asyncio
import io
import signal
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console
from websockets.asyncio.client import connect

from tests.support.live_messages import HOSTILE, meetstream, recall, separate, tone
from worker.cli.heard import Heard
from worker.cli.listen import LONGEST_MESSAGE, Listener, PortError, listening
from worker.contracts.live_received import ACK

WAIT = 20.0
"""Seconds that a condition has to come true."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - the condition is no event
            await asyncio.sleep(0.01)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

HUGE_FRAME = b"\x81\xff" + struct.pack(">Q", LONGEST_MESSAGE + 1) + b"mask"
"""The beginning of a masked text (RFC 6455, section 5.2)."""


async def answer_to(address: str, data: bytes, head: bytes | None = None) -> bytes:
    """What comes back until the connection ends; ``head`` goes first, and its answer is left out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
    try:
        async with asyncio.timeout(WAIT):
            if head is not None:
                writer.write(head)
                await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1].rstrip("/"))


async def test_both_vendors_are_heard_at_once_on_many_connections() -> None:
    listener = Listener(lambda _: None, lambda _: None)
    heard = listener.heard
    async with listener.listening("127.0.0.1", 0) as address:
        async with (
            connect(address) as ada,
            connect(f"{address}some/path?token=x") as ben,
            connect(address) as audio,
        ):
            await until(lambda: heard.open == 3)
            await ada.send(separate(100, "Ada", 0.5, tone(0.02)))
            await ben.send(separate(200, "Ben", 0.5, tone(0.02)))
            await audio.send('{"type": "ready", "bot_id": "m", "message": "x"}')
            async with asyncio.timeout(WAIT):
                assert await audio.recv() == ACK
            await audio.send(meetstream("c", "Cleo", tone(0.02, 48_000)))
            await until(lambda: len(heard.speakers) == 3)
        await until(lambda: heard.open == 0)
    assert sorted(speaker.title for speaker in heard.speakers.values()) == ["Ada", "Ben", "Cleo"]


async def test_a_hostile_sender_costs_only_its_own_connection() -> None:
    listener = Listener(lambda _: None, lambda _: None)
    heard = listener.heard
    async with listener.listening("127.0.0.1", 0) as address:
        async with connect(address) as good, connect(address) as bad:
            for message in ("{", "\0", b"", b"\xff" * 1000, separate(1, HOSTILE, 1e9, b""), "[" * 50_000):
                await bad.send(message)
            await until(lambda: heard.totals.odd == 6)
            assert struct.pack(">H", 1009) in await answer_to(address, HUGE_FRAME, HANDSHAKE)
            await answer_to(address, b"\x16\x03\x01 no HTTP\r\n\r\n")
            await good.send(separate(100, "Ada", 0.5, tone(0.02)))
            await until(lambda: len(heard.speakers) == 1)
        await until(lambda: heard.open == 0)


async def test_a_display_that_fails_ends_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        interval = 0.001

        def update(self, heard: Heard, at: float) -> None:
            raise ValueError("I/O operation on closed file")

        event = close = lambda *_: None

    def event(self: Broken, _: object) -> None:
        raise UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range")

    monkeypatch.setattr(Broken, "event", event)
    monkeypatch.setattr("worker.cli.listen.open_heard_display", lambda *_: Broken())
    out = io.StringIO()
    async with (
        listening(Console(file=out, width=100), "127.0.0.1", 0, None) as address,
        connect(address) as sender,
    ):
        await sender.send(recall("participant_events.join", 100, "Zoë", 0.1))
        await sender.send('{"type": "ready", "bot_id": "m"}')
        async with asyncio.timeout(WAIT):
            assert await sender.recv() == ACK
    assert "1 connection, 2 messages, 1 event" in out.getvalue()


async def test_a_port_that_is_taken_is_refused() -> None:
    first, second = (Listener(lambda _: None, lambda _: None) for _ in range(2))
    async with first.listening("127.0.0.1", 0) as address:
        port = port_of(address)
        with pytest.raises(PortError, match=f"127.0.0.1:{port}: cannot be listened on"):
            async with second.listening("127.0.0.1", port):
                pass
    with pytest.raises(PortError):
        async with first.listening("127.0.0.1", 70_000):
            pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_with_a_summary_and_files(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "worker.cli", "listen", "0", "--save", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["listening", "on"]
            asyncio.run(_send(words[2]))
            process.send_signal(number)
            shown, _ = process.communicate(timeout=WAIT)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Ada" in shown
    assert "1 connection, 2 messages, 0 events" in shown
    assert str(folder) in shown
    (path,) = folder.glob("*.wav")
    with wave.open(str(path)) as file:
        assert file.getnframes() == 16_000


async def _send(address: str) -> None:
    async with connect(address) as sender:
        await sender.send(separate(100, "Ada", 0.5, tone(0.5)))
        # The answer shows that what came before it was taken.
        await sender.send('{"type": "ready", "bot_id": "m"}')
        async with asyncio.timeout(WAIT):
            await sender.recv()

"""Many clients of an API, in a process of their own, which costs next to nothing: the machine is the server's.

    python -m tests.benchmarks.create_calls HOST PORT KEY BODY CALLS CLIENTS

Prints a JSON list with [status, seconds from a request to its whole answer, seconds of them in calls of the store] of each.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from tests.benchmarks.timed_serve import STORE_SECONDS

Taken = tuple[int, float, float]


async def ask_all(host: str, port: int, request: bytes, calls: int, clients: int) -> list[Taken]:
    """Each client sends its next call when the last one is answered."""
    taken: list[Taken] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for _ in range(calls // clients):
            begun = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            await reader.readexactly(int(headers["content-length"]))
            seconds = time.perf_counter() - begun
            taken.append((int(head[0].split()[1]), seconds, float(headers[STORE_SECONDS])))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken


if __name__ == "__main__":
    host, port, key, body, calls, clients = sys.argv[1:]
    head = (
        f"POST /api/v1/bots/create_bot HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Token {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    )
    request = head.encode() + body.encode()
    json.dump(asyncio.run(ask_all(host, int(port), request, int(calls), int(clients))), sys.stdout)

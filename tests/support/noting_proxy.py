"""An HTTP proxy that notes what it is asked for and refuses it, for tests of what must not go through one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
"""The variables that name a proxy."""


class NotingProxy(NamedTuple):
    """``environment`` names the proxy; ``asked`` grows with each request, such as ``CONNECT meet.google.com:443``."""

    environment: dict[str, str]
    asked: list[str]


@contextmanager
def noting_proxy() -> Iterator[NotingProxy]:
    """Runs the proxy on a free port."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path.partition('?')[0]}")
            self.send_error(403)

        do_CONNECT = do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield NotingProxy(dict.fromkeys(VARIABLES, f"http://127.0.0.1:{server.server_port}"), asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Refuses bots whose webhooks would lead inside, when they are made: in the vendor's words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from worker.contracts.json_body import JobError
from worker.delivery.url_guard import UrlBlockedError, UrlError, UrlGuard, read_url
from worker.server.errors import ApiError, bad_body
from worker.server.shares import Shares

logger = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds for which a name is looked up while a client waits. The URL is judged again at each delivery."""

LOOKUPS: Final = 32
"""Names that are looked up at once."""

LOOKUPS_OF_ONE: Final = 4
"""Of them, those of one workspace: each holds a thread of requests for up to PATIENCE."""


class UrlChecks:
    """Checks URLs of requests by ``guard``. Thread-safe."""

    def __init__(self, guard: UrlGuard) -> None:
        self._guard = guard
        self._shares = Shares(LOOKUPS_OF_ONE, LOOKUPS)

    def check(self, workspace: str, values: Mapping[str, Any], field: str) -> None:
        """Raises ApiError if ``values`` have a ``field`` that is set and no URL (400), or leads inside (MeetStream's form 400,
        Recall.ai's 403 ``request_blocked``). Blocks.

        A host that is not found within PATIENCE passes, and so does any URL at once while LOOKUPS_OF_ONE of the workspace are
        looked up: a slow name server is no fault of the request, and each delivery judges its URL again.
        """
        url = values.get(field)
        if url is None or url == "":
            return
        try:
            read_url(url)
            self._look_up(workspace, url)
        except TimeoutError:
            logger.warning("the host of %s is not found in time; it is judged again at each delivery", field)
        except UrlBlockedError as error:
            status = 400 if field == "callback_url" else 403
            raise ApiError(status, f"{field}: {error}", code="request_blocked") from error
        except UrlError as error:
            raise bad_body(JobError(f"job: {field}: {error}", field=[field])) from error

    def _look_up(self, workspace: str, url: str) -> None:
        """Raises what the guard raises, and TimeoutError."""
        if not self._shares.take(workspace):
            raise TimeoutError
        found: Future[None] = Future()

        def look_up() -> None:
            why: Exception | None = None
            try:
                self._guard.check(url)
            except Exception as error:  # noqa: BLE001 - the request raises it
                why = error
            self._shares.give_back(workspace)
            if why is None:
                found.set_result(None)
            else:
                found.set_exception(why)

        # A pool would have the end of the process wait for a name server, which can take half a minute.
        thread = threading.Thread(target=look_up, name="url-check", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._shares.give_back(workspace)
            raise
        found.result(PATIENCE)
